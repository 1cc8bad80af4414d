"""Mistakes in refusing what comes too fast."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from scimsrv import rates, traffic
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import replace


@mutant
def retry_after_is_a_date() -> None:
    """A client that comes too fast is told a date, which Okta does not read."""

    def dated(original: Any) -> Any:
        def refused(*args: Any) -> Any:
            error = original(*args)
            error.headers["Retry-After"] = formatdate(usegmt=True)
            return error

        return refused

    for module in (rates, traffic):
        replace(module, "refused", dated)
