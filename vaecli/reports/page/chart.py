"""Charts as small SVG: their letters stay legible on a phone, their colours follow the page, and their points hover."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup, escape

At = Callable[[float, float], tuple[float, float]]  # from the units of the axes to those of the panel
Scale = Literal["linear", "log", "symlog"]  # symlog: linear below 1

WIDE, HIGH = 420, 270  # of a panel, in its own units; a letter is 12 of them high
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 24, 40  # around the axes
ROW, NAMES = 20, 150  # the height of a row with an interval, and the width of its name
DIGIT = 7.7  # the width of a digit at most
MOST_LETTERS = 18  # of names beside their rows; longer ones are above them
MOST_TICKS = 6
MOST_POINTS = 120  # of a curve
COLOURS, DASHES, MARKERS = 7, ("", "6 2.5", "2 1.8", "7 2 2 2"), 9  # as many as in the figures beside the page


class Point(NamedTuple):
    """A point with what is shown where it is hovered."""

    x: float
    y: float
    tip: str
    hollow: bool = False
    size: float = 1.0  # times that of a marker; 0: none
    ringed: bool = False


class Series(NamedTuple):
    """Points of one name; equal places look the same in all charts."""

    name: str
    place: int | None  # None: a grey star, for a reference
    points: Sequence[Point]
    line: bool = True  # from point to point
    band: Sequence[tuple[float, float]] = ()  # the lowest and the highest at each point
    bars: Sequence[tuple[float, float, float, float]] = ()  # x, y, x, y


class Guide(NamedTuple):
    """A grey line behind all points, with a word at its left."""

    points: Sequence[tuple[float, float]]  # an infinite x is the end of the axis, whose heights must be seen
    words: str
    dashes: str = "3 3"


class Panel(NamedTuple):
    """One pair of axes."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    guides: Sequence[Guide] = ()
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    x_ticks: Mapping[float, str] | None = None
    counted: bool = False  # whether x is a whole number, as an epoch is
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None  # None: as the points need


class Picture(NamedTuple):
    """A chart as it is put into a page."""

    title: str
    words: str
    legend: Sequence[tuple[str, Markup]]  # names with their swatches
    panels: Sequence[tuple[str, Markup]]  # titles with their SVG


class Chart(NamedTuple):
    """Panels side by side under one title, with one legend."""

    title: str
    words: str  # a sentence below
    panels: Sequence[Panel]

    @property
    def picture(self) -> Picture:
        swatches: dict[str, Markup] = {}
        for series in (series for panel in self.panels for series in panel.series):
            swatches.setdefault(series.name, _swatch(series))
        drawn = [(panel.title, _drawn(panel)) for panel in self.panels]
        return Picture(self.title, self.words, list(swatches.items()), drawn)


class Interval(NamedTuple):
    """A row of a chart of intervals."""

    name: str
    value: float
    half_width: float | None
    tip: str
    first: bool = False  # the one that others are compared with


class Intervals(NamedTuple):
    """Values with their intervals, one below the other."""

    title: str
    words: str
    x: str
    rows: Sequence[Interval]

    @property
    def picture(self) -> Picture:
        return Picture(self.title, self.words, [], [("", _intervals(self))])


