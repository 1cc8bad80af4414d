"""Draws lines over two logarithmic axes as SVG, readable on light and dark ground, without any library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

#: Points of a line: both coordinates positive.
Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 280, 48, 64

#: Told apart by those who do not see all colours, too (after Okabe and Ito), as is each line's mark.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f")
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .grid { stroke: #484f58; }
}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by a line; lines of one `style` have one colour and mark."""

    points: Points
    style: int = 0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines by name."""

    title: str
    across: str
    upwards: str
    lines: Mapping[str, Line]

    def svg(self) -> str:
        """The drawing. Raises ValueError when there is no point to draw."""
        points = [point for line in self.lines.values() for point in line.points]
        if not points:
            raise ValueError("no points")
        x, y = _Axis.over([a for a, _ in points], _LEFT, _WIDTH - _RIGHT), _Axis.over([b for _, b in points], _HEIGHT - _BOTTOM, _TOP)
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="{_LEFT}" y="26">{escape(self.title)}</text>',
            *(f'<path class="grid" d="M{x.at(tick):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>' for tick in x.ticks),
            *(f'<path class="grid" d="M{_LEFT} {y.at(tick):.1f}H{_WIDTH - _RIGHT}"/>' for tick in y.ticks),
            *(_text(x.at(tick), _HEIGHT - _BOTTOM + 20, "middle", f"{tick:,.10g}") for tick in x.ticks),
            *(_text(_LEFT - 8, y.at(tick) + 4, "end", f"{tick:,.10g}") for tick in y.ticks),
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 18, "middle", self.across),
            f'<text text-anchor="middle" transform="translate(20 {middle:.0f}) rotate(-90)">{escape(self.upwards)}</text>',
        ]
        for number, (name, line) in enumerate(self.lines.items()):
            parts += _drawn(number, name, line, [(x.at(a), y.at(b)) for a, b in line.points])
        return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(number: int, name: str, line: Line, points: Points) -> list[str]:
    """A line through pixels, and its entry in the legend at the place `number`."""
    colour, dash = _COLOURS[line.style % len(_COLOURS)], ' stroke-dasharray="6 4"' if line.dashed else ""
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    key, level = _WIDTH - _RIGHT + 20, _TOP + 12 + number * 22
    return [
        f'<path class="line" stroke="{colour}"{dash} d="{path}"/>',
        *(_mark(line.style, a, b, colour) for a, b in points),
        f'<path class="line" stroke="{colour}"{dash} d="M{key} {level}h26"/>',
        _mark(line.style, key + 13, level, colour),
        _text(key + 34, level + 4, "start", name),
    ]


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis between powers of ten, from pixel `start` to pixel `end`."""

    low: int
    high: int
    start: float
    end: float

    @staticmethod
    def over(values: Sequence[float], start: float, end: float) -> _Axis:
        low = math.floor(math.log10(min(values)) + 1e-9)
        return _Axis(low, max(low + 1, math.ceil(math.log10(max(values)) - 1e-9)), start, end)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]

    def at(self, value: float) -> float:
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _mark(number: int, x: float, y: float, colour: str) -> str:
    shapes = (
        f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
        f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
        f"M{x:.1f} {y - 5:.1f}l5 9h-10z",
        f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z",
    )
    return f'<path fill="{colour}" d="{shapes[number % len(shapes)]}"/>'
