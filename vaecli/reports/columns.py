"""Tables of text: cells, columns that are aligned, and columns that are folded to a width."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vaecli.errors import printable


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens {"a": {"b": 1}} to {"a.b": 1}."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def numbers(values: Sequence[int]) -> str:
    """Ascending integers as text: "0", "0 to 4", "0, 3, 7"."""
    if len(values) > 2 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))


def plain(value: Any) -> str:
    """The text of a cell: six significant digits, and nothing for None."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligns columns to their widest cell, two spaces apart; a cell stays on one line."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def folded(columns: Sequence[Sequence[str]], width: int) -> Iterator[list[Sequence[str]]]:
    """Splits the columns into parts that fit the width, repeating the first column."""
    first, *others = columns
    part, used = [first], _width(first)
    for column in others:
        if len(part) > 1 and used + 2 + _width(column) > width:
            yield part
            part, used = [first], _width(first)
        part.append(column)
        used += 2 + _width(column)
    yield part


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))
