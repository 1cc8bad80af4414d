"""Running checks against servers: a correct one, and one with a mutant in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.registry import CHECKS, Check
from conformance.runner import Result, load_checks, run
from tests.conformance.servers import Launcher
from tests.conformance.tenants import make_tenants

TESTER = "scim2-tester"


def all_checks() -> list[Check]:
    """Every registered check."""
    load_checks()
    return list(CHECKS.values())


@dataclass(frozen=True, slots=True)
class Trial:
    """Where trials take place: a launcher of servers and the database behind it."""

    launcher: Launcher
    database_url: str
    secret_key: str

    def mutated(self, number: int, mutant: str | None, checks: Iterable[Check], *, jobs: int = 2) -> list[Result]:
        """Run checks against a server with this mutant (None: without one) on two new tenants, told apart by the number.

        scim2-tester looks at the first page of a list, and cannot read decimals: it gets a plain tenant for itself.
        """
        alone = [check for check in checks if TESTER in check.tags]
        others = [check for check in checks if TESTER not in check.tags]
        plain, extended = f"plain-{number}", f"extended-{number}"
        tokens = asyncio.run(make_tenants(self.database_url, self.secret_key, [plain], [extended]))
        with self.launcher.server(mutant) as url:
            return [*_run(alone, url, plain, tokens, 1), *_run(others, url, extended, tokens, jobs)]


def _run(checks: Sequence[Check], url: str, tenant: str, tokens: dict[str, str], jobs: int) -> list[Result]:
    return run(checks, f"{url}/scim/{tenant}/v2", tokens[tenant], jobs=jobs) if checks else []


def failed(results: Iterable[Result]) -> set[str]:
    """The ids of the checks that failed."""
    return {result.check.id for result in results if result.verdict == "failed"}
