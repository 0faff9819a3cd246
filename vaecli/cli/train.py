"""`vaecli train`."""

import json as json_format
from typing import Annotated, Any

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo
from vaecli.cli.options import (
    OUTPUT_DIR,
    ConfigArgument,
    ConfigOption,
    DataDirOption,
    JsonOption,
    OutputDirOption,
    QuietOption,
    SetOption,
    ThreadsOption,
)
from vaecli.errors import ConfigError


@examples("train gumbel", "train gumbel --set model.temperature=0.5 --epochs 20")
def train(
    config: ConfigArgument = None,
    named: ConfigOption = None,
    set_: SetOption = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Short for --set training.epochs=N.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Short for --set training.seed=N.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Short for --set training.batch_size=N.")] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin again, discarding the contents of the run's folder.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; train, fetch and write nothing.")] = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train one model, or resume it.

    The same command resumes an interrupted run and shows a finished one.

    Prints the run's folder (with --json its summary) to stdout, everything else to stderr. Exit codes: 0 done,
    1 failed, 2 a mistake in the request, 4 diverged, 130 and 143 interrupted and saved.
    """
    asked = _one(config, named)
    keys: dict[str, Any] = {"set": set_ or (), "epochs": epochs, "seed": seed, "batch_size": batch_size}
    if dry_run:
        from vaecli.cli.plan import print_plan

        print_plan(asked, keys, output_dir, data_dir, threads, quiet=quiet)
        return
    run = api.train(
        asked,
        **keys,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        fresh=fresh,
        quiet=quiet,
    )
    echo(json_format.dumps(run.summary, indent=2) if json else str(run.path))


def _one(config: str | None, named: str | None) -> str:
    """The config that is named once; raises ConfigError for none and for two."""
    if config is not None and named is not None:
        raise ConfigError([f"{config} --config {named}: name one config, in one of the two ways"])
    one = config if named is None else named
    if one is None:
        raise ConfigError(["name a config, such as `vaecli train gumbel`; `vaecli methods` lists the methods"])
    return one
