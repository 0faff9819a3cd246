"""`vaecli data`."""

import json as json_format
from typing import Annotated

import typer

from vaecli.cli.echo import echo
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption, QuietOption
from vaecli.terminal.console import Console

app = typer.Typer(help="Show, fetch and measure data sets.")


@app.callback(invoke_without_command=True)
def table(ctx: typer.Context, data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Data sets: what is available where; fetch them; compute their references."""
    if ctx.invoked_subcommand is not None:
        return
    from vaecli.data.known import KNOWN, folders, locate
    from vaecli.registry import DATASETS
    from vaecli.reports.columns import aligned

    rows = []
    for name, description in DATASETS.items():
        place = None
        if name in KNOWN:
            files = locate(KNOWN[name], data_dir)
            place = str(next(iter(files.values())).parent) if files else None
            state = place or f"not here; `vaecli data fetch {name}`"
        else:
            state = "bundled" if name == "digits" else "set data.path"
        rows.append(
            {"name": name, "available": place is not None or name == "digits", "where": state, "what": description}
        )
    if json:
        echo(json_format.dumps(rows, indent=2))
        return
    for line in aligned([[str(row[key]) for key in ("name", "where", "what")] for row in rows]):
        echo(line)
    echo(f"looked in {', then '.join(map(str, folders(data_dir)))}", err=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="mnist or fashion_mnist")],
    data_dir: DataDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fetch a data set into the first data folder, unless it is there, and check every byte."""
    from vaecli.data.known import KNOWN, locate, read
    from vaecli.data.known import fetch as fetch_known
    from vaecli.errors import DataError
    from vaecli.registry import suggest

    if name not in KNOWN:
        raise DataError(f"unknown data set {name!r}{suggest(name, KNOWN)}")
    known = KNOWN[name]
    with Console(quiet=quiet) as console:
        if locate(known, data_dir) is None:
            fetch_known(known, data_dir, console.fetching)
        files = locate(known, data_dir)
        assert files is not None, "a download that succeeded is found again"
        echo(read(known, files).source)


@app.command()
def references(
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            help="Compute what this config is held against; may be repeated. "
            "Else for every run of the output folder, or for the presets where there is none.",
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compute the mean image's, k-means' and PCA's test errors, once per data set and size, beside the runs."""
    from vaecli.config import preset_folders, read_config
    from vaecli.evaluation.references import compute
    from vaecli.runs import all_runs

    if config:
        configs = [read_config(name) for name in config]
    else:
        configs = [run.config for run in all_runs(output_dir)]
        configs = configs or [read_config(str(file)) for file in sorted(preset_folders()[0].glob("*.yaml"))]
    with Console(quiet=quiet) as console:
        for path in compute(configs, output_dir, data_dir, console.say):
            echo(str(path))
