"""What clients asked and were answered, one event a request: recorded under load, kept as JSON Lines, read by the checkers.

A history is enough to judge a run, so every run keeps one, beside the seed that made its load.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Op = Literal["create", "change", "delete", "read"]


@dataclass(frozen=True, slots=True)
class Event:
    """One request of one client about the resource with this name. Times are seconds of one monotonic clock.

    `status` is None where no answer came: what was asked may have been done, may be done later, or never; it is 0 where there was no
    connection, so that nothing was asked. `value` is what was written,
    or what a read showed; `sent` the version that If-Match named; `version` the one of the answer.
    """

    client: int
    op: Op
    name: str
    started: float
    ended: float
    status: int | None
    value: str | None = None
    sent: int | None = None
    version: int | None = None
    retry_after: str | None = None

    @property
    def unknown(self) -> bool:
        """Whether the answer leaves open if it was done: none came, or that the server cannot tell."""
        return self.status is None or self.status >= 500


def save(path: Path, events: Iterable[Event], *, seed: int) -> None:
    """Keep a history, with the seed of its load in the first line."""
    with path.open("w", encoding="utf-8") as file:
        for row in ({"seed": seed}, *map(asdict, events)):
            file.write(json.dumps(row) + "\n")


def read(path: Path) -> tuple[int, list[Event]]:
    """The seed and the events of a history."""
    first, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return first["seed"], [Event(**row) for row in rows]


def unexpected(events: Iterable[Event]) -> list[str]:
    """Answers that no client should get: 5xx but 503, and a 503 that does not say in whole seconds when to come back."""
    return [
        f"{event.name}: {event.op} was answered {event.status} with Retry-After {event.retry_after}"
        for event in events
        if event.status is not None
        and event.status >= 500
        and not (event.status == 503 and event.retry_after is not None and event.retry_after.isdigit() and int(event.retry_after) > 0)
    ]
