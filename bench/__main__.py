"""Command line: python -m bench [--only NAME ...] [--quick] [--rounds N] [--seconds S] [--json FILE] [--no-peer] [--list]."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from bench.load import Generator
from bench.measure import Row, measure
from bench.questions import QUESTIONS
from bench.report import as_json, table
from bench.servers import servers


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code says whether it could be measured (0), not whether the goals were met."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the server against ceilings taken in the same run; every ratio is the median over rounds taken by turns.",
        epilog="example: python -m bench --only get --only create --rounds 9",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", choices=sorted(QUESTIONS), help="only this question (repeatable)"
    )
    parser.add_argument("--list", action="store_true", help="list the questions and run nothing")
    parser.add_argument("--quick", action="store_true", help="few users and short rounds: shows that it works, measures nothing")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds per question (default 5)")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S", help="length of a side's turn (default 1.5)")
    parser.add_argument(
        "--users", type=int, default=10_000, metavar="N", help="users in the group, to which a fifth comes that is in none (default 10000)"
    )
    parser.add_argument("--no-peer", action="store_true", help="leave out the comparison with scim2-server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON too")
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(f"{name:20} {question.title}" for name, question in QUESTIONS.items()))
        return 0
    rounds, seconds, users = (1, 0.2, 200) if options.quick else (options.rounds, options.seconds, options.users)
    asked = [question for name, question in QUESTIONS.items() if not options.only or name in options.only]
    rows: list[Row] = []
    signal.signal(signal.SIGTERM, _end)
    with Generator() as generator, servers(users, users // 5, peer=not options.no_peer) as world:
        for question in asked:
            print(f"{question.title} ...", file=sys.stderr, flush=True)
            rows += measure(question, world, generator, rounds, seconds)
    print(table(rows))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        settings: dict[str, object] = {"rounds": rounds, "seconds": seconds, "users": users, "only": options.only}
        options.json.write_text(as_json(rows, settings), encoding="utf-8")
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Leave by the blocks that stop the servers."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
