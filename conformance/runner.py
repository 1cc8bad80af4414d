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


def run(checks: Sequence[Check], base_url: str, token: str, *, jobs: int = 1) -> list[Result]:
    """Run the checks against the server and return their results in order."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/scim+json"}
    with httpx.Client(headers=headers, timeout=30, limits=httpx.Limits(max_connections=jobs + 80)) as http:
        if jobs == 1:
            return [_run(check, http, base_url) for check in checks]
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda check: _run(check, http, base_url), checks))


def _run(check: Check, http: httpx.Client, base_url: str) -> Result:
    scim = Scim(http, base_url)
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
