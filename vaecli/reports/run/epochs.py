"""The rows of metrics.csv as one table for people, of which each row is known only once it is there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vaecli.errors import printable
from vaecli.reports.columns import narrowed

Row = Mapping[str, float | None]


class Column(NamedTuple):
    """A column: its header, where its figures stand in metrics.csv, and how they are written."""

    header: str
    key: str
    decimals: int = 4


COLUMNS = (
    Column("loss", "loss"),
    Column("mse sampled", "test_mse_sampled"),
    Column("mse mode", "test_mse_mode"),
    Column("mse relaxed", "test_mse_relaxed"),
    Column("validation", "validation_mse_sampled"),
    Column("perplexity", "test_perplexity", 2),
    Column("seconds", "seconds", 1),
)
LEAST = ("seconds", "mse mode", "perplexity", "validation", "mse relaxed", "mse sampled")  # the first is dropped first


class EpochTable:
    """The lines of each row: those of the first begin with the header, and are as wide as all others."""

    def __init__(self, width: int | None = None, *, named: bool = False) -> None:
        """Without a width no column is dropped.

        Args:
            named: rows of several runs, each with the name of its run at the end.
        """
        self._width, self._named = width, named
        self._headers: list[str] = []
        self._widths: list[int] = []

    def lines(self, row: Row, last: int, name: str = "") -> Iterator[str]:
        """The line of a row; `last` is the epoch of the last row, or its step where the rows have one."""
        found = _cells(row, last, every=self._named)
        if self._named:
            found["run"] = printable(name)
        if not self._headers:
            rows, _ = narrowed([list(found), list(found.values())], self._width, LEAST)
            self._headers = rows[0]
            self._widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            yield self._line(self._headers)
        unit, of_others = next(iter(found)), self._headers[0]
        if unit != of_others:  # a run by steps among runs by epochs
            found[of_others] = f"{unit} {found[unit].strip()}"
        yield self._line([found.get(header, "") for header in self._headers])

    def _line(self, cells: Sequence[str]) -> str:
        texts = [cell.rjust(width) for cell, width in zip(cells, self._widths, strict=True)]
        return "  ".join([*texts[:-1], cells[-1]] if self._named else texts)


def _cells(row: Row, last: int, *, every: bool) -> dict[str, str]:
    """The cells by header; without figures that the run does not have, unless other runs may have them."""
    unit = "step" if "step" in row else "epoch"
    done = f"{row[unit]:.0f}/{last}"
    cells = {unit: done.rjust(2 * len(str(last)) + 1)}
    for column in COLUMNS:
        value = row.get(column.key)
        if value is not None:
            cells[column.header] = f"{value:.{column.decimals}f}"
        elif every and column.header != "validation":
            cells[column.header] = ""
    return cells
