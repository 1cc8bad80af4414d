"""JSON from strangers, read only where every reader would see the same in it (RFC 8259 §4, RFC 7493)."""

from __future__ import annotations

from typing import Any, Final

from scimsrv.errors import ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.body import read_object

#: What a foreign credential may have; its size is bounded by who reads it.
_LIMITS: Final = Limits(json_depth=24, json_keys=500, json_containers=5_000, json_values=20_000)


class UnreadableError(ValueError):
    """A foreign document cannot be read; the message says why."""


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a foreign document. Raises UnreadableError for what is not JSON, is ambiguous (a name twice), or too large."""
    try:
        return read_object(body, _LIMITS)
    except ScimError as problem:
        raise UnreadableError(problem.sentence) from problem
