"""The page of a run: what became of it in a sentence, its pictures, its figures, and what it was made with."""

import shlex
from collections.abc import Callable
from pathlib import Path

from vaecli.config import dump
from vaecli.metrics.metric import METRICS
from vaecli.reports.columns import plain
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.story import THRESHOLDS, headline, sentences
from vaecli.reports.page.render import Table, each_drawn, render
from vaecli.reports.run.figures import title
from vaecli.reports.run.summary import summary_lines
from vaecli.reports.style import Undrawn, thinned
from vaecli.runs import Run
from vaecli.runs.added import added
from vaecli.runs.files import write
from vaecli.runs.references import references_of

MOST_ROWS = 100  # of metrics.csv


def write_page(run: Run, *, failed: Callable[[Undrawn], None]) -> Path:
    """Writes report.html into the folder of a finished run.

    Args:
        failed: called with each picture that could not be drawn; the page has the others.

    Raises:
        RunError: the run is not finished or damaged, or its folder cannot be written.
    """
    from vaecli.reports.run.pictures import pictures

    (group,) = compared([run])
    (row,) = group.rows
    info = run.info
    made = {"host": info["host"], "platform": info["platform"], "processor": f"{info['cpu']}, {info['cpus']} cores"}
    made |= {"started": info["started"], "source commit": info["git_commit"] or "", "extends": info["extends"] or ""}
    made |= {name: version or "" for name, version in info["versions"].items()}
    write(
        run.report_html,
        render(
            "run/report.html.j2",
            name=run.name,
            title=title(run),
            headline=headline(group),
            sentences=list(sentences(group, row)),
            thresholds=THRESHOLDS,
            figures=each_drawn(pictures(run), run.report_html, failed),
            results=_results(run),
            epochs=_epochs(run),
            lines=list(summary_lines(run)),
            config=dump(run.config.to_dict()),
            made={name: value for name, value in made.items() if value},
            command=shlex.join(["vaecli", *info["argv"][1:]]),
        ),
        within=run.path,
    )
    return run.report_html


def _results(run: Run) -> Table:
    """Every metric that the run has."""
    references = references_of(run)
    learned = references.learned(run.latent, run.summary["test"]["mse"]["sampled"]) if references else None
    summary = {**run.summary, "learned": learned, **added(run)}
    rows = []
    for metric in METRICS:
        value = metric.value(summary)
        if isinstance(value, int | float):
            rows.append((metric.key, f"{value:z,.{metric.decimals}f}", metric.unit, metric.meaning))
    return Table("Figures", ("key in summary.json", "value", "unit", "meaning"), rows, text={3})


def _epochs(run: Run) -> Table:
    """The rows of metrics.csv, without columns that are empty in all of them."""
    metrics = run.metrics
    header = [key for key in metrics[0] if any(row[key] is not None for row in metrics)]
    rows = [[plain(row[key]) for key in header] for row in thinned(metrics, MOST_ROWS)]
    words = f", {MOST_ROWS} of {len(metrics):,}" * (len(metrics) > MOST_ROWS)
    return Table(f"Rows of metrics.csv{words}", header, rows)
