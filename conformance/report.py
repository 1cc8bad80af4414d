"""The printed report: failures, skips, a table by RFC section, counts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from conformance.runner import Result


def print_report(results: Sequence[Result]) -> int:
    """Print the report; returns the exit code: 1 if a check failed, else 0."""
    for verdict in ("failed", "skipped"):
        for result in results:
            if result.verdict == verdict:
                print(f"{verdict.upper():8} {result.check.id}  {result.check.claim}\n         {result.reason}")
    sections: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        sections[result.check.section][result.verdict] += 1
    width = max(map(len, sections), default=7)
    print(f"\n{'section':{width}}  passed  failed  skipped")
    for section in sorted(sections, key=_order):
        count = sections[section]
        print(f"{section:{width}}  {count['passed']:6}  {count['failed']:6}  {count['skipped']:7}")
    total = Counter(result.verdict for result in results)
    print(f"\nconformance: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0


def _order(section: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", section)]
