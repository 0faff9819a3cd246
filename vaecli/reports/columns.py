"""Tables of text: cells, columns that are aligned, and columns that are folded to a width."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
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


def aligned(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Aligns columns to their widest cell, two spaces apart; a cell stays on one line.

    Args:
        width: the longest line: the widest column of words is then folded until the rows fit.
    """
    for lines in blocks(rows, width):
        yield from lines


def blocks(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[Iterator[str]]:
    """The lines of each row, as `aligned` has them."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [_width(column) for column in zip(*rows, strict=True)]
    floors = [_floor([row[i] for row in rows]) for i in range(len(widths))]
    while width is not None and _across(widths) > width:
        widest = max(range(len(widths)), key=lambda i: widths[i] if widths[i] > floors[i] else 0)
        if widths[widest] <= floors[widest]:
            break  # words are not broken
        widths[widest] -= 1
    for row in rows:
        yield _row(row, widths)


def _row(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    parts = [words(cell, room) if len(cell) > room else [cell] for cell, room in zip(row, widths, strict=True)]
    for line in zip_longest(*parts, fillvalue=""):
        yield "  ".join(cell.ljust(room) for cell, room in zip(line, widths, strict=True)).rstrip()


NARROW_COLUMN, FEW_WORDS = 12, 24  # columns of words: the least that can be read, and what reads well


def _floor(column: Sequence[str]) -> int:
    """What a column is not folded below: its longest word, and a few words."""
    return max(NARROW_COLUMN, *(len(word) for cell in column for word in cell.split()), 0)


def _across(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def narrowed(
    rows: Sequence[Sequence[str]], width: int | None, least: Sequence[str], *, folds: str = ""
) -> tuple[list[list[str]], list[str]]:
    """The rows without the columns that do not fit, and the headers of these.

    Args:
        rows: cells, the headers first.
        width: the longest line; None: nothing is dropped.
        least: headers of the columns that may be dropped, in this order.
        folds: header of a column of words that `aligned` may fold, and that needs little room.
    """
    every = {column[0]: [printable(cell) for cell in column] for column in zip(*rows, strict=True)}
    needed = {header: _width(column) for header, column in every.items()}
    if folds in needed:
        needed[folds] = min(needed[folds], max(_floor(every[folds]), FEW_WORDS))

    def fits(but: Sequence[str]) -> bool:
        return width is None or _across([needed[header] for header in every if header not in but]) <= width

    dropped: list[str] = []
    for header in [header for header in least if header in every]:
        if fits(dropped):
            break
        dropped.append(header)
    for header in reversed(dropped[:-1]):  # the last ones may have made room for those before them
        if fits(fewer := [other for other in dropped if other != header]):
            dropped = fewer
    kept = [column for header, column in every.items() if header not in dropped]
    return [list(row) for row in zip(*kept, strict=True)], dropped


NARROWEST, WIDEST = 40, 100  # of lines that are folded at words: no terminal is narrower, and no text is wider


def text_width(width: int) -> int:
    """The columns that text takes on a terminal of this width, whose last one stays free."""
    return min(max(width, NARROWEST), WIDEST) - 1


def words(text: str, room: int, **indents: str) -> list[str]:
    """A text in lines of at most so many columns, broken between words; a longer word stays whole."""
    return wrap(text, max(room, 1), break_long_words=False, break_on_hyphens=False, **indents) or [""]  # type: ignore[arg-type]


LABELLED = re.compile(r"\s*(?:\S+(?: \S+)*:?\s{2,})?")


def filled(line: str, width: int | None) -> list[str]:
    """A line for people in lines that fit, broken between words and indented as its text is.

    Args:
        width: None: it stays whole.
    """
    room = None if width is None else text_width(width)
    if room is None or len(line) <= room:
        return [line]
    begin = len(LABELLED.match(line).group())  # type: ignore[union-attr]
    if begin > room // 2:
        begin = len(line) - len(line.lstrip()) + 2
    return words(line, room, subsequent_indent=" " * begin)


# What stays on one line of a command: what is quoted, and an option with its value
WHOLE = re.compile(r"'[^']*'|\"[^\"]*\"|--[a-z-]+ (?!-)")


def typed(command: str, width: int | None, *, begin: str = "") -> list[str]:
    """A command in lines that fit; a shell takes them together, as each but the last ends in a backslash.

    A line never ends inside quotes, where a shell would keep the backslash, nor between an option and its value.
    """
    line = f"{begin}{command}"
    if width is None or len(line) < width:
        return [line]
    kept = WHOLE.sub(lambda found: found.group().replace(" ", "\0"), line)
    *others, last = words(kept, width - 3, subsequent_indent=" " * (len(begin) + 4))
    return [folded.replace("\0", " ") for folded in (*(f"{other} \\" for other in others), last)]


def commented(line: str, width: int | None) -> list[str]:
    """A comment of YAML in lines that fit, each of which is one."""
    return [line] if width is None else words(line, text_width(width), subsequent_indent="#   ")


def beside(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Two columns: a name, only where it changes, and a text that is folded at words; a longer word stays whole.

    A name that would leave little room for the texts stands on a line of its own.
    """
    most = text_width(width) * 2 // 5
    indent = max((len(name) for name, _ in rows if len(name) <= most), default=0) + 2
    before = None
    for name, text in rows:
        shown, before = "" if name == before else printable(name), name
        if len(shown) > most:
            yield shown
            shown = ""
        for line in words(printable(text), text_width(width) - indent):
            yield f"{shown:<{indent}}{line}".rstrip()
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


def folded_lines(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """The lines of a table; with a width it is split into as many tables as are needed, one below the other."""
    if width is None:
        yield from aligned(rows)
        return
    for number, part in enumerate(folded([*zip(*rows, strict=True)], width)):
        yield from [""] * bool(number)
        yield from aligned([*zip(*part, strict=True)])


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))
