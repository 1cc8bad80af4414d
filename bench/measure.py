"""Measures a question: its sides by turns, round after round, and the ratio within each round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Generator, Load, Measure
from bench.question import Comparison, Question, Side, Unit
from bench.world import Target, World, ask_now

_WARM_UP: float = 0.3


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the result: medians over the rounds in `unit`, ratios per round; `met` is None where there is no goal."""

    question: str
    title: str
    against: str
    unit: Unit
    ours: float
    ceiling: float
    ratio: float
    lowest: float
    highest: float
    goal: str
    met: bool | None


def measure(question: Question, world: World, generator: Generator, rounds: int, seconds: float) -> list[Row]:
    """Ask the question; one row per comparison. Raises RuntimeError when a server answers wrongly."""
    sides = {name: side for name, side in question.sides(world).items() if name != "scim2-server" or question.peer}
    for name, side in sides.items():
        _prove(name, side)
    taken: dict[str, list[Measure]] = {name: [] for name in sides}
    for turn in range(-1, rounds):
        for name, side in sides.items():
            duration = seconds if turn >= 0 else min(seconds, _WARM_UP)
            limit = question.limit if turn >= 0 or question.limit is None else 1
            outcome = generator.put(Load(side.port, side.requests, side.connections or question.connections, duration, limit, world.fresh))
            world.fresh += outcome.sent
            if side.undo:
                generator.put(Load(side.port, side.undo[: outcome.sent], 1, 600.0, outcome.sent, world.fresh))
            if turn >= 0:
                taken[name].append(outcome)
    return [
        _row(question, comparison, (taken["ours"], sides["ours"].weight), (taken[comparison.against], sides[comparison.against].weight))
        for comparison in question.comparisons_all
        if comparison.against in taken
    ]


def _row(question: Question, comparison: Comparison, ours: tuple[Sequence[Measure], int], other: tuple[Sequence[Measure], int]) -> Row:
    mine, theirs = ([_figure(one, comparison.unit, weight) for one in measures] for measures, weight in (ours, other))
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    ratio, goal = statistics.median(ratios), comparison.goal
    return Row(
        question.name,
        question.title,
        comparison.against,
        comparison.unit,
        statistics.median(mine),
        statistics.median(theirs),
        ratio,
        min(ratios),
        max(ratios),
        "" if goal is None else str(goal),
        None if goal is None else goal.met(ratio),
    )


def _figure(one: Measure, unit: Unit, weight: int) -> float:
    return one.per_second * weight if unit is Unit.PER_SECOND else one.median * 1000


def _prove(name: str, side: Side) -> None:
    if side.proof:
        answer = ask_now(Target(side.port, "", ""), side.requests[0])
        if side.proof not in answer.body.replace(b" ", b""):
            raise RuntimeError(f"{name} answers {answer.status} without {side.proof!r}: {answer.body[:300]!r}")
