"""`vaecli list`, `show` and `diff`: what is in the output folder, without TensorFlow."""

import json as json_format
from typing import Annotated, Any

import typer

from vaecli.cli.complete import run_names
from vaecli.cli.echo import echo
from vaecli.cli.options import OUTPUT_DIR, JsonOption, OutputDirOption

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The name of a run, or its beginning.", autocompletion=run_names)
]


def list_runs(output_dir: OutputDirOption = OUTPUT_DIR, json: JsonOption = False) -> None:
    """List runs, newest first."""
    from vaecli.reports.columns import aligned
    from vaecli.reports.run.listing import entry, table
    from vaecli.runs import all_runs
    from vaecli.runs.find import closed_folders

    entries = [entry(run) for run in all_runs(output_dir)]
    for folder in closed_folders(output_dir):
        echo(f"{folder}: cannot be entered", err=True)
    if json:
        echo(json_format.dumps(entries, indent=2))
        return
    for line in aligned(table(entries)):
        echo(line)
    for broken in entries:
        if broken["status"] == "unreadable":
            echo(broken["reason"], err=True)


def show(run: RunArgument, output_dir: OutputDirOption = OUTPUT_DIR, json: JsonOption = False) -> None:
    """Show one run.

    Shows its settings, progress and results, and what it was made with.
    """
    from vaecli.reports.health import findings
    from vaecli.reports.run.listing import show_lines
    from vaecli.runs import find_run
    from vaecli.runs.added import kept_quality, usable_evaluations, usable_priors

    found = find_run(run, output_dir)
    if json:
        whole: dict[str, Any] = {"run": found.name, "status": found.status, **found.info}
        whole |= {"config": found.config.to_dict(), "summary": found.summary if found.finished else None}
        whole |= {"evaluations": usable_evaluations(found), "priors": usable_priors(found)}
        whole |= {"quality": kept_quality(found), "metrics": found.metrics}
        whole["health"] = [finding._asdict() for finding in findings(found)]
        echo(json_format.dumps(whole, indent=2))
        return
    for line in show_lines(found):
        echo(line)


def diff(
    one: RunArgument, two: RunArgument, output_dir: OutputDirOption = OUTPUT_DIR, json: JsonOption = False
) -> None:
    """Show where two runs differ.

    Compares config, environment and figures.
    """
    from vaecli.reports.columns import aligned, plain
    from vaecli.reports.run.listing import differences
    from vaecli.runs import find_run

    runs = [find_run(name, output_dir) for name in (one, two)]
    found = differences(*runs)
    if json:
        echo(json_format.dumps(found, indent=2))
        return
    rows: list[list[str]] = [["", *(run.name for run in runs)]]
    for section, values in found.items():
        rows.append([section if values else f"{section}: no difference", "", ""])
        rows += [[f"  {key}", *map(plain, pair)] for key, pair in values.items()]
    for line in aligned(rows):
        echo(line)
