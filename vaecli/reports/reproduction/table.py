"""The verdicts on published cells as a table, as Markdown, as LaTeX, as CSV and as records."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

from vaecli.errors import printable
from vaecli.papers.measures import MEASURES
from vaecli.papers.verdict import Found, Word
from vaecli.reports.columns import aligned, filled, narrowed, numbers
from vaecli.reports.latex import NEEDS, comment, tabular

LEGEND = (
    "difference: our mean over seeds less the published figure; verified within the tolerance, which rests on printed "
    "digits, a spread over seeds, or the distance of independent logs; inconclusive where the seeds do not resolve it"
)


LEAST = ("tolerance", "seeds", "minutes", "difference", "at", "metric")  # dropped where they do not fit, in this order


def table_lines(
    found: Sequence[Found], minutes: Mapping[str, float] | None = None, width: int | None = None
) -> Iterator[str]:
    """A table for each source, and how often each verdict occurs.

    Args:
        minutes: of a training up to a cell, by its name; shown where it is given.
        width: columns are dropped and words folded until all fits; None: nothing is.
    """
    for source, cells in by_source(found).items():
        paper = cells[0].cell.paper
        yield from filled(printable(f"{source}: {paper.title} ({paper.year}), {paper.address}"), width)
        rows, _ = narrowed([*zip(*columns(cells, minutes), strict=True)], width and width - 2, LEAST, folds="verdict")
        yield from (f"  {line}" for line in aligned(rows, width and width - 2))
        yield ""
    for line in (counts_line(found), LEGEND):
        yield from filled(line, width)


def markdown_lines(found: Sequence[Found]) -> Iterator[str]:
    """A heading and a table for each source."""
    for source, cells in by_source(found).items():
        paper = cells[0].cell.paper
        header, *rows = zip(*columns(cells), strict=True)
        yield from (f"**{source}**: {printable(paper.title)} ({paper.year}), {printable(paper.address)}", "")
        yield from (f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(printable(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
        yield ""
    yield from (counts_line(found), "", LEGEND)


def latex_lines(found: Sequence[Found]) -> Iterator[str]:
    """The lines of one LaTeX table: the cells of each source under its name; what else is to be said, as comments."""
    yield NEEDS
    yield from map(comment, (LEGEND, counts_line(found)))
    sources = by_source(found)
    for source, cells in sources.items():
        paper = cells[0].cell.paper
        yield comment(f"{source}: {paper.title} ({paper.year}), {paper.address}")
    yield from tabular([(source, columns(cells)) for source, cells in sources.items()])


def by_source(found: Sequence[Found]) -> dict[str, list[Found]]:
    sources: dict[str, list[Found]] = {}
    for one in found:
        sources.setdefault(one.cell.source, []).append(one)
    return sources


def counts_line(found: Sequence[Found]) -> str:
    """How often each verdict occurs: "12 cells of 1 source: 10 verified, 2 no data"."""
    counts = Counter(one.verdict.word for one in found)
    parts = ", ".join(f"{counts[word]} {word}" for word in get_args(Word) if counts[word])
    cells, sources = len(found), len(by_source(found))
    return f"{cells:,} cell{'s' * (cells != 1)} of {sources} source{'s' * (sources != 1)}: {parts}"


def columns(found: Sequence[Found], minutes: Mapping[str, float] | None = None) -> list[list[str]]:
    """Header and cells of each column; columns without any value are left out."""
    table = [[header, *map(cell, found)] for header, cell in COLUMNS.items()]
    if minutes is not None:
        times = (f"{minutes[one.cell.name]:.1f}" if one.cell.name in minutes else "" for one in found)
        table.insert(-1, ["minutes", *times])
    return [column for column in table if any(column[1:])]


def place(one: Found) -> str:
    """The epoch or the step, as "epoch 20"."""
    return "" if one.cell.unit is None else f"{one.cell.unit} {one.cell.at:,}"


def said(one: Found) -> str:
    """The verdict, with its reason where it has one."""
    return f"{one.verdict.word} ({one.verdict.why})" if one.verdict.why else one.verdict.word


def _published(one: Found) -> str:
    cell = one.cell
    spread = "" if cell.spread is None else f" ± {cell.spread * abs(cell.times):.{_decimals(one)}f}"
    how = "" if cell.numbers == "read" else f" ({cell.numbers})"
    return f"{cell.published:.{_decimals(one)}f}{spread}{how}"


def _decimals(one: Found) -> int:
    """The printed digits, and of a figure in another unit so many that they are still seen."""
    return min(6, max(0, one.cell.digits - round(math.log10(abs(one.cell.times)))))


def _ours(one: Found) -> str:
    return "" if one.verdict.ours is None else f"{one.verdict.ours:.{max(2, _decimals(one))}f}"


def _difference(one: Found) -> str:
    ours = one.verdict.ours
    return "" if ours is None else f"{ours - one.cell.published:+.{max(2, _decimals(one))}f}"


def _tolerance(one: Found) -> str:
    allowed = one.verdict.tolerance
    return "" if allowed is None else f"{allowed:.2g}"


COLUMNS: Mapping[str, Callable[[Found], str]] = {
    "setting": lambda one: one.cell.setting,
    "metric": lambda one: one.cell.metric,
    "at": place,
    "published": _published,
    "ours": _ours,
    "difference": _difference,
    "tolerance": _tolerance,
    "seeds": lambda one: numbers(sorted(one.figures)),
    "verdict": said,
}


def records(found: Sequence[Found]) -> list[dict[str, Any]]:
    """A flat record for each cell."""
    return [
        {
            "source": one.cell.source,
            "title": one.cell.paper.title,
            "year": one.cell.paper.year,
            "address": one.cell.paper.address,
            "numbers": one.cell.numbers,
            "setting": one.cell.setting,
            "metric": one.cell.metric,
            "unit": MEASURES[one.cell.metric].unit,
            "at": one.cell.at,
            "of": one.cell.unit,
            "published": one.cell.published,
            "spread": one.cell.spread,
            "published_seeds": one.cell.seeds,
            "digits": one.cell.digits,
            "ours": one.verdict.ours,
            "seeds": sorted(one.figures),
            "figures": [one.figures[seed] for seed in sorted(one.figures)],
            "runs": [one.runs[seed] for seed in sorted(one.runs)],
            "tolerance": one.verdict.tolerance,
            "verdict": one.verdict.word,
            "why": one.verdict.why,
            "differs": list(one.cell.differs),
        }
        for one in found
    ]


def csv_text(found: Sequence[Found]) -> str:
    """The records as CSV; lists are separated by spaces."""
    buffer = io.StringIO()
    rows = records(found)
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = {key: "; ".join(map(str, x)) if isinstance(x, list) else x for key, x in row.items()}
        writer.writerow({key: printable(x) if isinstance(x, str) else x for key, x in plain.items()})
    return buffer.getvalue()
