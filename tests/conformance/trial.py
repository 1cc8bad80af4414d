"""Running checks against servers: a correct one, and one with a mutant in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from conformance.checks.tester import UNREACHED
from conformance.client import CORE_GROUP, CORE_USER, PATCH_OP
from conformance.registry import CHECKS, Check
from conformance.runner import Result, load_checks, run
from tests.conformance.servers import Launcher
from tests.conformance.tenants import Tokens, make_tenants

TESTER = "scim2-tester"

_SLOW: Final = {"token_rate": 2, "token_burst": 20, "rate_patience": 0}

SETTINGS: Final[Mapping[str, dict[str, Any]]] = {"9865-2.1-03": {"cursor_timeout": 1}, "IPSIE-AL1-04": _SLOW, "9865-5.3-02": _SLOW}
"""Checks that wait for a cursor to expire, or meet a rate: they get a server whose cursors do so soon, or whose rate is low."""


def all_checks() -> list[Check]:
    """Every registered check."""
    load_checks()
    return list(CHECKS.values())


def apart(checks: Iterable[Check]) -> tuple[list[Check], list[Check], list[Check]]:
    """The checks apart: those of scim2-tester, most, and those that need settings of their own."""
    made: tuple[list[Check], list[Check], list[Check]] = ([], [], [])
    for check in checks:
        made[0 if TESTER in check.tags else 2 if check.id in SETTINGS else 1].append(check)
    return made


@dataclass(frozen=True, slots=True)
class Trial:
    """Where trials take place: a launcher of servers and the database behind it."""

    launcher: Launcher
    database_url: str
    secret_key: str

    def mutated(self, number: int, mutant: str | None, checks: Iterable[Check], *, jobs: int = 1) -> list[Result]:
        """Run checks against a server with this mutant (None: without one) on two new tenants, told apart by the number.

        scim2-tester looks at the first page of a list, and cannot read decimals: it gets a plain tenant for itself.
        """
        alone, others, special = apart(checks)
        plain, extended = f"plain-{number}", f"extended-{number}"
        tokens = asyncio.run(make_tenants(self.database_url, self.secret_key, [plain], [extended]))
        with self.launcher.server(mutant) as url:
            _check_soundness(mutant, f"{url}/scim/{plain}/v2", tokens[plain].ordinary)
            results = [*_run(alone, url, plain, tokens, 1), *_run(others, url, extended, tokens, jobs)]
        return results + self.special(special, mutant, extended, tokens[extended])

    def special(self, checks: Iterable[Check], mutant: str | None, tenant: str, tokens: Tokens) -> list[Result]:
        """Run each check against a server with the settings that it needs."""
        results: list[Result] = []
        for check in checks:
            with self.launcher.server(mutant, **SETTINGS[check.id]) as url:
                results += _run([check], url, tenant, {tenant: tokens}, 1)
        return results


def _run(checks: Sequence[Check], url: str, tenant: str, tokens: dict[str, Tokens], jobs: int) -> list[Result]:
    held = tokens[tenant]
    return run(checks, f"{url}/scim/{tenant}/v2", held.ordinary, admin_token=held.admin, jobs=jobs) if checks else []


class UnsoundError(Exception):
    """A mutant makes ordinary requests fail with 500: it is no mistake that a check could tell from another."""


def _check_soundness(mutant: str | None, base_url: str, token: str) -> None:
    """Raise UnsoundError when ordinary requests make the server fail, as a mutant does that does not fit the program any more."""
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:

        def ask(method: str, path: str, body: Any = None) -> Any:
            answer = http.request(method, path, json=body)
            if answer.status_code == 500:
                raise UnsoundError(f"{mutant}: {method} {path}: {answer.text}")
            try:
                return answer.json()
            except ValueError:
                return {}

        user = ask(
            "POST",
            "/Users",
            {"schemas": [CORE_USER], "userName": "Ada", "name": {"familyName": "L"}, "emails": [{"value": "a@example.com"}]},
        )
        member = [{"value": user.get("id", "")}]
        group = ask("POST", "/Groups", {"schemas": [CORE_GROUP], "displayName": "Team", "members": member})
        title = {"op": "add", "path": "title", "value": "x"}
        for path, resource in (("/Users", user), ("/Groups", group)):
            place = f"{path}/{resource.get('id', '')}"
            ask("GET", place)
            ask("GET", f'{path}?filter=displayName eq "x" or id pr&sortBy=id&attributes=displayName')
            ask("PUT", place, {"schemas": [CORE_USER], "userName": "Ada", "displayName": "y", "members": member})
            ask("PATCH", place, {"schemas": [PATCH_OP], "Operations": [title if path == "/Users" else title | {"path": "displayName"}]})
        for path in ("/Users", "/Groups", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Users/0"):
            ask("GET", path)
        for path, resource in (("/Groups", group), ("/Users", user)):
            ask("DELETE", f"{path}/{resource.get('id', '')}")


def failed(results: Iterable[Result]) -> set[str]:
    """The ids of the checks that failed; of scim2-tester's checkers not those that it did not come to, which say nothing."""
    return {result.check.id for result in results if result.verdict == "failed" and result.reason != UNREACHED}
