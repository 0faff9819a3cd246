"""The pictures of an audit's page, with the same points as its figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from vaecli.reports.audit.figures import MEASURES, ROOM, UNRESOLVED, place_of
from vaecli.reports.audit.table import (
    ENUMERATED,
    PARTS,
    best,
    by_epoch,
    figure,
    front,
    label,
    last_epoch,
    measured_parts,
)
from vaecli.reports.page.chart import Chart, Guide, Panel, Point, Series
from vaecli.runs.audits import AuditRow, Bounded

TURNS = 60  # points of a line of equal squared error


def pictures(rows: Sequence[AuditRow]) -> dict[str, Callable[[], Chart]]:
    """The pictures that can be drawn of these rows, by name."""
    epochs = by_epoch(rows)
    last = epochs[last_epoch(rows)]
    found: dict[str, Callable[[], Chart]] = {"bias_variance": partial(bias_against_variance, last)}
    if len({row.temperature for row in rows if row.temperature is not None}) > 1:
        found["temperature"] = partial(against_temperature, last)
    if len(epochs) > 1:
        found["training"] = partial(over_training, epochs)
    return found


def bias_against_variance(rows: Sequence[AuditRow]) -> Chart:
    """A point for each estimator and temperature, over lines of equal squared error."""
    drawn = [row for row in rows if row.estimator != ENUMERATED]
    panels = [_plane([row for row in drawn if getattr(row, part)], part) for part in measured_parts(rows)]
    words = "Larger: higher temperature. Ringed: no other has less of both. Grey: lines of equal squared error. "
    words += f"Hollow: {UNRESOLVED}, drawn at its upper bound. 1 = |exact gradient|²."
    return Chart("Squared bias against variance", words, panels)


def _plane(rows: Sequence[AuditRow], part: str) -> Panel:
    of_front = front(rows, part)
    spreads = [found.relative_std.value**2 for row in rows if (found := getattr(row, part)).relative_std.value > 1e-3]
    low = min(spreads, default=1.0) / ROOM
    series = []
    for name in dict.fromkeys(row.estimator for row in rows):
        of_one = [row for row in rows if row.estimator == name]
        points = []
        for number, row in enumerate(of_one):
            found = getattr(row, part)
            bias, spread = found.relative_bias, found.relative_std
            tip = f"{label(row)}: bias {figure(bias)}, std {figure(spread)}"
            size = 0.8 + 0.9 * number / max(1, len(of_one) - 1) if len(of_one) > 1 else 1.1
            height = bias.value**2 if bias.low > 0 else bias.high**2
            points.append(Point(max(spread.value**2, low), height or low, tip, bias.low <= 0, size, row in of_front))
        series.append(Series(name, place_of(name), points))
    sizes = [value for found in series for point in found.points for value in (point.x, point.y)]
    guides = _equal_mse(min(sizes, default=1.0), 2 * max(sizes, default=1.0))
    return Panel(
        PARTS[part], "relative variance", "squared relative bias", series, guides, x_scale="log", y_scale="log"
    )


def _equal_mse(low: float, high: float) -> list[Guide]:
    """Lines of bias^2 + variance = 10^n."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    shares = [1 / (1 + math.exp(-25 + 50 * turn / TURNS)) for turn in range(TURNS + 1)]
    return [
        Guide([(10.0**power * share, 10.0**power * (1 - share)) for share in shares], f"{10.0**power:g}", "")
        for power in list(powers)[:: 1 + len(powers) // 8]
    ]


def against_temperature(rows: Sequence[AuditRow]) -> Chart:
    """Lines for estimators that have a temperature; the others are at the right, side by side."""
    tempered = [row for row in rows if row.temperature is not None]
    others = [row for row in rows if row.temperature is None and row.estimator != ENUMERATED]
    temperatures = sorted({row.temperature for row in tempered if row.temperature is not None})
    first, step = temperatures[-1] * 2.0, 1.45
    at = {id(row): first * step**number for number, row in enumerate(others)}
    at |= {id(row): row.temperature for row in tempered if row.temperature is not None}
    ticks = {value: f"{value:g}" for value in temperatures}
    if others:
        ticks[first * step ** ((len(others) - 1) / 2)] = "none"
    ends = temperatures[0] / 1.3, max([first / step, *at.values()]) * 1.3
    panels = [
        _errors(words, "temperature", measure, [*tempered, *others], at)._replace(
            x_scale="log", x_ticks=ticks, x_range=ends
        )
        for measure, words in MEASURES.items()
    ]
    words = "Logits' gradient, in units of the exact one's length; hollow: not distinguishable from 0."
    return Chart("Errors against the temperature", words, panels)


def over_training(epochs: Mapping[int | None, Sequence[AuditRow]]) -> Chart:
    """Every estimator at its temperature of lowest squared error on the last checkpoint."""
    order = sorted(epochs, key=lambda epoch: epoch or 0)
    at_best = {(row.estimator, row.temperature) for row in best(epochs[order[-1]]) if row.estimator != ENUMERATED}
    rows = [row for epoch in order for row in epochs[epoch] if (row.estimator, row.temperature) in at_best]
    at = {id(row): float(order.index(row.epoch)) for row in rows}
    ticks = {float(place): str(epoch) for place, epoch in enumerate(order)}
    panels = [_errors(words, "epoch", measure, rows, at)._replace(x_ticks=ticks) for measure, words in MEASURES.items()]
    words = "Each at its temperature of lowest squared error on the last checkpoint; in units of the exact gradient's "
    return Chart("Errors over training", f"{words}length; hollow: not distinguishable from 0.", panels)


def _errors(title: str, x: str, measure: str, rows: Sequence[AuditRow], at: Mapping[int, float]) -> Panel:
    """One measure of the logits' gradient on a logarithmic axis, whose foot has what is not distinguishable from 0."""
    found: dict[str, list[tuple[float, AuditRow, Bounded]]] = {}
    for row in rows:
        found.setdefault(row.estimator, []).append((at[id(row)], row, getattr(row.logits, measure)))
    known = [one.value for of_one in found.values() for _, _, one in of_one if one.low > 0 and one.value > 1e-4]
    floor = min(known, default=1.0) / ROOM
    series = []
    for name, of_one in found.items():
        points = []
        for place, row, one in of_one:
            epoch = "" if row.epoch is None else f", epoch {row.epoch}"
            height = max(floor, one.value) if one.low > 0 else floor
            points.append(Point(place, height, f"{label(row)}{epoch}: {title} {figure(one)}", one.low <= 0))
        series.append(Series(name, place_of(name), points))
    return Panel(title.capitalize(), x, "", series, y_scale="log")
