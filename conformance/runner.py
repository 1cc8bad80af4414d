"""Run checks one by one (or several at a time) and keep their verdicts."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import httpx

import conformance.checks
from conformance.client import Failed, Scim
from conformance.registry import Check, Skip

DYNAMIC = "dynamic"
"""The tag of checks that change the tenant's schemas and resource types."""

Verdict = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """A check's verdict; `reason` says why it failed or was skipped."""

    check: Check
    verdict: Verdict
    reason: str
    seconds: float

    def as_json(self) -> dict[str, object]:
        """A flat object for --json."""
        check = self.check
        return {
            "id": check.id,
            "section": check.section,
            "level": check.level,
            "tags": sorted(check.tags),
            "claim": check.claim,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def load_checks() -> None:
    """Import every module below conformance.checks, which registers its checks."""
    for module in pkgutil.walk_packages(conformance.checks.__path__, "conformance.checks."):
        importlib.import_module(module.name)


def run(checks: Sequence[Check], base_url: str, token: str, *, admin_token: str | None = None, jobs: int = 1) -> list[Result]:
    """Run the checks against the server and return their results in order. Those that change what discovery shows come last, one by
    one; they need a token for that and are skipped without one."""
    apart = [check for check in checks if DYNAMIC in check.tags]
    results = _run_all([check for check in checks if DYNAMIC not in check.tags], base_url, token, admin_token, jobs)
    results |= _run_all(apart, base_url, token, admin_token, 1)
    return [results[check.id] for check in checks]


def _run_all(checks: Sequence[Check], base_url: str, token: str, admin_token: str | None, jobs: int) -> dict[str, Result]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/scim+json"}
    with httpx.Client(headers=headers, timeout=30, limits=httpx.Limits(max_connections=jobs + 80)) as http:
        if jobs == 1:
            results = [_run(check, http, base_url, admin_token) for check in checks]
        else:
            with ThreadPoolExecutor(jobs) as pool:
                results = list(pool.map(lambda check: _run(check, http, base_url, admin_token), checks))
    return {result.check.id: result for result in results}


def _run(check: Check, http: httpx.Client, base_url: str, admin_token: str | None) -> Result:
    scim = Scim(http, base_url, admin_token)
    began = time.perf_counter()
    verdict: Verdict = "passed"
    reason = ""
    try:
        check.run(scim)
    except Skip as why:
        verdict, reason = "skipped", str(why)
    except Failed as why:
        verdict, reason = "failed", str(why)
    except Exception as why:
        verdict, reason = "failed", f"{type(why).__name__}: {why}"
    finally:
        try:
            scim.clean_up()
        except httpx.HTTPError as why:
            if verdict == "passed":
                verdict, reason = "failed", f"clean-up: {why}"
    return Result(check, verdict, reason, time.perf_counter() - began)
