"""`vaecli plot`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.api import GUMBEL_MAX
from vaecli.cli.complete import run_names
from vaecli.cli.echo import echo
from vaecli.cli.options import OUTPUT_DIR, OutputDirOption


class Format(StrEnum):
    png = "png"
    svg = "svg"
    pdf = "pdf"


def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help=f"Runs by name, beginning or path, else the newest finished; or {GUMBEL_MAX}: that trick's figure.",
            autocompletion=run_names,
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Of the files.")] = Format.png,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the figures; else each run's own figures/.")
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
) -> None:
    """Draw the figures of finished runs.

    Reconstructions, loss curves, what each code draws, and code use against the labels. Prints the files written.
    Several runs with --output get a folder each. What cannot be drawn is said, and the rest is drawn; exit code 1.
    """
    api.plot(
        *(runs or ()),
        format=format_.value,
        output=output,
        output_dir=output_dir,
        drawn=lambda path: echo(str(path)),
    )
