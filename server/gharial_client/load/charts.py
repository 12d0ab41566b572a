"""Plots as inline SVG: no script, no font, no file beside the page. Colours are the page's CSS variables.

Each is an image with a title and a description for those who do not see it; series differ by dash as well as colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 64, 14, 44
_TICKS = 6
# Between the names of two lines.
_LINE = 14
_DASHES = ("", "7 4", "2 3")


@dataclass(frozen=True)
class Series:
    """One line or one kind of bar: points (x, y) in ascending x; a None makes a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Axes:
    """What a plot shows and how it is called. limit: a value of y that is drawn across, with its name."""

    title: str
    description: str
    x: str
    y: str
    limit: tuple[str, float] | None = None


def lines(axes: Axes, series: Sequence[Series]) -> str:
    """A line for each series, named at its end."""
    frame = _Frame.around(axes, series)
    drawn: list[str] = []
    named: list[float] = []  # where the names stand, each above the one before
    for number, one in enumerate(series):
        css = f'class="line s{number}" stroke-dasharray="{_DASHES[number]}"'
        drawn += [f'<polyline {css} points="{_path(frame, run)}"/>' for run in _runs(one.points)]
        if known := [(x, y) for x, y in one.points if y is not None]:
            drawn += [f'<circle class="dot s{number}" r="3" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}"/>'
                      for x, y in (known if len(known) <= 40 else known[-1:])]  # fmt: skip
            x, y = known[-1]
            named.append(min([frame.y(y) + 4, *(place - _LINE for place in named)]))
            drawn.append(_text(f"name s{number}", frame.x(x) + 7, named[-1], one.name))
    return frame.svg("".join(drawn))


def bars(axes: Axes, series: Sequence[Series], width: float) -> str:
    """Bars that begin at each x and are `width` wide; those of several series stand upon each other."""
    totals: dict[float, float] = {}
    drawn = []
    stacked = [Series("", [(x, sum((one.points[i][1] or 0.0) for one in series))])
               for i, (x, _) in enumerate(series[0].points)]  # fmt: skip
    ends = Series("", [(x + width, 0.0) for x, _ in series[0].points[-1:]])
    frame = _Frame.around(axes, [*stacked, ends])
    for number, one in enumerate(series):
        for x, y in one.points:
            if y:
                low = totals.get(x, 0.0)
                totals[x] = low + y
                top, left = frame.y(totals[x]), frame.x(x)
                size = f'width="{max(frame.x(x + width) - left - 1, 1):.1f}" height="{frame.y(low) - top:.1f}"'
                drawn.append(f'<rect class="bar s{number}" x="{left:.1f}" y="{top:.1f}" {size}/>')
    return frame.svg("".join(drawn))


@dataclass(frozen=True)
class _Frame:
    """The drawing area and its scales."""

    axes: Axes
    x_from: float
    x_to: float
    y_to: float

    @classmethod
    def around(cls, axes: Axes, series: Sequence[Series]) -> "_Frame":
        xs = [x for one in series for x, _ in one.points] or [0.0, 1.0]
        ys = [y for one in series for _, y in one.points if y is not None]
        ys += [axes.limit[1]] if axes.limit else []
        return cls(axes, min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, max([*ys, 0.0]) * 1.05 or 1.0)

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_from) / (self.x_to - self.x_from) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.y_to * (_HEIGHT - _TOP - _BOTTOM)

    def svg(self, drawn: str) -> str:
        right, bottom, middle = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, (_HEIGHT - _BOTTOM) / 2
        parts = []
        for value in ticks(0.0, self.y_to):
            parts += [self._across("grid", value), _text("tick", _LEFT - 8, self.y(value) + 4, f"{value:g}", "end")]
        for value in ticks(self.x_from, self.x_to):
            parts.append(_text("tick", self.x(value), bottom + 18, f"{value:g}", "middle"))
        parts.append(self._across("axis", 0.0))
        parts.append(_text("label", (_LEFT + right) / 2, _HEIGHT - 6, self.axes.x, "middle"))
        parts.append(f'<g transform="rotate(-90 14 {middle})">{_text("label", 14, middle, self.axes.y, "middle")}</g>')
        parts.append(drawn)
        if self.axes.limit is not None:
            name, value = self.axes.limit
            parts += [self._across("limit", value), _text("name", right + 7, self.y(value) + 4, name)]
        told = f"<title>{escape(self.axes.title)}</title><desc>{escape(self.axes.description)}</desc>"
        label = escape(f"{self.axes.title}. {self.axes.description}", quote=True)
        return f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{told}{"".join(parts)}</svg>'

    def _across(self, css: str, value: float) -> str:
        y = f"{self.y(value):.1f}"
        return f'<line class="{css}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'


def _text(css: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{css}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def ticks(begin: float, end: float) -> list[float]:
    """Round values within [begin, end], about six: steps of 1, 2 or 5 times a power of ten."""
    rough = (end - begin) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(begin / step - 1e-9), math.floor(end / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The points without gaps, as the runs between them."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def _path(frame: _Frame, run: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in run)
