"""Finds acknowledged writes that were lost: `python -m tests.faults.acknowledged HISTORY FOUND` reads a history and what was found later.

Each resource has one client, which sends one request at a time. So its events allow a set of states that it may be in; each answer
narrows the set, and each request without an answer stays pending: it may take effect at once, later, or never. A resource that is
found in none of the states that are left is an anomaly.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.history import Event, Op, read


@dataclass(frozen=True, slots=True)
class State:
    """A resource that is there: its version, and the value written last."""

    version: int
    value: str | None


#: What a request without an answer would do: those that would do the same count as one that may be done several times.
_Effect = tuple[Op, str | None]

#: What may be: a state, or None for no resource; and what is still pending, in a fixed order.
_Possible = tuple[State | None, tuple[_Effect, ...]]


def check(events: Iterable[Event], found: Mapping[str, State]) -> list[str]:
    """What is wrong, resource by resource; `found` is what is there when everything has come to rest."""
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_name[event.name].append(event)
    anomalies = [text for name, asked in by_name.items() if (text := _check(asked, found.get(name))) is not None]
    return anomalies + [f"{name}: was never asked for" for name in found if name not in by_name]


def _check(events: list[Event], found: State | None) -> str | None:
    possible: set[_Possible] = {(None, ())}
    for number, event in enumerate(events):
        if event.unknown:
            possible = {(state, _with(pending, (event.op, event.value))) for state, pending in possible}
            continue
        possible = {
            (after, pending) for state, pending in _closure(possible) for permitted, after in [_answered(state, event)] if permitted
        }
        if not possible:
            return f"{event.name}: {event.op} number {number} was answered {event.status}, which nothing before it explains"
    ends = {state for state, _ in _closure(possible)}
    if found in ends:
        return None
    expected = " or ".join(sorted(map(str, ends)))
    return f"{events[0].name}: is {found}, but its {len(events)} events leave {expected}"


def _with(pending: tuple[_Effect, ...], effect: _Effect) -> tuple[_Effect, ...]:
    return tuple(sorted((*pending, effect), key=str))


def _closure(possible: set[_Possible]) -> set[_Possible]:
    """The states, with any of what is pending carried out in any order."""
    todo, known = list(possible), set(possible)
    while todo:
        state, pending = todo.pop()
        for effect in dict.fromkeys(pending):
            left = list(pending)
            left.remove(effect)
            reached = (_done(state, *effect), tuple(left))
            if reached not in known:
                known.add(reached)
                todo.append(reached)
    return known


def _done(state: State | None, op: Op, value: str | None) -> State | None:
    """The state after a request that was carried out."""
    if op == "create":
        return state or State(1, value)
    if state is None or op == "read":
        return state
    return None if op == "delete" else State(state.version + 1, value)


def _answered(state: State | None, event: Event) -> tuple[bool, State | None]:
    """Whether the answer is right for the state, and the state after it."""
    success = event.status is not None and 200 <= event.status < 300
    if not success:
        if event.status in (0, 408, 429):
            return True, state
        if event.op == "create":
            return event.status == 409 and state is not None, state
        return event.status == 404 and state is None, state
    if (state is None) is not (event.op == "create"):
        return False, state
    after = _done(state, event.op, event.value)
    if event.op == "read":
        return after == State(event.version or 0, event.value), after
    return after is None or event.version in (None, after.version), after


if __name__ == "__main__":
    made_with, history = read(Path(sys.argv[1]))
    rows = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    wrong = check(history, {name: State(*state) for name, state in rows.items()})
    print("\n".join([f"seed {made_with}, {len(history)} events, {len(wrong)} anomalies", *wrong]))
    sys.exit(bool(wrong))
