"""Tables of text: cells, columns that are aligned, and columns that are folded to a width."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
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


NARROWEST, WIDEST = 40, 100  # of lines that are folded at words: no terminal is narrower, and no text is wider


def text_width(width: int) -> int:
    """The columns that text takes on a terminal of this width, whose last one stays free."""
    return min(max(width, NARROWEST), WIDEST) - 1


def beside(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Two columns: a name, only where it changes, and a text that is folded at words; a longer word stays whole."""
    indent = max((len(name) for name, _ in rows), default=0) + 2
    room = text_width(width) - indent
    before = None
    for name, text in rows:
        shown, before = "" if name == before else name, name
        for line in wrap(printable(text), room, break_long_words=False, break_on_hyphens=False) or [""]:
            yield f"{printable(shown):<{indent}}{line}".rstrip()
            shown = ""


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
