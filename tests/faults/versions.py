"""Finds what no single resource can do: `python -m tests.faults.versions HISTORY` judges a history of many clients on shared resources.

A resource is a chain of versions, each made from the one before. So among conditional writes each version is consumed once, a version
has one value, a request that began after another had ended sees no older version, and 412 means that the version named was gone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.faults.history import Event, read


def check(events: Iterable[Event]) -> list[str]:
    """What is wrong, resource by resource."""
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_name[event.name].append(event)
    return [f"{name}: {text}" for name, asked in by_name.items() for text in _check(sorted(asked, key=lambda event: event.started))]


def _check(events: list[Event]) -> Iterator[str]:
    writes = [event for event in events if event.op in ("create", "change")]
    made = [event for event in writes if _succeeded(event)]
    lost = [event for event in writes if event.unknown]
    yield from _chain(made, lost)
    yield from _values(events, made, lost)
    yield from _order(events)
    yield from _refusals(events, made, lost)


def _succeeded(event: Event) -> bool:
    return event.status is not None and 200 <= event.status < 300


def _chain(made: list[Event], lost: list[Event]) -> Iterator[str]:
    """Each version is made by one write, from the version that it named; those between belong to writes without an answer."""
    by_version: dict[int, Event] = {}
    for event in made:
        if event.version is None:
            yield f"a {event.op} succeeded without a version"
            continue
        if event.version in by_version:
            yield f"version {event.version} was made twice, by clients {by_version[event.version].client} and {event.client}"
        by_version[event.version] = event
        if event.sent is not None and event.version != event.sent + 1:
            yield f"client {event.client} changed version {event.sent} and got version {event.version}"
    if not by_version:
        return
    missing = [version for version in range(1, max(by_version)) if version not in by_version]
    if len(missing) > len(lost):
        yield f"versions {missing} were made by nobody: only {len(lost)} writes are without an answer"


def _values(events: list[Event], made: list[Event], lost: list[Event]) -> Iterator[str]:
    """A read shows the value of its version."""
    written = {event.version: event.value for event in made}
    possible = {event.value for event in lost}
    for event in events:
        if event.op != "read" or not _succeeded(event):
            continue
        if event.version in written and written[event.version] != event.value:
            yield f"client {event.client} read {event.value!r} as version {event.version}, which is {written[event.version]!r}"
        elif event.version not in written and event.value not in possible:
            yield f"client {event.client} read version {event.version} with {event.value!r}, which nobody wrote"


def _order(events: list[Event]) -> Iterator[str]:
    """What began after something else had ended knows of it."""
    answered = [event for event in events if _succeeded(event) and event.version is not None]
    ended = sorted(answered, key=lambda event: event.ended)
    newest, position = 0, 0
    for event in answered:  # by their start
        while position < len(ended) and ended[position].ended < event.started:
            newest = max(newest, ended[position].version or 0)
            position += 1
        version = event.version or 0
        if version < newest or (event.op == "change" and version == newest):
            yield f"client {event.client} got version {version} of a {event.op} that began after version {newest} was known"


def _refusals(events: list[Event], made: list[Event], lost: list[Event]) -> Iterator[str]:
    """412 is for versions that were consumed by a write that had begun before the answer."""
    for event in events:
        if event.status != 412 or event.sent is None:
            continue
        gone = any((write.version or 0) > event.sent and write.started < event.ended for write in made)
        if not gone and not any(write.started < event.ended for write in lost):
            yield f"client {event.client} was refused version {event.sent}, which was the newest"


if __name__ == "__main__":
    made_with, history = read(Path(sys.argv[1]))
    wrong = check(history)
    print("\n".join([f"seed {made_with}, {len(history)} events, {len(wrong)} anomalies", *wrong]))
    sys.exit(bool(wrong))
