"""The comparison as a table for people: wide in a pipe, folded to the width of a terminal, or Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vaecli.errors import printable
from vaecli.metrics.intervals import resolved
from vaecli.metrics.metric import COLUMNS
from vaecli.reports.columns import filled, folded, folded_lines, numbers
from vaecli.reports.comparison.groups import Group, Row, titles

if TYPE_CHECKING:
    from rich.console import RenderableType

LEGEND = (
    "± is the 95 % interval over seeds; behind: the difference to the lowest, paired by seed, in -elbo where the "
    "likelihood is in nats, else in mse sampled"
)
NOT_RESOLVED = "not resolved"
MOST_NOTES = 12  # of a group


def table_lines(groups: Sequence[Group], failures: Mapping[str, str], width: int | None = None) -> Iterator[str]:
    """The lines without colours: a table for each group, in full width; with a width, folded to it."""
    for title, group in zip(titles(groups), groups, strict=True):
        yield from filled(title, width)
        lines = folded_lines([*zip(*columns(group), strict=True)], width and width - 2)
        yield from (f"  {line}".rstrip() for line in lines)
        for note in _shown(group.notes):
            yield from filled(f"  note: {note}", width)
        yield ""
    for line in (*failure_lines(failures), LEGEND):
        yield from filled(line, width)


def rich_tables(groups: Sequence[Group], failures: Mapping[str, str], width: int) -> "Iterator[RenderableType]":
    """The tables for a terminal of `width` characters: the columns of a group in as many tables as needed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for title, group in zip(titles(groups), groups, strict=True):
        yield Text(title, style="bold")
        for part in folded(columns(group), width):
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
            for header, *_ in part:
                table.add_column(header, justify="left" if header in ("method", "behind") else "right", no_wrap=True)
            for cells in zip(*(column[1:] for column in part), strict=True):
                table.add_row(*(Text(cell, style="dim" if cell.endswith(NOT_RESOLVED) else "") for cell in cells))
            yield table
            yield Text()
        for note in _shown(group.notes):
            yield Text(f"note: {note}", style="yellow")
    for line in failure_lines(failures):
        yield Text(line, style="red")
    yield Text(LEGEND, style="dim")


def markdown_lines(groups: Sequence[Group], failures: Mapping[str, str]) -> Iterator[str]:
    """The lines of Markdown: a heading and a table for each group."""
    for title, group in zip(titles(groups), groups, strict=True):
        header, *rows = zip(*columns(group), strict=True)
        yield from (f"**{title}**", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
        yield ""
        yield from (f"Note: {note}." for note in _shown(group.notes))
        yield ""
    yield from (f"- {line}" for line in failure_lines(failures))
    yield LEGEND


def failure_lines(failures: Mapping[str, str]) -> Iterator[str]:
    """One line for each failed run, with its reason."""
    return (f"failed: {name}: {reason}" for name, reason in failures.items())


def columns(group: Group) -> list[list[str]]:
    """Header and cells of each column; columns without any value are left out."""
    found = [
        ["method", *(row.name for row in group.rows)],
        ["seeds", *(_seeds(row) for row in group.rows)],
        ["behind", *(_behind(group, row) for row in group.rows)],
    ]
    found += [[column, *(_figure(row, column) for row in group.rows)] for column in COLUMNS]
    return [column for column in found if any(column[1:])]


def _seeds(row: Row) -> str:
    """The seeds of the means, and those missing from them: "0 to 3; without 4 (failed)"."""
    absent = ", ".join(f"{seed} ({why})" for seed, why in sorted(row.absent.items()))
    return numbers(row.seeds) + (f"; without {absent}" if absent else "")


def _shown(notes: Sequence[str]) -> Iterator[str]:
    """The first MOST_NOTES notes, and the number of further ones."""
    yield from map(printable, notes[:MOST_NOTES])
    if len(notes) > MOST_NOTES:
        yield f"and {len(notes) - MOST_NOTES:,} more notes in comparison.json"


def _figure(row: Row, measure: str) -> str:
    found, digits = row.interval(measure), COLUMNS[measure].decimals
    if found is None:
        return ""
    spread = f" ± {found.half_width:.{digits}f}" if found.half_width else ""
    return f"{found.mean:z,.{digits}f}{spread}"


def _behind(group: Group, row: Row) -> str:
    if row is group.best:
        return "lowest"
    difference, decimals = group.behind_best(row), COLUMNS[group.judged].decimals
    if difference is None:
        return "no common seed"
    if difference.half_width is None:
        return f"{difference.mean:+.{decimals}f}, one seed"
    text = f"{difference.mean:+.{decimals}f} ± {difference.half_width:.{decimals}f}"
    return text if resolved(difference) else f"{text}, {NOT_RESOLVED}"
