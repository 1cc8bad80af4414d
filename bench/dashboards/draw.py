"""Draws what the queries of a dashboard's panels found, as one SVG: a plot for each panel, readable on light and dark ground."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

from bench.dashboards.panels import Dashboard, Panel, Unit

#: Seconds since the start and values, of each series by its legend.
Series: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]

_COLUMNS: Final = 3
_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 34, 74
_LEGENDS: Final = 6
_LONGEST: Final = 26

#: Told apart by those who do not see all colours, too (after Okabe and Ito).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f")
_STYLE: Final = """
text { font: 11px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 18px; font-weight: 600; }
.panel { font-size: 13px; font-weight: 600; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.line { fill: none; stroke-width: 1.6; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .grid { stroke: #484f58; }
}
"""
_HEAD: Final = 44


def drawn(dashboard: Dashboard, found: Mapping[str, Series]) -> str:
    """The plots of a dashboard; `found` has the series of each panel by its title."""
    rows = -(-len(dashboard.panels) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, _HEAD + rows * _HEIGHT
    title = f"Plots of the panel queries of “{dashboard.title}”"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
    ]
    for number, panel in enumerate(dashboard.panels):
        row, column = divmod(number, _COLUMNS)
        parts.append(f'<g transform="translate({column * _WIDTH} {_HEAD + row * _HEIGHT})">')
        parts += _plot(panel, found[panel.title])
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _plot(panel: Panel, series: Series) -> Iterator[str]:
    points = [point for line in series.values() for point in line]
    last = max((x for x, _ in points), default=1.0) or 1.0
    top = _nice(max((y for _, y in points), default=1.0))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float, y: float) -> str:
        return f"{_LEFT + x / last * (right - _LEFT):.1f} {bottom - max(y, 0.0) / top * (bottom - _TOP):.1f}"

    yield f'<text class="panel" x="{_LEFT}" y="20">{escape(panel.title)}</text>'
    for share in (0.0, 0.5, 1.0):
        level = bottom - share * (bottom - _TOP)
        yield f'<path class="grid" d="M{_LEFT} {level:.1f}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{escape(_shown(share * top, panel.unit))}</text>'
    yield f'<text x="{right}" y="{bottom + 14}" text-anchor="end">{last:.0f} s</text>'
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<path class="line" stroke="{colour}" d="M{"L".join(at(x, y) for x, y in line)}"/>'
        if number < _LEGENDS:
            row, column = divmod(number, 2)
            x, y = _LEFT + column * 175, bottom + 28 + row * 15
            label = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
            yield f'<path class="line" stroke="{colour}" d="M{x} {y - 4}h14"/><text x="{x + 18}" y="{y}">{escape(label)}</text>'


def _nice(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten; 1 where there is nothing above 0."""
    if value <= 0:
        return 1.0
    power = 1e-6
    while True:
        for factor in (1, 2, 5):
            if value <= power * factor:
                return power * factor
        power *= 10


def _shown(value: float, unit: Unit) -> str:
    match unit:
        case "percentunit":
            return f"{value * 100:.4g} %"
        case "bytes":
            return f"{value / 1024**2:.4g} MiB"
        case "s" if 0 < value < 1:
            return f"{value * 1000:.4g} ms"
        case "s" | "d":
            return f"{value:.4g} {unit}"
        case "reqps" | "ops":
            return f"{value:.4g}/s"
        case "short":
            return f"{value:.4g}"
