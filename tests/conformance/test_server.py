"""Every conformance check against a freshly started server over HTTP: with the schemas that all tenants have, and with more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import pytest

from conformance.registry import requirements
from conformance.report import print_report
from conformance.runner import DYNAMIC, Result, run
from tests.conformance.tenants import make_tenants
from tests.conformance.trial import Trial, all_checks, apart

NEEDS_EXTENSION = {
    "7644-3.4.2.2-13": "the standard schemas have no number",
    "7643-7-17": "the standard schemas have nothing that is returned on request",
    "7643-6-06": "no standard resource type requires an extension",
    "7643-7-19": "nothing in the standard schemas is globally unique",
    "7643-2.3.3-01": "the standard schemas have no decimal",
}
"""Checks that cannot be decided with the standard schemas; the extended tenant decides each of them."""


@pytest.fixture(scope="module")
def standard(trial: Trial) -> list[Result]:
    """All checks on tenants with the schemas that every tenant starts with; scim2-tester needs an almost empty one for itself."""
    tokens = asyncio.run(make_tenants(trial.database_url, trial.secret_key, ["demo", "tester"]))
    alone, others, special = apart(all_checks())
    with trial.launcher.server() as url:
        results = run(alone, f"{url}/scim/tester/v2", tokens["tester"].ordinary)
        results += run(others, f"{url}/scim/demo/v2", tokens["demo"].ordinary, admin_token=tokens["demo"].admin, jobs=3)
    return results + trial.special(special, None, "demo", tokens["demo"])


@pytest.fixture(scope="module")
def extended(trial: Trial) -> list[Result]:
    """All checks but scim2-tester's, which cannot read decimals, on a tenant with more schemas."""
    tokens = asyncio.run(make_tenants(trial.database_url, trial.secret_key, [], ["extended"]))
    _, others, special = apart(all_checks())
    with trial.launcher.server() as url:
        held = tokens["extended"]
        results = run(others, f"{url}/scim/extended/v2", held.ordinary, admin_token=held.admin, jobs=3)
    return results + trial.special(special, None, "extended", tokens["extended"])


def _said(results: Iterable[Result], verdict: str) -> dict[str, str]:
    return {result.check.id: result.reason for result in results if result.verdict == verdict}


def test_nothing_fails(standard: list[Result]) -> None:
    print_report(standard)
    assert _said(standard, "failed") == {}


def test_only_known_checks_are_skipped(standard: list[Result]) -> None:
    assert _said(standard, "skipped").keys() == NEEDS_EXTENSION.keys()


def test_nothing_fails_or_is_skipped_with_more_schemas(extended: list[Result]) -> None:
    print_report(extended)
    assert _said(extended, "failed") == {}
    assert _said(extended, "skipped") == {}


def test_without_a_token_for_it_nothing_is_changed(trial: Trial) -> None:
    """Checks that change schemas and resource types are skipped, and say what they need."""
    tokens = asyncio.run(make_tenants(trial.database_url, trial.secret_key, ["unchanged"]))
    dynamic = [check for check in all_checks() if DYNAMIC in check.tags]
    with trial.launcher.server() as url:
        results = run(dynamic, f"{url}/scim/unchanged/v2", tokens["unchanged"].ordinary)
    said = _said(results, "skipped")
    assert said.keys() == {check.id for check in dynamic}
    assert all("--admin-token" in reason for reason in said.values())


def test_every_check_passed_on_one_of_the_tenants(standard: list[Result], extended: list[Result]) -> None:
    passed = _said(standard, "passed").keys() | _said(extended, "passed").keys()
    assert passed == {check.id for check in all_checks()}


def test_the_report_counts_what_ran(standard: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    assert print_report(standard) == 0
    counts = Counter(result.verdict for result in standard)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"conformance: {counts['passed']} passed, 0 failed, {len(NEEDS_EXTENSION)} skipped"


def test_every_testable_requirement_has_a_check() -> None:
    checks = {check.id for check in all_checks()}
    assert {row.id for row in requirements().values() if row.testable} <= checks
