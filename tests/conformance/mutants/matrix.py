"""Which check notices which mutant: the committed tables, and their computation (`python -m tests.conformance.mutants.matrix`)."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from scimsrv.keys import new_key
from tests.conformance.mutants.registry import load
from tests.conformance.servers import launcher
from tests.conformance.trial import TESTER, Trial, UnsoundError, all_checks, failed
from tests.postgres import test_server

TABLE: Final = Path(__file__).parent / "killed.json"
BREADTHS: Final = Path(__file__).parent / "breadth.json"

BROAD: Final = 0.25
"""Share of all checks above which a mutant counts for none of them: it shows that a server is broken, not what a check is worth."""


_NARROW: Final = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, BROAD)
"""The table takes what it can from mutants that few checks notice, and only the rest from wider ones."""


def killed() -> dict[str, str]:
    """The committed table: check id to the name of a mutant that the check notices."""
    table: dict[str, str] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def kills() -> dict[str, set[str]]:
    """The committed table the other way round."""
    found: dict[str, set[str]] = {}
    for id_, name in killed().items():
        found.setdefault(name, set()).add(id_)
    return found


def breadths() -> dict[str, int]:
    """The committed measurement: how many of all checks noticed each mutant of the table."""
    counts: dict[str, int] = json.loads(BREADTHS.read_text(encoding="utf-8"))
    return counts


def assignment(noticed: Mapping[str, set[str]], checks: int) -> dict[str, str]:
    """A mutant for every check that any mutant but the broad ones shows to work: few mutants, and narrow ones where there are any."""
    usable = {name: ids for name, ids in noticed.items() if len(ids) <= checks * BROAD}
    covered: set[str] = set()
    few: list[str] = []
    for share in _NARROW:
        some = {name: ids for name, ids in usable.items() if len(ids) <= checks * share}
        while left := set().union(*some.values()) - covered:
            few.append(min(some, key=lambda name: (-len(some[name] & left), len(some[name]), name)))
            covered |= some[few[-1]]
    table: dict[str, str] = {}
    for name in sorted(few, key=lambda name: (-len(usable[name]), name)):  # the narrower come later and take over
        table |= dict.fromkeys(usable[name], name)
    return dict(sorted(table.items()))


def write(noticed: Mapping[str, set[str]], checks: int) -> dict[str, str]:
    """Write both tables from a measurement; returns the assignment."""
    table = assignment(noticed, checks)
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    counts = {name: len(noticed[name]) for name in sorted(set(table.values()))}
    BREADTHS.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return table


def compute(names: list[str], *, at_once: int) -> dict[str, set[str]]:
    """Run all checks against a server with each of the mutants; the ids that failed, by mutant. Prints what it does."""
    checks = all_checks()
    noticed: dict[str, set[str]] = {}
    lock = threading.Lock()
    with test_server("embedded") as server:
        url, key = server.create(), new_key()
        with launcher(url, key) as started:
            trial = Trial(started, url, key)
            wrong = failed(trial.mutated(0, None, checks))
            if wrong:
                print(f"fail without any mutant and count for none: {', '.join(sorted(wrong))}")

            def attempt(numbered: tuple[int, str]) -> None:
                number, name = numbered
                try:
                    found = failed(trial.mutated(number, name, checks)) - wrong
                except UnsoundError as problem:
                    found = set()
                    print(f"{name} does not fit the program any more: {problem}")
                with lock:
                    noticed[name] = found
                    print(f"{len(noticed):4}/{len(names)}  {name}: {len(found)}", flush=True)

            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(attempt, enumerate(names, 1)))
    return noticed


def main() -> int:
    """Compute the matrix; exit code 1 when a check notices no mutant, or a mutant is noticed by no check."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.mutants.matrix", description="Recompute killed.json and breadth.json."
    )
    parser.add_argument("--matrix", type=Path, metavar="FILE", help="write every mutant with the checks that notice it")
    parser.add_argument("--again", action="store_true", help="measure the mutants of the table only")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="servers at the same time (default 2)")
    options = parser.parse_args()
    noticed = compute(sorted(kills()) if options.again else list(load()), at_once=options.jobs)
    if options.matrix:
        options.matrix.write_text(json.dumps({name: sorted(ids) for name, ids in sorted(noticed.items())}, indent=1) + "\n")
    checks = {check.id for check in all_checks()}
    table = write(noticed, len(checks))
    unnoticed = sorted(name for name, ids in noticed.items() if not ids)
    broad = sorted(name for name, ids in noticed.items() if len(ids) > len(checks) * BROAD)
    missing = sorted(checks - table.keys())
    print(f"{len(checks)} checks, {len(noticed)} mutants, {len(set(table.values()))} of them in the table")
    print(f"too broad to count: {', '.join(broad) or 'none'}")
    print(f"noticed by no check: {', '.join(unnoticed) or 'none'}")
    print(f"checks that notice nothing: {', '.join(missing) or 'none'}")
    return 1 if missing or unnoticed else 0


if __name__ == "__main__":
    assert TESTER
    sys.exit(main())
