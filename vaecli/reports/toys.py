"""What estimators make of a toy: a table, records, CSV, and the curves above the optimum."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vaecli.config.toys import Polynomial
from vaecli.metrics.intervals import Interval, interval
from vaecli.reports.columns import aligned, filled, numbers
from vaecli.reports.latex import NEEDS, comment, tabular
from vaecli.reports.style import PLAIN, WIDTH, Figure, FixedLocator, NullLocator, look, panels, thinned

TICKS = FixedLocator([digit * 10.0**power for power in range(-8, 4) for digit in (1, 2, 5)])
LEGEND = "loss: expected, of codes drawn with the probabilities at the end; no loss is below the optimum"


class Row(NamedTuple):
    """One estimator on one toy."""

    estimator: str
    losses: Mapping[int, Sequence[float]]  # by seed, the expected loss after each epoch
    folders: Mapping[int, str]  # by seed

    @property
    def loss(self) -> Interval:
        """At the end, over seeds."""
        return interval([losses[-1] for losses in self.losses.values()])


class Group(NamedTuple):
    """The estimators on one toy, the lowest loss first."""

    toy: Polynomial  # of the first of them
    rows: Sequence[Row]

    @property
    def title(self) -> str:
        toy = self.toy
        codes = toy.model.codes.per_position
        values = ", ".join(f"{value:g}" for value in toy.codes)
        steps = toy.epochs * toy.steps_per_epoch
        return (
            f"mean |c(z) - {toy.target:g}|^{toy.exponent:g} of {codes} codes with the values {values}; "
            f"{steps:,} steps of {toy.batch_size} draws; {toy.start:.4g} at the start, optimum {toy.optimum:.4g}"
        )


def group(toy: Polynomial, rows: Sequence[Row]) -> Group:
    return Group(toy, sorted(rows, key=lambda row: row.loss.mean))


def table_lines(groups: Sequence[Group], width: int | None = None) -> Iterator[str]:
    """A table for each toy."""
    for found in groups:
        yield from filled(found.title, width)
        yield from (f"  {line}" for line in aligned(_cells(found), width and width - 2))
        yield ""
    yield from filled(LEGEND, width)


def markdown_lines(groups: Sequence[Group]) -> Iterator[str]:
    for found in groups:
        header, *rows = _cells(found)
        yield from (f"**{found.title}**", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""
    yield LEGEND


def latex_lines(groups: Sequence[Group]) -> Iterator[str]:
    """The lines of one LaTeX table."""
    yield NEEDS
    yield comment(LEGEND)
    yield from tabular([(found.title, [*map(list, zip(*_cells(found), strict=True))]) for found in groups])


def _cells(found: Group) -> list[list[str]]:
    rows = [["estimator", "loss", "above the optimum", "seeds"]]
    for row in found.rows:
        loss, optimum = row.loss, found.toy.optimum
        half = "" if loss.half_width is None else f" ± {loss.half_width:.2g}"
        rows.append([row.estimator, f"{loss.mean:.4g}{half}", f"{loss.mean - optimum:.2g}", numbers([*row.losses])])
    return rows


def records(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A flat record for each toy and estimator."""
    return [
        {
            "estimator": row.estimator,
            **{key: value for key, value in found.toy.model_dump(mode="json").items() if key not in ("model", "seed")},
            "num_latents": found.toy.model.codes.per_position,
            "loss": row.loss.mean,
            "half_width": row.loss.half_width,
            "optimum": found.toy.optimum,
            "seeds": list(row.losses),
            "losses": [list(losses) for losses in row.losses.values()],
            "folders": list(row.folders.values()),
        }
        for found in groups
        for row in found.rows
    ]


def csv_text(groups: Sequence[Group]) -> str:
    """The records as CSV without the losses before the last; lists are separated by semicolons."""
    rows = [{key: value for key, value in record.items() if key != "losses"} for record in records(groups)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "; ".join(map(str, x)) if isinstance(x, list) else x for key, x in row.items()})
    return buffer.getvalue()


def draw(groups: Sequence[Group]) -> Figure:
    """A panel for each toy: how far the loss is above the optimum, by steps."""
    names = list(dict.fromkeys(row.estimator for found in groups for row in found.rows))
    figure = Figure(figsize=(WIDTH, 3.4 + 0.16 * math.ceil(len(names) / 5)))
    for axis, found in zip(panels(figure, len(groups), sharey=True), groups, strict=True):
        toy = found.toy
        for row in found.rows:
            for losses in row.losses.values():
                points = [
                    ((epoch + 1) * toy.steps_per_epoch, loss - toy.optimum)
                    for epoch, loss in enumerate(losses)
                    if loss > toy.optimum
                ]
                if points:
                    axis.plot(*zip(*thinned(points), strict=True), **{**look(names.index(row.estimator)), "marker": ""})
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(TICKS)
        axis.yaxis.set_major_formatter(PLAIN)
        axis.yaxis.set_minor_locator(NullLocator())
        axis.set_title(f"exponent {toy.exponent:g}, optimum {toy.optimum:.4g}")
        axis.set_xlabel("step")
    figure.axes[0].set_ylabel("loss above the optimum")
    for place, name in enumerate(names):
        figure.axes[0].plot([], [], label=name, **{**look(place), "marker": ""})
    figure.legend(loc="outside lower center", ncols=min(5, len(names)), fontsize=7)
    return figure
