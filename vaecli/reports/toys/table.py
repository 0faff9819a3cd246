"""What estimators make of a toy: a table, records and CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vaecli.config.toys import Polynomial
from vaecli.metrics.intervals import Interval, interval
from vaecli.reports.columns import aligned, filled, numbers
from vaecli.reports.latex import NEEDS, comment, tabular

LEGEND = "loss: expected, of codes drawn with the probabilities at the end; no loss is below the optimum"


Record = Mapping[str, Any]  # of one estimator on one toy, as `records` makes it
OF_ROW = ("estimator", "loss", "half_width", "seeds", "losses", "folders")  # and the others are the toy's


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
            f"{steps:,} steps of {toy.batch_size} draws; {toy.start:.4g} at the start, optimum {toy.optimum:.4g}; "
            f"learning rate {toy.learning_rate:g}"
        )


def group(toy: Polynomial, rows: Sequence[Row]) -> Group:
    return Group(toy, sorted(rows, key=lambda row: row.loss.mean))


def table_lines(groups: Sequence[Group], width: int | None = None) -> Iterator[str]:
    """A table for each toy."""
    return kept_lines(kept(groups), width)


def kept_lines(rows: Sequence[Record], width: int | None) -> Iterator[str]:
    """The same of what toys.json has; raises KeyError or another error where it lacks something."""
    toys: dict[str, list[Record]] = {}
    for row in rows:
        toys.setdefault(str({key: value for key, value in row.items() if key not in OF_ROW}), []).append(row)
    for of_toy in toys.values():
        yield from filled(of_toy[0]["toy"], width)
        cells = _cells(of_toy)
        yield from (f"  {line}" for line in aligned(cells, width and width - 2))
        yield ""
    yield from filled(LEGEND, width)


def markdown_lines(groups: Sequence[Group]) -> Iterator[str]:
    for found in groups:
        header, *rows = _cells(records([found]))
        yield from (f"**{found.title}**", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""
    yield LEGEND


def latex_lines(groups: Sequence[Group]) -> Iterator[str]:
    """The lines of one LaTeX table."""
    yield NEEDS
    yield comment(LEGEND)
    columns = [(found.title, [*map(list, zip(*_cells(records([found])), strict=True))]) for found in groups]
    yield from tabular(columns)


def _cells(rows: Sequence[Record]) -> list[list[str]]:
    cells = [["estimator", "loss", "above the optimum", "seeds"]]
    for row in rows:
        half = "" if row["half_width"] is None else f" ± {row['half_width']:.2g}"
        loss, above = f"{row['loss']:.4g}{half}", f"{row['loss'] - row['optimum']:.2g}"
        cells.append([row["estimator"], loss, above, numbers(row["seeds"])])
    return cells


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


def kept(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """What toys.json has: the records, each with the title of its toy."""
    return [{"toy": found.title, **record} for found in groups for record in records([found])]


def csv_text(groups: Sequence[Group]) -> str:
    """The records as CSV without the losses before the last; lists are separated by semicolons."""
    rows = [{key: value for key, value in record.items() if key != "losses"} for record in records(groups)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "; ".join(map(str, x)) if isinstance(x, list) else x for key, x in row.items()})
    return buffer.getvalue()
