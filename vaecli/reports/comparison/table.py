"""The comparison as a table for people: wide in a pipe, folded to the width of a terminal, Markdown or LaTeX."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from vaecli.errors import printable
from vaecli.metrics.intervals import deviation, resolved
from vaecli.metrics.metric import COLUMNS
from vaecli.reports.columns import filled, folded, folded_lines, numbers
from vaecli.reports.comparison.groups import METHOD, Group, Row, column_of, headings, titles
from vaecli.reports.latex import NEEDS, comment, tabular

if TYPE_CHECKING:
    from rich.console import RenderableType

Spread = Literal["interval", "std"]
SEEDS, BEHIND = "seeds", "behind"
_BEHIND = (
    "behind: the difference to the lowest, paired by seed, in -elbo where the likelihood is in nats, "
    "else in mse sampled"
)
LEGENDS: Mapping[Spread, str] = {
    "interval": f"± is the 95 % interval over seeds; {_BEHIND}",
    "std": f"± is the standard deviation over seeds; {_BEHIND}, with its 95 % interval",
}
LEGEND = LEGENDS["interval"]


class Selection(NamedTuple):
    """What a table shows: columns (all that have a value, where none is named), and what ± is."""

    columns: tuple[str, ...] = ()
    spread: Spread = "interval"


ALL = Selection()
NOT_RESOLVED = "not resolved"
MOST_NOTES = 12  # of a group


def selected(columns: Iterable[str], spread: Spread) -> Selection:
    """The columns meant by "mse-mode" or "perplexity", in this order; raises ConfigError if there is none."""
    return Selection(tuple(column_of("columns", text, (SEEDS, BEHIND, *COLUMNS)) for text in columns), spread)


def table_lines(
    groups: Sequence[Group], failures: Mapping[str, str], width: int | None = None, selection: Selection = ALL
) -> Iterator[str]:
    """The lines without colours: a table for each group, in full width; with a width, folded to it."""
    for title, group in zip(titles(groups), groups, strict=True):
        yield from filled(title, width)
        lines = folded_lines([*zip(*columns(group, selection), strict=True)], width and width - 2)
        yield from (f"  {line}".rstrip() for line in lines)
        for note in _shown(group.notes):
            yield from filled(f"  note: {note}", width)
        yield ""
    for line in (*failure_lines(failures), LEGENDS[selection.spread]):
        yield from filled(line, width)


def rich_tables(
    groups: Sequence[Group], failures: Mapping[str, str], width: int, selection: Selection = ALL
) -> "Iterator[RenderableType]":
    """The tables for a terminal of `width` characters: the columns of a group in as many tables as needed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for title, group in zip(titles(groups), groups, strict=True):
        yield Text(title, style="bold")
        for part in folded(columns(group, selection), width):
            table = Table(
                box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
            )  # two columns apart, as `folded` counts
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
    yield Text(LEGENDS[selection.spread], style="dim")


def markdown_lines(groups: Sequence[Group], failures: Mapping[str, str], selection: Selection = ALL) -> Iterator[str]:
    """The lines of Markdown: a heading and a table for each group."""
    for title, group in zip(titles(groups), groups, strict=True):
        header, *rows = zip(*columns(group, selection), strict=True)
        yield from (f"**{title}**", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
        yield ""
        yield from (f"Note: {note}." for note in _shown(group.notes))
        yield ""
    yield from (f"- {line}" for line in failure_lines(failures))
    yield LEGENDS[selection.spread]


def latex_lines(groups: Sequence[Group], failures: Mapping[str, str], selection: Selection = ALL) -> Iterator[str]:
    """The lines of one LaTeX table: the rows of each group under its title; what else is to be said, as comments."""
    yield NEEDS
    yield comment(LEGENDS[selection.spread])
    apart, shared = headings(groups)
    yield from (comment(text) for text in (shared,) if text)
    yield from (comment(f"note: {note}") for group in groups for note in _shown(group.notes))
    yield from map(comment, failure_lines(failures))
    yield from tabular([(title, columns(group, selection)) for title, group in zip(apart, groups, strict=True)])


def failure_lines(failures: Mapping[str, str]) -> Iterator[str]:
    """One line for each failed run, with its reason."""
    return (f"failed: {name}: {reason}" for name, reason in failures.items())


def columns(group: Group, selection: Selection = ALL) -> list[list[str]]:
    """Header and cells of each column; those that nobody named are left out where no row has a value."""
    cells: dict[str, Callable[[Row], str]] = {SEEDS: _seeds, BEHIND: partial(_behind, group)}
    cells |= {column: partial(_figure, column, selection.spread) for column in COLUMNS}
    found = [[column, *map(cells[column], group.rows)] for column in selection.columns or cells]
    shown = [column for column in found if selection.columns or any(column[1:])]
    return [[METHOD, *(row.name for row in group.rows)], *shown]


def _seeds(row: Row) -> str:
    """The seeds of the means, and those missing from them: "0 to 3; without 4 (failed)"."""
    absent = ", ".join(f"{seed} ({why})" for seed, why in sorted(row.absent.items()))
    return numbers(row.seeds) + (f"; without {absent}" if absent else "")


def _shown(notes: Sequence[str]) -> Iterator[str]:
    """The first MOST_NOTES notes, and the number of further ones."""
    yield from map(printable, notes[:MOST_NOTES])
    if len(notes) > MOST_NOTES:
        yield f"and {len(notes) - MOST_NOTES:,} more notes in comparison.json"


def _figure(measure: str, spread: Spread, row: Row) -> str:
    found, digits = row.interval(measure), COLUMNS[measure].decimals
    if found is None:
        return ""
    width = found.half_width
    if width is not None and spread == "std":
        width = deviation([*row.values[measure].values()])
    return f"{found.mean:z,.{digits}f}" + (f" ± {width:.{digits}f}" if width else "")


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
