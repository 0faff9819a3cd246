"""The command `vaecli` and how its errors end: a user's mistake is one line and an exit code."""

import contextlib
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vaecli import __version__
from vaecli.cli import (
    apply,
    audit,
    compare,
    configs,
    data,
    evaluate,
    export,
    methods,
    plot,
    prior,
    reproduce,
    runs,
    sample,
    train,
    verify,
)
from vaecli.errors import RunFailed, VaecliError


class Commands(TyperGroup):
    """Prints the lines of a VaecliError, whichever command raised it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except VaecliError as error:
            failure = error
        except FileNotFoundError:
            if _working_folder_exists():
                raise
            failure = RunFailed("the working directory has been removed; change to one that exists")
        for line in failure.lines:
            typer.echo(line, err=True)
        raise typer.Exit(failure.exit_code) from None


app = typer.Typer(
    cls=Commands,
    help="Train, compare and understand autoencoders with a discrete latent.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train.train)
app.command()(compare.compare)
app.command()(reproduce.reproduce)
app.command()(plot.plot)
app.command()(evaluate.evaluate)
app.command()(prior.prior)
app.command()(sample.sample)
app.command()(audit.audit)
app.command()(apply.encode)
app.command()(apply.decode)
app.command()(apply.reconstruct)
app.command()(export.export)
app.command("list")(runs.list_runs)
app.command()(runs.show)
app.command()(runs.diff)
app.command()(verify.verify)
app.command()(methods.methods)
app.command()(configs.check)
app.command()(configs.init)
app.add_typer(data.app, name="data")


def _working_folder_exists() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vaecli {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # its callback has answered


def main() -> None:
    """The entry point of the command."""
    if sys.stderr is None:  # started with it closed
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        os.dup2(sys.stderr.fileno(), 2)
    warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")  # joblib is not used here
    try:
        app(prog_name="vaecli")
    except SystemExit as end:
        if isinstance(end.code, int) and ("tensorflow" in sys.modules or end.code > 128):
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(end.code)  # all files are closed; TensorFlow takes 0.6 s to shut down, threads may take more
        raise