@dataclass(frozen=True)
class Axis:
    """Where values lie between the ends of an axis."""

    low: float
    high: float
    scale: Scale

    @classmethod
    def around(cls, values: Iterable[float], scale: Scale) -> "Axis":
        """An axis with a margin on both sides."""
        found = [value for value in values if scale != "log" or value > 0]
        low, high = _transformed(min(found, default=1.0), scale), _transformed(max(found, default=1.0), scale)
        margin = 0.06 * (high - low) or 0.06 * abs(high) or 0.5
        return cls(_restored(low - margin, scale), _restored(high + margin, scale), scale)

    def share(self, value: float) -> float:
        """0 at the low end and 1 at the high one."""
        low, high = _transformed(self.low, self.scale), _transformed(self.high, self.scale)
        if self.scale == "log":
            value = max(value, self.low)
        return (_transformed(value, self.scale) - low) / (high - low)

    def reaches(self, value: float) -> bool:
        return math.isinf(value) or self.low <= value <= self.high

    def within(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def ticks(self, *, counted: bool = False) -> list[float]:
        """Round numbers: multiples of 1, 2 or 5 on a linear axis, those digits or whole powers on a logarithmic one."""
        found = [] if self.scale == "linear" else self._powers()
        if len(found) > 2:
            return found
        rough = (self.high - self.low) / MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))
        step = max(1.0, step) if counted else step
        first = math.ceil(self.low / step - 1e-9)
        return [place * step for place in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def _powers(self) -> list[float]:
        """Powers of ten, and 2 and 5 times those, as far as there is room."""
        fine, coarse = (
            [value for power in range(-8, 13) for digit in digits if self._shows(value := digit * 10.0**power)]
            for digits in ((1, 2, 5), (1,))
        )
        zero = [0.0] if self.scale == "symlog" and self.low <= 0 else []
        found = coarse if len(fine) > MOST_TICKS and len(coarse) > 2 else fine
        return zero + found[:: max(1, -(-len(found) // MOST_TICKS))]

    def _shows(self, value: float) -> bool:
        return self.low <= value <= self.high and (self.scale == "log" or value >= 1)


def _transformed(value: float, scale: Scale) -> float:
    if scale == "log":
        return math.log10(value)
    return value if scale == "linear" or value < 1 else 1 + math.log10(value)


def _restored(value: float, scale: Scale) -> float:
    if scale == "log":
        return 10.0**value
    return value if scale == "linear" or value < 1 else 10.0 ** (value - 1)


def _drawn(panel: Panel) -> Markup:
    points = [point for series in panel.series for point in series.points]
    bars = [bar for series in panel.series for bar in series.bars]
    xs = [point.x for point in points] + [x for bar in bars for x in bar[::2]]
    ys = [point.y for point in points] + [y for bar in bars for y in bar[1::2]]
    ys += [edge for series in panel.series for edges in series.band for edge in edges]
    ys += [y for guide in panel.guides for x, y in guide.points if math.isinf(x)]
    across = Axis(*panel.x_range, panel.x_scale) if panel.x_range else Axis.around(xs, panel.x_scale)
    up = Axis(*panel.y_range, panel.y_scale) if panel.y_range else Axis.around(ys, panel.y_scale)

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDE - LEFT - RIGHT, HIGH - TOP - BOTTOM
        return LEFT + wide * across.share(x), TOP + high * (1 - up.share(y))

    parts = [*_axes(panel, across, up, at)]
    for guide in panel.guides:
        inside = [at(across.within(x), y) for x, y in guide.points if across.reaches(x) and up.low <= y <= up.high]
        if inside:
            parts.append(f'<polyline class="guide" stroke-dasharray="{guide.dashes}" points="{_points(inside)}"/>')
            x, y = min(inside)
            parts.append(f'<text class="guide" x="{_n(x + 4)}" y="{_n(y - 3)}">{escape(guide.words)}</text>')
    parts += [_series(series, at) for series in panel.series]
    label = escape(f"{panel.title or 'Chart'}: {panel.y} against {panel.x}")
    head = f'<svg class="chart" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{label}">'
    return Markup(f"{head}{''.join(parts)}</svg>")  # every word in it is escaped where it is put in


def _axes(panel: Panel, across: Axis, up: Axis, at: At) -> Iterator[str]:
    floor, right = HIGH - BOTTOM, WIDE - RIGHT
    for value in up.ticks():
        _, y = at(across.low, value)
        yield f'<path class="grid" d="M{LEFT} {_n(y)}H{right}"/>'
        yield f'<text x="{LEFT - 5}" y="{_n(y + 4)}" text-anchor="end">{value:.6g}</text>'
    ticks = (
        {value: f"{value:.6g}" for value in across.ticks(counted=panel.counted)}
        if panel.x_ticks is None
        else panel.x_ticks
    )
    for value, words in ticks.items():
        x, _ = at(value, up.low)
        yield f'<path class="axis" d="M{_n(x)} {floor}v4"/>'
        yield _under(x, floor + 16, words)
    yield f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>'
    yield f'<text x="{(LEFT + right) / 2:g}" y="{HIGH - 7}" text-anchor="middle">{escape(panel.x)}</text>'
    yield f'<text x="4" y="14">{escape(panel.y)}</text>'


def _under(x: float, y: float, words: str) -> str:
    """What stands at a tick of the horizontal axis: in its middle, but for what would be cut off at an edge."""
    half = DIGIT / 2 * len(words)
    middle = max(half, min(x, WIDE - half))
    return f'<text x="{_n(middle)}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _series(series: Series, at: At) -> str:
    places = [at(point.x, point.y) for point in series.points]
    parts = []
    if series.band:
        lows = [at(point.x, low) for point, (low, _) in zip(series.points, series.band, strict=True)]
        highs = [at(point.x, high) for point, (_, high) in zip(series.points, series.band, strict=True)]
        parts.append(f'<polygon class="band" points="{_points([*lows, *reversed(highs)])}"/>')
    for bar in series.bars:
        parts.append(f'<polyline class="bar" points="{_points([at(*bar[:2]), at(*bar[2:])])}"/>')
    colour, marker, dashes = _look(series.place)
    look = f'class="line" stroke-dasharray="{dashes}"' if series.line else 'class="none"'
    parts.append(f'<polyline {look} points="{_points(places)}"/>')
    for point, (x, y) in zip(series.points, places, strict=True):
        if point.size:
            size = "" if point.size == 1 else f" scale({point.size:.2g})"
            kind = ' class="hollow"' if point.hollow else ""
            parts.append(f'<use href="#{marker}"{kind} transform="translate({_n(x)} {_n(y)}){size}"/>')
        if point.ringed:
            parts.append(f'<circle class="front" cx="{_n(x)}" cy="{_n(y)}" r="{4 + 4 * point.size:.3g}"/>')
    tips = escape("\n".join(point.tip for point in series.points))
    name = escape(series.name)
    return f'<g class="{colour}" data-name="{name}" data-tips="{tips}">{"".join(parts)}</g>'


def _swatch(series: Series) -> Markup:
    colour, marker, dashes = _look(series.place)
    line = f'<path class="line" stroke-dasharray="{dashes}" d="M1 7h26"/>' if series.line else ""
    kind = ' class="hollow"' if all(point.hollow for point in series.points) else ""
    mark = f'<use href="#{marker}"{kind} x="14" y="7"/>'
    head = f'<svg class="{colour}" viewBox="0 0 28 14" width="28" height="14" aria-hidden="true">'
    return Markup(f"{head}{line}{mark}</svg>")


def _look(place: int | None) -> tuple[str, str, str]:
    """The classes and ids of colour and marker in page.css and base.html.j2, and the dashes."""
    if place is None:
        return "reference", "star", ""
    return f"c{place % COLOURS}", f"m{place % MARKERS}", DASHES[place % len(DASHES)]


def _intervals(chart: Intervals) -> Markup:
    """A line for each row: its name, its interval and its value, over a shade where the first row's interval is."""
    ends = [row.value + side * (row.half_width or 0) for row in chart.rows for side in (-1, 1)]
    above = any(len(row.name) > MOST_LETTERS for row in chart.rows)
    left_end, down = (RIGHT, 2 * ROW) if above else (NAMES, ROW)
    across, high = Axis.around(ends, "linear"), TOP + down * len(chart.rows)

    def at(x: float) -> float:
        return left_end + (WIDE - RIGHT - left_end) * across.share(x)

    parts = []
    for value in across.ticks():
        parts.append(f'<path class="grid" d="M{_n(at(value))} {TOP}V{high}"/>')
        parts.append(_under(at(value), high + 14, f"{value:.6g}"))
    for number, row in enumerate(chart.rows):
        y, half = TOP + down * (number + (0.7 if above else 0.5)), row.half_width or 0
        left, right = at(row.value - half), at(row.value + half)
        if row.first and half:
            shade = f'x="{_n(left)}" y="{TOP}" width="{_n(right - left)}" height="{high - TOP}"'
            parts.insert(0, f'<rect class="shade" {shade}/>')
        place = f'x="{RIGHT}" y="{_n(y - 9)}"' if above else f'x="{NAMES - 6}" y="{_n(y + 4)}" text-anchor="end"'
        parts.append(f'<text class="name" {place}>{escape(row.name)}</text>')
        drawn = f'<path class="bar" d="M{_n(left)} {_n(y)}H{_n(right)}"/>' if half else ""
        drawn += f'<polyline class="none" points="{_n(at(row.value))},{_n(y)}"/>'
        drawn += f'<use href="#m0" x="{_n(at(row.value))}" y="{_n(y)}"/>'
        named = f'data-name="{escape(row.name)}" data-tips="{escape(row.tip)}"'
        parts.append(f'<g class="c{1 if row.first else 0}" {named}>{drawn}</g>')
    parts.append(f'<text x="{_n((left_end + WIDE) / 2)}" y="{high + 32}" text-anchor="middle">{escape(chart.x)}</text>')
    label = escape(f"{chart.title}: {chart.x} of {len(chart.rows)} rows")
    head = f'<svg class="chart" viewBox="0 0 {WIDE} {high + 40}" role="img" aria-label="{label}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in places)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
