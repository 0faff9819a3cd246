"""The report of a reproduction: table, records and one page that needs no network, in a folder of the output folder."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vaecli.errors import RunError
from vaecli.papers.measures import MEASURES
from vaecli.papers.verdict import Found
from vaecli.reports.page.render import Table, each_drawn, render
from vaecli.reports.reproduction.table import LEGEND, by_source, columns, counts_line, csv_text, records
from vaecli.runs import Run
from vaecli.runs.files import write, write_json
from vaecli.runs.toys import ToyRun

if TYPE_CHECKING:
    from vaecli.reports.style import Undrawn

PAGE, TABLE, RECORDS = "report.html", "reproduction.csv", "reproduction.json"
Curves = dict[str, list[tuple[float, float]]]


class Report(NamedTuple):
    """The outcome of a report."""

    lines: list[str]  # what could not be drawn or read


def report_folder(output_dir: Path, names: Iterable[str]) -> Path:
    """reproduce-<hash> of the names of the cells."""
    code = hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:8]
    return output_dir / f"reproduce-{code}"


def write_report(found: Sequence[Found], output_dir: Path, folder: Path, command: str) -> Report:
    """Writes reproduction.csv, reproduction.json, a figure for each source, and report.html last.

    Raises:
        RunFailed: the folder cannot be written.
    """
    from vaecli.reports.reproduction.figures import draw, panels
    from vaecli.reports.reproduction.pictures import picture
    from vaecli.reports.style import draw_each

    def failed(undrawn: "Undrawn") -> None:
        lines.append(undrawn.line)

    write(folder / TABLE, csv_text(found))
    write_json(folder / RECORDS, {"records": records(found)})
    lines: list[str] = []
    sources = []
    for source, cells in by_source(found).items():
        shown = panels(cells, _curves(cells, output_dir, lines))
        files = {f"{source}.png": lambda source=source, shown=shown: draw(source, shown)} if shown else {}
        draw_each(files, folder, failed)
        pictures = {source: partial(picture, shown)} if shown else {}
        sources.append({**_of_source(source, cells), "figures": each_drawn(pictures, folder / PAGE, failed)})
    content = {"sources": sources, "counts": counts_line(found), "legend": LEGEND, "command": command, "lines": lines}
    write(folder / PAGE, render("reproduction/report.html.j2", **content))
    return Report(lines)


def _curves(found: Sequence[Found], output_dir: Path, lines: list[str]) -> Curves:
    """The figures of all runs and toys as points, where a measure is one of each row."""
    curves: Curves = {}
    for name in dict.fromkeys(run for one in found for run in one.runs.values()):
        run, toy = Run(output_dir / name), ToyRun(output_dir / name)
        try:
            rows = run.metrics if run.exists else []
            losses = toy.losses if toy.finished else []
        except RunError as error:
            lines.append(error.lines[0])
            continue
        for one in found:
            if name not in one.runs.values() or one.cell.over:
                continue
            key, of_toy = f"{name} {one.cell.metric}", [(float(epoch), loss) for epoch, loss in enumerate(losses, 1)]
            if MEASURES[one.cell.metric].evaluated:
                seed = next(seed for seed, of in one.runs.items() if of == name)
                curves[key] = [(float(one.cell.at), one.figures[seed])]
            else:
                curves[key] = of_toy or _points(rows, one.cell.unit or "epoch", MEASURES[one.cell.metric].columns)
    return curves


def _points(rows: Iterable[Mapping[str, float | None]], unit: str, columns: Sequence[str]) -> list[tuple[float, float]]:
    """The sums of these columns by epoch or step; rows without one of them are left out."""
    found = [(row.get(unit), [row.get(column) for column in columns]) for row in rows]
    return [
        (at, sum(value for value in values if value is not None))
        for at, values in found
        if at is not None and None not in values
    ]


def _of_source(source: str, found: Sequence[Found]) -> dict[str, Any]:
    paper = found[0].cell.paper
    header, *rows = zip(*columns(found), strict=True)
    missed = [place for place, one in enumerate(found) if one.verdict.word in ("not reproduced", "failed")]
    return {
        "name": source,
        "title": paper.title,
        "authors": ", ".join(paper.authors),
        "year": paper.year,
        "address": paper.address,
        "table": paper.table,
        "protocol": paper.protocol,
        "tolerance": paper.tolerance.because if paper.tolerance else "",
        "differs": list(dict.fromkeys(line for one in found for line in one.cell.differs)),
        "counts": counts_line(found),
        "cells": Table(source, header, rows, text=[header.index("verdict")], missed=missed),
    }
