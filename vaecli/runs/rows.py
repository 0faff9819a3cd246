"""metrics.csv: a header, and a row for each epoch, of which a crash may have cut off the last."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from vaecli.errors import Damaged
from vaecli.runs.files import read
from vaecli.runs.sealed import MAX_BYTES

NUMBERS = ("epoch", "loss", "test_mse_sampled", "test_mse_mode", "seconds")  # columns with a value in every row

Row = Mapping[str, float | None]


class Cells(dict[str, float | None]):
    """A row; a missing column is damage."""

    def __init__(self, path: Path, way_out: str, items: Iterable[tuple[str, float | None]]) -> None:
        super().__init__(items)
        self.path, self.way_out = path, way_out

    def __missing__(self, key: str) -> Any:
        raise Damaged(f"{self.path}: damaged, it has no {key!r}; {self.way_out}")


def parsed(text: str, path: Path, *, finite: bool, way_out: str) -> list[dict[str, float | None]]:
    """The rows of a text of this file.

    Args:
        finite: whether a value that is not finite is damage.
        way_out: what the message ends with.

    Raises:
        Damaged: a row is out of order, or lacks a value that every row has.
    """
    whole = text[: text.rfind("\n") + 1]  # a last line without a newline was cut off by a crash
    found: list[dict[str, float | None]] = []
    step = 0.0
    try:
        for row in csv.DictReader(io.StringIO(whole)):
            cells = Cells(path, way_out, ((key, float(x) if x else None) for key, x in row.items()))
            if "step" not in cells and cells["epoch"] != len(found) + 1:
                raise ValueError(f"row {len(found) + 1} is of epoch {cells['epoch']}")
            if "step" in cells and not step < (cells["step"] or 0):
                raise ValueError(f"row {len(found) + 1} is of step {cells['step']}")
            step = cells.get("step") or 0
            numbers = [(key, cells[key]) for key in cells if cells[key] is not None or key in NUMBERS]
            wrong = [key for key, value in numbers if value is None or (finite and not math.isfinite(value))]
            if wrong:
                raise ValueError(f"{wrong[0]} of row {len(found) + 1} is not a number")
            found.append(cells)
    except (ValueError, TypeError, csv.Error) as error:
        raise Damaged(f"{path}: damaged ({error}); {way_out}") from None
    return found


def last(path: Path, unit: Literal["epoch", "step"]) -> float:
    """The epoch or the step of the last row; 0 if it does not say."""
    head, *rest = whole_lines(path) or [b""]
    row = dict(zip(head.split(b","), rest[-1].split(b","), strict=False)) if rest else {}
    try:
        found = float(row[unit.encode()])
    except (KeyError, ValueError):
        return 0
    return found if math.isfinite(found) else 0


def whole_lines(path: Path) -> list[bytes]:
    """The lines as they are; one that a crash cut off has no end, and is left out."""
    try:
        return read(path, most=MAX_BYTES).split(b"\n")[:-1]
    except OSError:
        return []


def written(row: Row, *, header: bool) -> str:
    """A row as a line, after the header if that is asked for."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerow(row)
    return text.getvalue()
