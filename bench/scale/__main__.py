"""Command line: python -m bench.scale [sizes] [--data DIR] [--only NAME ...] [--quick] [--json FILE] [--plots DIR] [--docs FILE]."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from pathlib import Path
from types import FrameType

from bench.scale.finding import Finding
from bench.scale.lots import Sizes
from bench.scale.plots import Drawn, draw
from bench.scale.questions import QUESTIONS, SELDOM
from bench.scale.report import as_json, table, write_into
from bench.scale.site import QUICK, Effort, Site, site
from bench.seed import add_sizes, sizes_of


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code says whether all could be measured (0), not whether the bars were passed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description="Measure the server on a large tenant, in multiples of c: the time of a bare route that reads one document by its key.",
        epilog="example: python -m bench.scale --data ~/scale --only get --only 'userName eq'",
    )
    add_sizes(parser)
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the database there, so that the next run need not fill it")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", choices=sorted(QUESTIONS), help="only this question (repeatable)"
    )
    parser.add_argument("--list", action="store_true", help="list the questions and run nothing")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that every answer is right, measures nothing")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds per question (default 5)")
    parser.add_argument("--no-peer", action="store_true", help="leave out the comparison with scim2-server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON too")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="measure what is drawn too, and draw it there")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the table into this document, between its marks")
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(QUESTIONS))
        return 0
    effort = QUICK if options.quick else Effort()
    if options.rounds is not None:
        effort = dataclasses.replace(effort, rounds=options.rounds)
    sizes = sizes_of(options)
    signal.signal(signal.SIGTERM, _end)
    with site(sizes, effort, options.data) as made:
        findings, problems = ask(made, options.only)
        drawn = draw(made, peer=not options.no_peer) if options.plots is not None else Drawn({}, [], [])
    findings += drawn.beside
    print(table(findings))
    if options.json is not None:
        settings = {"sizes": dataclasses.asdict(sizes), "effort": dataclasses.asdict(effort), "only": options.only}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(as_json(findings, settings, {**drawn.sizes, "add one member": drawn.members}), encoding="utf-8")
    if options.plots is not None:
        options.plots.mkdir(parents=True, exist_ok=True)
        for name, plot in drawn.plots().items():
            (options.plots / name).write_text(plot.svg(), encoding="utf-8")
    if options.docs is not None:
        write_into(options.docs, findings, _command(sizes, effort, options.only))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def ask(made: Site, only: list[str]) -> tuple[list[Finding], list[str]]:
    """Ask the questions of these names, or all but those that take hours; also returns what was wrong with answers, which fails a question
    and costs no other."""
    findings: list[Finding] = []
    problems = []
    for name, question in QUESTIONS.items():
        if name in only or not (only or name in SELDOM):
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                findings += question(made)
            except RuntimeError as problem:
                problems.append(f"{name}: {problem}")
                findings.append(Finding(name, 1, "wrong answers", 0, note=str(problem)[:200]))
    return findings, problems


def _command(sizes: Sizes, effort: Effort, only: list[str]) -> str:
    """The command line that measures the same."""
    words = ["python -m bench.scale", f"--users {sizes.users} --groups {sizes.groups} --giant {sizes.giant}"]
    words += [f"--tenants {sizes.tenants} --tenant-users {sizes.tenant_users} --rounds {effort.rounds}"]
    words += ["--quick"] if effort.seconds == QUICK.seconds else []
    return " ".join([*words, *(f'--only "{name}"' for name in only)])


def _end(number: int, frame: FrameType | None) -> None:
    """Leave by the blocks that stop the servers."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
