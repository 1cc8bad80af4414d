"""What comes of a question: a figure, the bar that it is held against, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`figure` in `unit` ("c": multiples of the bare ceiling's median time), which must be at most `bar`, or at least with
    `at_least`; `figure` None: could not be measured here. `lowest` and `highest` are those of the rounds."""

    title: str
    figure: float | None
    unit: str
    bar: float
    at_least: bool = False
    lowest: float | None = None
    highest: float | None = None
    milliseconds: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure passes, None where there is none."""
        if self.figure is None:
            return None
        return self.figure >= self.bar if self.at_least else self.figure <= self.bar

    @staticmethod
    def of_rounds(title: str, ratios: Sequence[float], unit: str, bar: float, milliseconds: float, note: str = "") -> Finding:
        """The median over rounds."""
        figure = statistics.median(ratios)
        return Finding(title, figure, unit, bar, False, min(ratios), max(ratios), milliseconds, note)
