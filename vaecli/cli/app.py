"""The command `vaecli` and how its errors end: a user's mistake is one line and an exit code."""

import contextlib
import io
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from vaecli import __version__
from vaecli.cli import (
    apply,
    audit,
    compare,
    configs,
    data,
    doctor,
    evaluate,
    explain,
    export,
    methods,
    plot,
    prior,
    prune,
    quality,
    reproduce,
    runs,
    sample,
    toy,
    train,
    verify,
)
from vaecli.cli.command import Command, Group, examples
from vaecli.cli.echo import tell
from vaecli.errors import RunFailed, VaecliError


class Commands(Group):
    """Prints the lines of a VaecliError, whichever command raised it."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except VaecliError as error:
            failure = error
        except FileNotFoundError:
            if _working_folder_exists():
                raise
            failure = RunFailed("the working directory has been removed; change to one that exists")
        tell(failure.lines, err=True)
        sys.exit(failure.exit_code)


app = typer.Typer(
    cls=Commands,
    help="Train, compare and understand autoencoders with a discrete latent.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(train.train)
app.command(cls=Command)(compare.compare)
app.command(cls=Command)(reproduce.reproduce)
app.command(cls=Command)(plot.plot)
app.command(cls=Command)(evaluate.evaluate)
app.command(cls=Command)(prior.prior)
app.command(cls=Command)(sample.sample)
app.command(cls=Command)(quality.quality)
app.command(cls=Command)(audit.audit)
app.command(cls=Command)(toy.toy)
app.command(cls=Command)(apply.encode)
app.command(cls=Command)(apply.decode)
app.command(cls=Command)(apply.reconstruct)
app.command(cls=Command)(export.export)
app.command("list", cls=Command)(runs.list_runs)
app.command(cls=Command)(runs.show)
app.command(cls=Command)(runs.diff)
app.command(cls=Command)(verify.verify)
app.command(cls=Command)(prune.prune)
app.command(cls=Command)(methods.methods)
app.command(cls=Command)(explain.explain)
app.command(cls=Command)(configs.check)
app.command(cls=Command)(configs.init)
app.command(cls=Command)(configs.schema)
app.command(cls=Command)(doctor.doctor)
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
@examples("train gumbel", "compare --all --seeds 5")
def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # its callback has answered


def main() -> None:
    """The entry point of the command."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # started with it closed: the next file would take its place
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
            os.dup2(getattr(sys, name).fileno(), descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # of an encoding without the signs of a table
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
