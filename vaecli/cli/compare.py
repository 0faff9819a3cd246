"""`vaecli compare`."""

import json as json_format
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vaecli.cli.board import Board
from vaecli.cli.complete import config_and_run_names
from vaecli.cli.console import Console, echo
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, OutputDirOption, QuietOption, SetOption
from vaecli.cli.signals import Stop
from vaecli.errors import SOME_FAILED, ConfigError, RunError, RunFailed

if TYPE_CHECKING:
    from vaecli.reports.comparison.groups import Group

ARTICLE = ("vae", "categorical", "gumbel", "straight_through", "vqvae")


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    md = "md"


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG|RUN|FOLDER]...",
            help="Configs to train where that is missing, runs, and folders of runs; else the five of the article.",
            autocompletion=config_and_run_names,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every method there is.")] = False,
    seeds: Annotated[
        str | None, typer.Option(help="How many, or which: 5 means 0 to 4; 0,3,7 means these. Else seed 0.")
    ] = None,
    set_: SetOption = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", metavar="KEY.PATH=V1,V2", help="Each of these values; several sweeps multiply."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set training.epochs=N.")] = None,
    no_train: Annotated[bool, typer.Option("--no-train", help="Compare what is finished, and leave the rest.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Runs side by side, a thread each; else as many as cores and memory allow."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|FILE", help="Train on the workers of this dask scheduler, e.g. tcp://host:8786."),
    ] = None,
    sort_by: Annotated[str, typer.Option("--sort-by", help="A column, best first; or method.")] = "mse sampled",
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for table, figures and page; else one of the output folder."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Of the table.")] = Format.table,
    quiet: QuietOption = False,
) -> None:
    """Train what is missing and compare.

    Every method at every seed: finished runs are reused, half done ones resumed. The table goes to stdout, all else to
    stderr; table, figures and a page are kept in a folder of the output folder. Exit codes: 0 done, 2 a mistake in what
    was asked, 3 some runs failed, 130 and 143 interrupted and saved.
    """
    with Console(quiet=quiet) as console, Stop() as stop:
        from vaecli.launch.asked import absent_of, ask, plan_lines
        from vaecli.launch.drive import train_missing
        from vaecli.launch.forecast import side_by_side, speeds
        from vaecli.registry import METHODS
        from vaecli.reports.comparison.groups import compared, sort_key, unseen
        from vaecli.reports.comparison.page import report_folder, write_report
        from vaecli.runs import all_runs
        from vaecli.runs.absent import remarks, whole_runs

        column = sort_key(sort_by)
        settings = [*(set_ or []), *([] if epochs is None else [f"training.epochs={epochs}"])]
        asked = ask(
            names or (list(METHODS) if all_ else list(ARTICLE)),
            settings=settings,
            sweeps=sweep or [],
            seeds=None if seeds is None else _seeds(seeds),
            output_dir=output_dir,
            data_dir=data_dir,
            fetching=None if no_train or dry_run else console.fetching,
            training=not no_train,
        )
        pace = speeds(all_runs(output_dir))
        jobs, limited = (jobs, None) if jobs else side_by_side(asked.plans)
        console.lines(plan_lines(asked, pace, jobs))
        if limited and not scheduler:
            console.say(limited)
        if dry_run:
            return
        failures = dict(asked.problems)
        if not no_train:
            with Board(console) as board:
                failures |= train_missing(
                    asked.plans,
                    asked.data,
                    board,
                    output_dir=output_dir,
                    jobs=jobs,
                    scheduler=scheduler,
                    argv=sys.argv,
                    speeds=pace,
                    stop=stop,
                    idle=_load_report,
                )
        stop.at_once("stopped before the report; the same command writes it")
        finished, damaged = whole_runs(asked.runs)
        failures |= damaged
        absent = absent_of(asked, failures)
        if not finished and not failures:
            raise RunError("none of these runs is finished, so there is nothing to compare")
        groups = compared(finished, column, absent)
        console.lines(remarks(finished))
        console.lines(f"not in the table: {name}: {why}" for name, why in unseen(groups, absent).items())
        _print(groups, failures, format_, told=console.on_terminal and not damaged)
        if finished:
            folder = output or report_folder(output_dir, [run.name for run in asked.runs])
            try:
                console.lines(write_report(groups, failures, folder).lines)
            except RunFailed as error:  # a folder that may only be read: the table is there all the same
                console.say(f"{error}; --output names a folder for table, figures and page")
            else:
                console.say(f"{folder}/report.html")
    if failures:
        raise typer.Exit(SOME_FAILED)


def _load_report() -> None:
    """What the report needs, while there is nothing else to do."""


def _print(groups: "list[Group]", failures: dict[str, str], format_: Format, *, told: bool) -> None:
    """Prints the table; on a terminal without the failures, if each was told there when it came."""
    from vaecli.reports.comparison.groups import csv_text, records
    from vaecli.reports.comparison.table import markdown_lines, rich_tables, table_lines

    match format_:
        case Format.table if sys.stdout.isatty():
            from rich.console import Console as RichConsole

            terminal = RichConsole()
            for part in rich_tables(groups, {} if told else failures, terminal.width):
                terminal.print(part)
        case Format.table:
            echo("\n".join(table_lines(groups, failures)))
        case Format.md:
            echo("\n".join(markdown_lines(groups, failures)))
        case Format.csv:
            echo(csv_text(groups, failures).rstrip("\n"))
        case Format.json:
            echo(json_format.dumps(records(groups, failures), indent=2))


def _seeds(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or (len(numbers) == 1 and numbers[0] == 0 and "," not in text):
        raise ConfigError([f"--seeds {text}: a number of seeds such as 5, or a list such as 0,3,7"])
    return list(range(numbers[0])) if "," not in text else list(dict.fromkeys(numbers))
