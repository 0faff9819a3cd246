"""Our curves over published points: one panel for each source and metric that we have figures of."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from vaecli.papers.measures import MEASURES
from vaecli.papers.verdict import Found
from vaecli.reports.style import WIDTH, Axes, Figure, FuncFormatter, MaxNLocator, heading, look, thinned

COLUMNS = 2
MOST_SETTINGS = 12  # in a panel
Curves = dict[str, list[tuple[float, float]]]  # points (epoch or step, figure), by "RUN METRIC"


class Curve(NamedTuple):
    """One setting and metric: the published points, and our figures by seed."""

    setting: str
    published: list[tuple[int, float, float | None]]  # epoch or step, figure, spread
    ours: list[list[tuple[float, float]]]  # a curve for each seed
    place: int = 0  # among the settings of a source, which look alike in all of its panels


class Panel(NamedTuple):
    """The curves of one source and metric."""

    metric: str
    unit: str
    curves: list[Curve]
    settings: int  # of which those with the most figures are shown


def panels(found: Sequence[Found], curves_of: Curves) -> list[Panel]:
    """The panels of one source.

    Args:
        curves_of: the rows of runs; of one that is not there its cells alone are drawn.
    """
    metrics = dict.fromkeys(one.cell.metric for one in found if one.figures and one.cell.unit)
    shown = [_panel([one for one in found if one.cell.metric == metric], curves_of) for metric in metrics]
    settings = list(dict.fromkeys(curve.setting for panel in shown for curve in panel.curves))
    return [
        panel._replace(curves=[curve._replace(place=settings.index(curve.setting)) for curve in panel.curves])
        for panel in shown
    ]


def _panel(found: Sequence[Found], curves_of: Curves) -> Panel:
    settings: dict[str, list[Found]] = {}
    for one in found:
        settings.setdefault(one.cell.setting, []).append(one)
    with_ours = sorted(
        (cells for cells in settings.values() if any(cell.figures for cell in cells)),
        key=lambda cells: -sum(bool(cell.figures) for cell in cells),
    )
    cell = found[0].cell
    curves = [_curve(cells, curves_of) for cells in with_ours[:MOST_SETTINGS]]
    return Panel(cell.metric, cell.unit or "epoch", curves, len(with_ours))


def _curve(cells: Sequence[Found], curves_of: Curves) -> Curve:
    published = sorted((one.cell.at, one.cell.published, one.cell.spread) for one in cells)
    seeds = sorted({seed for one in cells for seed in one.figures})
    ours = []
    for seed in seeds:
        points = sorted((float(one.cell.at), one.figures[seed]) for one in cells if seed in one.figures)
        runs = dict.fromkeys(one.runs[seed] for one in cells if seed in one.runs)
        rows = [curves_of.get(f"{run} {cells[0].cell.metric}", []) for run in runs]
        ours.append(max(rows, key=len, default=[]) or points)
    return Curve(cells[0].cell.setting, published, ours)


def draw(source: str, shown: Sequence[Panel]) -> Figure:
    """The figure of a source."""
    down = math.ceil(len(shown) / COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.6 + 3.1 * down))
    axes = figure.subplots(down, min(COLUMNS, len(shown)), squeeze=False).ravel()
    for axis, panel in zip(axes, shown, strict=False):
        _draw(axis, panel)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    heading(figure, f"{source} · circles: published · lines: ours", 10)
    return figure


def _draw(axis: Axes, panel: Panel) -> None:
    for curve in panel.curves:
        style = look(curve.place)
        for points in curve.ours:
            line = dict(style, marker="." if len(points) < 3 else "")
            axis.plot(*zip(*thinned(points), strict=True), **line)
        at, values, spreads = zip(*curve.published, strict=True)
        errors = [spread or 0.0 for spread in spreads]
        axis.errorbar(
            at, values, errors, fmt="o", markersize=4, markerfacecolor="none", color=style["color"], elinewidth=0.7
        )
        axis.plot([], [], color=style["color"], linestyle=style["linestyle"], label=curve.setting)
    reached = max(point[0] for curve in panel.curves for points in curve.ours for point in points)
    axis.set_xlim(0, 1.15 * reached)
    within = [
        value
        for curve in panel.curves
        for value in [
            *(figure for at, figure, _ in curve.published if at <= 1.15 * reached),
            *(value for points in curve.ours for _, value in points),
        ]
    ]
    low, high = min(within), max(within)
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    axis.set_ylim(low - margin, high + margin)
    more = f", {len(panel.curves)} of {panel.settings} settings" if len(panel.curves) < panel.settings else ""
    axis.set_title(f"{panel.metric}{more}")
    axis.set_xlabel(panel.unit)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))
    axis.set_ylabel(MEASURES[panel.metric].unit)
    axis.legend(fontsize=6)
