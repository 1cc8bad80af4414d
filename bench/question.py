"""What a question consists of: sides that are measured by turns, and comparisons of the first side with another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from bench.world import World


class Unit(Enum):
    """What is compared. Throughput is better high, latency better low."""

    PER_SECOND = "req/s"
    MILLISECONDS = "ms p50"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things measured: requests for the server at `port`.

    `proof` is what the answer to the first request must contain (white space apart): a load that measures refusals or
    empty answers says nothing. `undo` reverts request by request, unmeasured, so that the next round finds what this one found.
    `weight` is how many things a request asks for at once; `connections`, where it is given, takes the place of the question's.
    """

    port: int
    requests: tuple[bytes, ...]
    proof: bytes = b""
    undo: tuple[bytes, ...] = ()
    weight: int = 1
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio ours / ceiling has to be: at least (throughput) or at most (latency) `ratio`."""

    ratio: float
    unit: Unit

    def met(self, ratio: float) -> bool:
        """Whether a measured ratio meets the goal."""
        return ratio >= self.ratio if self.unit is Unit.PER_SECOND else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{'>=' if self.unit is Unit.PER_SECOND else '<='} {self.ratio:g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Side `against` as the ceiling of our side; without a goal only the ratio is told."""

    against: str
    unit: Unit = Unit.PER_SECOND
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question: `sides` makes the sides by name, ours under "ours", once servers and data are there.

    `limit` caps the requests of a round; `peer`: whether the other SCIM server is one of the sides.
    """

    name: str
    title: str
    sides: Callable[[World], dict[str, Side]]
    comparisons: tuple[Comparison, ...]
    connections: int = 8
    limit: int | None = None
    peer: bool = True
    comparisons_all: tuple[Comparison, ...] = field(init=False)

    def __post_init__(self) -> None:
        ahead = (Comparison("scim2-server", goal=Goal(1.0, Unit.PER_SECOND)),) if self.peer else ()
        object.__setattr__(self, "comparisons_all", (*self.comparisons, *ahead))


def ratio_of_throughput(against: str, goal: float | None = None) -> Comparison:
    """Our requests per second over the other side's, at least `goal`."""
    return Comparison(against, Unit.PER_SECOND, None if goal is None else Goal(goal, Unit.PER_SECOND))


def ratio_of_latency(against: str, goal: float) -> Comparison:
    """Our median latency over the other side's, at most `goal`."""
    return Comparison(against, Unit.MILLISECONDS, Goal(goal, Unit.MILLISECONDS))
