"""Figures of an audit: bias against variance, and both against the temperature and over training."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vaecli.registry import METHODS
from vaecli.reports.audit.table import (
    ENUMERATED,
    PARTS,
    best,
    bias_and_variance,
    by_epoch,
    front,
    last_epoch,
    measured_parts,
)
from vaecli.reports.style import (
    PLAIN,
    WIDTH,
    Axes,
    Figure,
    FixedLocator,
    Line2D,
    NullLocator,
    Undrawn,
    draw_each,
    heading,
    look,
)
from vaecli.runs.audits import AuditRow, Bounded, GradientErrors

PLACES = {name: place for place, name in enumerate(name for name, method in METHODS.items() if method.estimator)}
MEASURES = {"relative_bias": "relative bias", "relative_std": "relative standard deviation", "mse": "relative MSE"}
UNRESOLVED = "bias not distinguishable from 0"
ROOM = 2.5  # between the data and the edge of a logarithmic axis, as a factor
EQUAL_MSE = "0.72"


def draw(
    title: str,
    rows: Sequence[AuditRow],
    folder: Path,
    *,
    formats: Iterable[str],
    again: bool,
    failed: Callable[[Undrawn], None],
) -> list[Path]:
    """Draws every figure in every format into the folder; without `again` only the missing ones.

    Args:
        failed: called with each figure that could not be drawn; the others are drawn.

    Returns:
        The files that exist.
    """
    files = {f"{name}.{fmt}": make for name, make in figures(title, rows).items() for fmt in sorted(formats)}
    missing = {file: make for file, make in files.items() if again or not (folder / file).is_file()}
    drawn = draw_each(missing, folder, failed)
    return [folder / file for file in files if file not in missing or folder / file in drawn]


def figures(title: str, rows: Sequence[AuditRow]) -> dict[str, Callable[[], Figure]]:
    """The figures that can be drawn from these rows, by name."""
    epochs = by_epoch(rows)
    last = last_epoch(rows)
    place = "" if last is None else f", after {last} epoch{'s' * (last != 1)}"
    found: dict[str, Callable[[], Figure]] = {
        "bias_variance": partial(bias_against_variance, title + place, epochs[last])
    }
    if len({row.temperature for row in rows if row.temperature is not None}) > 1:
        found["temperature"] = partial(against_temperature, title + place, epochs[last])
    if len(epochs) > 1:
        found["training"] = partial(over_training, title, epochs)
    return found


def bias_against_variance(title: str, rows: Sequence[AuditRow]) -> Figure:
    """One marker per estimator and temperature, larger for higher ones, over lines of equal MSE."""
    drawn = [row for row in rows if row.estimator != ENUMERATED]
    parts = measured_parts(rows)
    figure = Figure(figsize=(WIDTH, 4.3 if len(parts) > 1 else 3.9))
    axes = figure.subplots(1, len(parts), squeeze=False)[0]
    for axis, part in zip(axes, parts, strict=True):
        _bias_against_variance(axis, drawn, part)
        axis.set_title(PARTS[part], fontsize=8)
    axes[0].set_ylabel("squared relative bias", fontsize=8)
    handles = _legend(drawn, linestyle="")
    ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": "black", "linestyle": ""}
    handles += [
        Line2D([], [], label="Pareto front", **ring),  # type: ignore[arg-type]
        Line2D([], [], color=EQUAL_MSE, linewidth=0.8, label="equal MSE"),
        Line2D([], [], color="0.3", marker="v", markerfacecolor="white", linestyle="", label=UNRESOLVED),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=7, handlelength=1.5, columnspacing=1.2)
    words = "larger marker: higher temperature; 1 = |exact gradient|²"
    heading(figure, f"{title}\n{words}", 8)
    return figure


def _bias_against_variance(axis: Axes, rows: Sequence[AuditRow], part: str) -> None:
    measured = [(row, getattr(row, part)) for row in rows]
    biases = [bias for _, found in measured for bias in (_height(found),) if bias > 0]
    variances = [found.relative_std.value**2 for _, found in measured if found.relative_std.value > 1e-3]
    low_x, high_x = min(variances, default=1.0) / ROOM**2, max(variances, default=1.0) * ROOM
    low_y, high_y = min(biases, default=1.0) / ROOM, max(biases, default=1.0) * ROOM
    axis.set(xscale="log", yscale="log", xlim=(low_x, high_x), ylim=(low_y, high_y))
    axis.set_xlabel("relative variance", fontsize=8)
    axis.xaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_major_formatter(PLAIN)
    axis.tick_params(labelsize=7)
    _equal_mse(axis)
    best = front(rows, part)
    for name in dict.fromkeys(row.estimator for row in rows):
        of_one = [(row, found) for row, found in measured if row.estimator == name]
        style = look(place_of(name))
        points = [(max(found.relative_std.value**2, low_x * 1.15), _height(found)) for _, found in of_one]
        xs, ys = zip(*points, strict=True)
        axis.plot(xs, ys, color=style["color"], linewidth=0.8, linestyle=style["linestyle"], alpha=0.8)
        for number, ((row, found), x, y) in enumerate(zip(of_one, xs, ys, strict=True)):
            size = 4 + 3.5 * number / max(1, len(of_one) - 1) if len(of_one) > 1 else 5.5
            known = bias_and_variance(found)[0] > 0
            mark = {"marker": style["marker"], "color": style["color"], "markersize": size}
            axis.plot([x], [y], **mark, markerfacecolor=style["color"] if known else "white", linestyle="", zorder=3)
            if not known:
                axis.annotate("", (x, max(low_y, y / 2.2)), (x, y), arrowprops=_ARROW, zorder=2)
            if found.relative_std.value**2 < low_x:
                axis.annotate("", (low_x, y), (low_x * 2.2, y), arrowprops=_ARROW, zorder=2)
            if row in best:
                axis.plot([x], [y], marker="o", markersize=size + 5, markerfacecolor="none", color="black", zorder=4)


_ARROW = {"arrowstyle": "-|>", "color": "0.3", "linewidth": 0.7, "mutation_scale": 6}


def _height(found: GradientErrors) -> float:
    """The squared bias, or its upper bound if it is not distinguishable from 0."""
    return found.relative_bias.value**2 if found.relative_bias.low > 0 else found.relative_bias.high**2


def _equal_mse(axis: Axes) -> None:
    """Lines of bias^2 + variance = 10^n."""
    (low_x, high_x), (low_y, high_y) = axis.get_xlim(), axis.get_ylim()
    powers = range(math.floor(math.log10(low_x)), math.ceil(math.log10(high_x + high_y)) + 1)
    for power in list(powers)[:: 1 + len(powers) // 10]:
        total = 10.0**power
        share = 1 / (1 + np.exp(-np.linspace(-25, 25, 400)))
        axis.plot(total * share, total * (1 - share), color=EQUAL_MSE, linewidth=0.8, zorder=0)
        if low_y < total < high_y:
            axis.text(low_x * 1.1, total, f"{total:g}", fontsize=5.5, color="0.45", va="bottom", zorder=0)


def against_temperature(title: str, rows: Sequence[AuditRow]) -> Figure:
    """Lines for estimators that have a temperature; the others stand at the right, side by side."""
    tempered = [row for row in rows if row.temperature is not None]
    others = [row for row in rows if row.temperature is None and row.estimator != ENUMERATED]
    temperatures = sorted({row.temperature for row in tempered if row.temperature is not None})
    figure = Figure(figsize=(WIDTH, 3.9))
    axes = figure.subplots(1, len(MEASURES))
    first, step = temperatures[-1] * 2.0, 1.45
    places = {row.estimator: first * step**number for number, row in enumerate(others)}
    for axis, (name, words) in zip(axes, MEASURES.items(), strict=True):
        floor = _log_axis(axis, [getattr(row.logits, name) for row in [*tempered, *others]])
        for estimator in dict.fromkeys(row.estimator for row in tempered):
            of_one = [row for row in tempered if row.estimator == estimator]
            heights = [_above(floor, getattr(row.logits, name)) for row in of_one]
            axis.plot([row.temperature or 0 for row in of_one], heights, **look(place_of(estimator)))
        for row in others:
            height = _above(floor, getattr(row.logits, name))
            axis.plot([places[row.estimator]], [height], **{**look(place_of(row.estimator)), "linestyle": ""})
        axis.axvline(first / 1.25, color="0.8", linewidth=0.8)
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(NullLocator())
        middle = first * step ** ((len(others) - 1) / 2)
        axis.xaxis.set_major_locator(FixedLocator([*temperatures, *([middle] if others else [])]))
        labels = [f"{temperature:g}" for temperature in temperatures] + ["none"]
        axis.set_xticklabels(labels[: len(axis.get_xticks())], fontsize=7)
        axis.set_xlabel("temperature", fontsize=8)
        axis.set_title(words, fontsize=8)
    handles = _legend([*tempered, *others])
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=7, handlelength=2.6, columnspacing=1.2)
    heading(figure, f"{title}\nlogits' gradient, in units of the exact one's length", 8)
    return figure


def over_training(title: str, epochs: Mapping[int | None, Sequence[AuditRow]]) -> Figure:
    """Every estimator at its temperature of lowest MSE on the last checkpoint."""
    order = sorted(epochs, key=lambda epoch: epoch or 0)
    at_best = {row.estimator: row.temperature for row in best(epochs[order[-1]])}
    figure = Figure(figsize=(WIDTH, 3.9))
    places = range(len(order))
    lines = {
        name: [next(row for row in epochs[epoch] if (row.estimator, row.temperature) == (name, at)) for epoch in order]
        for name, at in at_best.items()
        if name != ENUMERATED
    }
    for axis, (measure, words) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        floor = _log_axis(axis, [getattr(row.logits, measure) for rows in lines.values() for row in rows])
        for name, rows in lines.items():
            heights = [_above(floor, getattr(row.logits, measure)) for row in rows]
            axis.plot(places, heights, **look(place_of(name)))
        axis.set_xticks(list(places), [str(epoch) for epoch in order], fontsize=7)
        axis.set_xlabel("epoch", fontsize=8)
        axis.set_title(words, fontsize=8)
    names = {name: name if at is None else f"{name}, {at:g}" for name, at in at_best.items() if name in lines}
    handles = [Line2D([], [], label=label, **look(place_of(name))) for name, label in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, handlelength=2.6, columnspacing=1.2)
    words = "each at its temperature of lowest MSE on the last checkpoint; in units of the exact gradient's length"
    heading(figure, f"{title}\n{words}", 8)
    return figure


def _log_axis(axis: Axes, figures: Sequence[Bounded]) -> float:
    """Sets a logarithmic axis and returns its lowest line, on which values not distinguishable from 0 stand."""
    known = [found.value for found in figures if found.low > 0 and found.value > 1e-4]
    low, high = min(known, default=1.0) / ROOM, max(known, default=1.0) * ROOM
    axis.set_yscale("log")
    axis.set_ylim(low / 2, high)
    axis.yaxis.set_major_formatter(PLAIN)
    axis.tick_params(axis="y", labelsize=7)
    if any(_above(low, found) == low for found in figures):
        axis.axhline(low, color="0.8", linewidth=0.8, zorder=0)
        place = axis.get_yaxis_transform()
        axis.text(0.02, low / 1.15, "not distinguishable from 0", fontsize=6, color="0.4", va="top", transform=place)
    return low


def _above(floor: float, found: Bounded) -> float:
    return max(floor, found.value) if found.low > 0 else floor


def _legend(rows: Sequence[AuditRow], **change: Any) -> list[Line2D]:
    names = sorted({row.estimator for row in rows}, key=place_of)
    return [Line2D([], [], label=name, **{**look(place_of(name)), **change}) for name in names]


def place_of(estimator: str) -> int:
    """The index of an estimator among all; for one of a missing package, the index after the last."""
    return PLACES.get(estimator, len(PLACES))
