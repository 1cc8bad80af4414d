"""Each check notices a mistake: a server with a mutant in it fails the checks that killed.json assigns to the mutant."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.mutants.matrix import BROAD, assignment, breadths, killed, kills
from tests.conformance.mutants.registry import load
from tests.conformance.trial import Trial, all_checks, failed

_AT_ONCE = 2


def test_every_check_has_a_mutant() -> None:
    assert killed().keys() == {check.id for check in all_checks()}


def test_no_mutant_of_the_table_is_unknown() -> None:
    assert set(killed().values()) <= load().keys()


def test_no_mutant_of_the_table_is_broad() -> None:
    counts, most = breadths(), BROAD * len(all_checks())
    assert counts.keys() == kills().keys()
    assert {name: count for name, count in counts.items() if count > most} == {}


def test_breadth_counts_at_least_the_checks_of_the_table() -> None:
    assert {name for name, ids in kills().items() if len(ids) > breadths()[name]} == set()


def test_an_assignment_prefers_narrow_mutants_and_takes_no_broad_one() -> None:
    broad, wide = {f"c{number}" for number in range(101)}, {f"c{number}" for number in range(60)}
    noticed = {"broad": broad, "wide": wide, "narrow": {"c1", "c2"}, "less": {"c1"}, "unnoticed": set[str]()}
    table = assignment(noticed, 400)
    assert table == dict.fromkeys(sorted(wide), "wide") | {"c1": "narrow", "c2": "narrow"}


@pytest.fixture(scope="module")
def survivors(trial: Trial) -> dict[str, set[str]]:
    """For each mutant of the table the checks that it is assigned to and that did not fail on it."""
    checks = {check.id: check for check in all_checks()}
    table = kills()
    numbers = {name: number for number, name in enumerate(table, 1)}
    slots = threading.Semaphore(_AT_ONCE)

    def attempt(name: str) -> tuple[str, set[str]]:
        with slots:
            return name, table[name] - failed(trial.mutated(numbers[name], name, [checks[id_] for id_ in table[name]]))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {name: left for name, left in pool.map(attempt, table) if left}


def test_every_mutant_is_killed_by_its_checks(survivors: dict[str, set[str]]) -> None:
    report = [f"{name}: not noticed by {', '.join(sorted(left))}" for name, left in sorted(survivors.items())]
    assert not report, "\n".join(report)
