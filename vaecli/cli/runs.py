"""`vaecli list`, `show` and `diff`: what is in the output folder, without TensorFlow."""

import json as json_format
from typing import Annotated, Any

import typer

from vaecli.cli.command import examples
from vaecli.cli.complete import listed_columns, run_names, shown_names
from vaecli.cli.echo import echo, table_width, tell
from vaecli.cli.options import OUTPUT_DIR, JsonOption, OutputDirOption

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The name of a run, or its beginning.", autocompletion=run_names)
]


@examples("list", "list digits temperature=0.5 --sort-by 'mse sampled'")
def list_runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD",
            help="Only what has each of these: a part of its name, status, data, method or date, or KEY=VALUE such as "
            "seed=0 or temperature=0.5. [default: all]",
        ),
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            "--sort-by",
            metavar="COLUMN",
            help="Column of the runs to sort by, figures the best first. [default: the newest first]",
            autocompletion=listed_columns,
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    json: JsonOption = False,
) -> None:
    """List runs, then comparisons, reproductions, audits and toys.

    "differs" are settings that are not the method's defaults. What does not fit is left out, and a line says which
    columns that are.
    """
    from vaecli.reports.columns import aligned, narrowed
    from vaecli.reports.kept import all_kept, kept_table
    from vaecli.reports.run.listing import LEAST, chosen, entry, ordered, table
    from vaecli.runs import all_runs
    from vaecli.runs.find import closed_folders, none_yet

    asked = words or []
    entries = chosen([entry(run) for run in all_runs(output_dir)], asked)
    entries = ordered(entries, sort_by) if sort_by else entries
    others = [one for one in all_kept(output_dir) if all(word in f"{one.name} {one.made} {one.what}" for word in asked)]
    tell((f"{folder}: cannot be entered" for folder in closed_folders(output_dir)), err=True)
    if json:
        echo(json_format.dumps([*entries, *(one.to_dict() for one in others)], indent=2))
        return
    width = table_width()
    rows, dropped = narrowed(table(entries), width, LEAST, folds="differs")
    lines = [] if others and not entries else [*aligned(rows, width)]
    if others:
        lines += [*([""] if lines else []), *kept_table(others, width)]
    for line in lines:
        echo(line)
    if not (entries or others):
        tell([f"nothing in {output_dir} has {' and '.join(asked)}" if asked else none_yet(output_dir)], err=True)
    elif entries and dropped:
        tell([f"left out, as {width} columns have no room for them: {', '.join(dropped)}; --json has all"], err=True)
    tell((broken["reason"] for broken in entries if broken["status"] == "unreadable"), err=True)
    tell((one.problem for one in others if one.problem), err=True)


@examples("show gumbel", "show compare-1a2b3c4d")
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The name of a run, a comparison, a reproduction, an audit or toys, or its beginning.",
            autocompletion=shown_names,
        ),
    ],
    output_dir: OutputDirOption = OUTPUT_DIR,
    json: JsonOption = False,
) -> None:
    """Show one run, or a comparison, a reproduction, an audit or toys again.

    Of a run: its settings, progress and results, and what it was made with.
    """
    from vaecli.reports.health import findings
    from vaecli.reports.kept import find_kept, kept_lines
    from vaecli.reports.run.listing import show_lines
    from vaecli.runs import find_run
    from vaecli.runs.added import kept_quality, usable_evaluations, usable_priors

    if (kept := find_kept(run, output_dir)) is not None:
        if json:
            echo(json_format.dumps(kept.to_json(), indent=2))
        else:
            for line in kept_lines(kept, table_width()):
                echo(line)
        return
    found = find_run(run, output_dir)
    if json:
        whole: dict[str, Any] = {"run": found.name, "status": found.status, **found.info}
        whole |= {"config": found.config.to_dict(), "summary": found.summary if found.finished else None}
        whole |= {"evaluations": usable_evaluations(found), "priors": usable_priors(found)}
        whole |= {"quality": kept_quality(found), "metrics": found.metrics}
        whole["health"] = [finding._asdict() for finding in findings(found)]
        echo(json_format.dumps(whole, indent=2))
        return
    tell(show_lines(found, table_width()))


@examples("diff gumbel vqvae", "diff gumbel vqvae --json")
def diff(
    one: RunArgument, two: RunArgument, output_dir: OutputDirOption = OUTPUT_DIR, json: JsonOption = False
) -> None:
    """Show where two runs differ, and by how much.

    Compares config, environment and figures.
    """
    from vaecli.reports.run.listing import difference_lines, differences
    from vaecli.runs import find_run

    runs = [find_run(name, output_dir) for name in (one, two)]
    found = differences(*runs)
    if json:
        echo(json_format.dumps(found, indent=2))
        return
    tell(f"{which}  {run.name}" for which, run in zip(("one", "two"), runs, strict=True))
    for line in difference_lines(found, table_width()):
        echo(line)
