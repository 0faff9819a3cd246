"""`vaecli compare`."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.complete import compared_columns, config_and_run_names
from vaecli.cli.echo import table_width
from vaecli.cli.formats import Format, FormatOption, print_as
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, OutputDirOption, QuietOption, SetOption, choices
from vaecli.cli.prior import Kind
from vaecli.errors import SOME_FAILED, ConfigError
from vaecli.registry import BUILT_IN
from vaecli.screen import takes_escapes


class Spread(StrEnum):
    interval = "interval"
    std = "std"


WHOLE = (Format.csv, Format.json)  # have every column, and intervals beside means


Family = StrEnum("Family", api.FAMILIES)  # type: ignore[misc]
BUT = ", ".join(name for name, method in BUILT_IN.items() if method.estimator and not method.in_all)


@examples("compare gumbel vqvae --set data.name=digits --epochs 2", "compare --all --seeds 5")
def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG|RUN|FOLDER",
            help="Configs (trained if needed), runs, or folders of runs. [default: the article's five methods]",
            autocompletion=config_and_run_names,
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help=f"Compare every gradient estimator but {BUT}, vae and vqvae.")
    ] = False,
    family: Annotated[
        Family | None,
        typer.Option(
            metavar=choices(Family),
            help="Compare these: gradient estimators, or quantizers of as many bits in each cell of a grid.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N|N,N,...",
            help="Number of seeds, or a list: 5 means 0 to 4; 0,3,7 means these. [default: each config's]",
        ),
    ] = None,
    set_: SetOption = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", metavar="KEY.PATH=V1,V2", help="Try each of these values; several sweeps multiply."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Short for --set training.epochs=N.")] = None,
    code_prior: Annotated[
        Kind | None,
        typer.Option(
            metavar=choices(Kind),
            help="Fit this prior over the codes of each run that is trained too, and compare code lengths.",
        ),
    ] = None,
    no_train: Annotated[bool, typer.Option("--no-train", help="Compare the finished runs and train nothing.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Runs to train side by side, one thread each. [default: as many as cores and memory allow]",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|FILE", help="Train on the workers of this dask scheduler, e.g. tcp://host:8786."),
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            "--sort-by",
            metavar="COLUMN",
            autocompletion=compared_columns,
            help="Column to sort by, best first; or method. [default: -elbo or mse sampled]",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,COLUMN",
            autocompletion=compared_columns,
            help="Columns of the table, in this order. [default: all that have a value]",
        ),
    ] = None,
    spread: Annotated[
        Spread,
        typer.Option(
            metavar=choices(Spread),
            help="What follows ±: the 95 % interval of the mean, or the standard deviation over seeds.",
        ),
    ] = Spread.interval,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for table, figures and page. [default: a folder inside the output folder]",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    format_: FormatOption = Format.table,
    quiet: QuietOption = False,
) -> None:
    """Train what is missing and compare.

    Compares every method at every seed: finished runs are reused, unfinished ones resumed. The table goes to stdout,
    everything else to stderr; table, figures and a page are kept in a folder inside the output folder. Exit codes: 0
    done, 2 a mistake in the request, 3 some runs failed, 130 and 143 interrupted and saved.
    """
    for option, given in (("--columns", columns), ("--spread", spread is not Spread.interval)):
        if given and format_ in WHOLE:
            raise ConfigError(
                [f"{option}: has no effect with --format {format_.value}, which has every column and number"]
            )
    found = api.compare(
        *(names or ()),
        all=all_,
        family=family,
        seeds=seeds,
        set=set_ or (),
        sweep=sweep or (),
        epochs=epochs,
        code_prior=code_prior,
        no_train=no_train,
        jobs=jobs,
        scheduler=scheduler,
        sort_by=sort_by,
        columns=() if columns is None else columns,
        spread=spread.value,
        output_dir=output_dir,
        data_dir=data_dir,
        output=output,
        dry_run=dry_run,
        quiet=quiet,
        shown=partial(_print, format_),
    )
    if found.failures:
        raise typer.Exit(SOME_FAILED)


def _print(format_: Format, found: api.Comparison, told: bool) -> None:
    """Prints the table; without the failures if a terminal has already shown each of them."""
    from vaecli.reports.comparison.table import ALL, rich_tables, table_lines

    failures, selection = {} if told else found.failures, found.selection or ALL
    if format_ is Format.table and takes_escapes(sys.stdout):
        from rich.console import Console

        terminal = Console(width=table_width())
        for part in rich_tables(found.groups, failures, terminal.width, selection):
            terminal.print(part)
    else:
        print_as(format_, found, table_lines(found.groups, failures, table_width(), selection))
