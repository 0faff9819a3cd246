"""`vaecli compare`."""

import json as json_format
import sys
from enum import StrEnum
from typing import Annotated

import typer

from vaecli.cli.console import Console
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, OutputDirOption, QuietOption, SetOption
from vaecli.cli.signals import Stop
from vaecli.errors import SOME_FAILED

ARTICLE = ("vae", "categorical", "gumbel", "straight_through", "vqvae")


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    md = "md"


def compare(
    configs: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG]...", help="Configs; else the five of the article.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every method there is.")] = False,
    seeds: Annotated[str, typer.Option(help="How many, or which: 5 means 0 to 4; 0,3,7 means these.")] = "1",
    set_: SetOption = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set training.epochs=N.")] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Of the table.")] = Format.table,
    quiet: QuietOption = False,
) -> None:
    """Train what is missing and compare.

    Every method at every seed: finished runs are reused, half done ones resumed. The table goes to stdout, all else to
    stderr. Exit codes: 0 done, 2 a mistake in what was asked, 3 some runs failed, 130 and 143 interrupted and saved.
    """
    with Console(quiet=quiet) as console, Stop() as stop:
        from vaecli import launch
        from vaecli.backend import prepare
        from vaecli.reports.comparison import compared, csv_text, markdown_lines, records, table_lines

        names = configs or (launch.all_methods() if all_ else list(ARTICLE))
        settings = [*(set_ or []), *([] if epochs is None else [f"training.epochs={epochs}"])]
        asked = launch.configs_of(names, settings, _seeds(seeds))
        plans = launch.plans_of(asked, output_dir, data_dir, console.fetching)
        for plan in plans:
            state = plan.run.status if plan.run.exists else "missing"
            console.say(f"{state:<12} {plan.run.name}")
        if dry_run:
            return
        prepare()
        failures = launch.train_missing(plans, console, argv=sys.argv, stop=stop)
        groups = compared([plan.run for plan in plans if plan.run.finished])
        match format_:
            case Format.table:
                lines = table_lines(groups)
            case Format.md:
                lines = markdown_lines(groups)
            case Format.csv:
                lines = iter(csv_text(groups).splitlines())
            case Format.json:
                lines = iter([json_format.dumps(records(groups), indent=2)])
        for line in lines:
            typer.echo(line)
        for name, reason in failures.items():
            typer.echo(f"failed: {name}: {reason.splitlines()[-1]}", err=True)
    if failures:
        raise typer.Exit(SOME_FAILED)


def _seeds(text: str) -> list[int]:
    from vaecli.errors import ConfigError

    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or (len(numbers) == 1 and numbers[0] == 0 and "," not in text):
        raise ConfigError([f"--seeds {text}: a number of seeds such as 5, or a list such as 0,3,7"])
    return list(range(numbers[0])) if "," not in text else list(dict.fromkeys(numbers))
