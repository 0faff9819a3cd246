"""`vaecli data`."""

import json as json_format
import os
from typing import Annotated

import typer

from vaecli.cli.command import Command, Group, examples
from vaecli.cli.complete import config_names, fetched_names
from vaecli.cli.echo import echo, table_width, tell
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption, QuietOption
from vaecli.terminal.console import Console

app = typer.Typer(cls=Group, help="Show, fetch and measure data sets.")


@app.callback(invoke_without_command=True)
@examples("data", "data fetch mnist")
def table(ctx: typer.Context, data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Show which data sets are available and where, fetch them, and compute their references."""
    if ctx.invoked_subcommand is not None:
        return
    from vaecli.data.known import folders
    from vaecli.data.source import available_data
    from vaecli.reports.columns import aligned

    rows = available_data(data_dir)
    if json:
        echo(json_format.dumps(rows, indent=2))
        return
    for line in aligned([[str(row[key]) for key in ("name", "where", "what")] for row in rows], table_width()):
        echo(line)
    places = [f"{folder}{'' if os.path.isdir(folder) else ' (no such folder)'}" for folder in folders(data_dir)]
    looked = ", then ".join(places) or "no folder: there is no home, and --data-dir names none"
    tell([f"looked in {looked}"], err=True)


@app.command(cls=Command)
@examples("data fetch mnist", "data fetch cifar10 --data-dir ~/data")
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The data set: mnist, fashion_mnist, kmnist or cifar10.",
            autocompletion=fetched_names,
        ),
    ],
    data_dir: DataDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fetch a data set into the first data folder unless it is there, and check every byte."""
    from vaecli.config.schema import DataConfig
    from vaecli.data.known import KNOWN, NOT_VERIFIED
    from vaecli.data.source import source_of
    from vaecli.errors import DataError, RunFailed
    from vaecli.registry import suggest

    if name not in KNOWN:
        raise DataError(f"unknown data set {name!r}{suggest(name, KNOWN)}")
    source = source_of(DataConfig(name=name))
    with Console(quiet=quiet) as console:
        if not source.here(data_dir):
            source.fetch(data_dir, console.fetching)
        found = source.read(data_dir).source
    if found.endswith(NOT_VERIFIED):
        raise RunFailed(f"{found}: its bytes are not those that are published; move it away, and it is fetched")
    echo(found)


@app.command(cls=Command)
@examples("data references", "data references --config gumbel")
def references(
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="CONFIG",
            autocompletion=config_names,
            help="Compute the references of this config; may be repeated. "
            "[default: all runs of the output folder, or the presets if there are none]",
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compute the test errors of mean image, k-means and PCA, once per data set and size, beside the runs."""
    from vaecli.config import read_config
    from vaecli.evaluation.references import compute
    from vaecli.registry import METHODS
    from vaecli.runs import all_runs

    if config:
        configs = [read_config(name) for name in config]
    else:
        configs = [run.config for run in all_runs(output_dir)]
        configs = configs or [read_config(name) for name in METHODS]
    with Console(quiet=quiet) as console:
        for path in compute(configs, output_dir, data_dir, console.say):
            echo(str(path))
