"""`vaecli plot`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.api import GUMBEL_MAX
from vaecli.cli.command import examples
from vaecli.cli.complete import run_names
from vaecli.cli.echo import echo
from vaecli.cli.options import OUTPUT_DIR, OutputDirOption, choices


class Format(StrEnum):
    png = "png"
    svg = "svg"
    pdf = "pdf"


@examples("plot", "plot gumbel --format pdf --output figures")
def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help=f"Runs by name, beginning of a name, or path; or {GUMBEL_MAX} for the figure of that trick. "
            "[default: the newest finished run]",
            autocompletion=run_names,
        ),
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", metavar=choices(Format), help="Format of the figure files.")
    ] = Format.png,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the figures. [default: each run's own figures/]"
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
) -> None:
    """Draw the figures of finished runs.

    Draws reconstructions, loss curves, what each code draws, and code use against the labels, and prints the files
    written. With --output, several runs get one folder each. A figure that cannot be drawn is reported and the others
    are drawn; the exit code is then 1.
    """
    api.plot(
        *(runs or ()),
        format=format_.value,
        output=output,
        output_dir=output_dir,
        drawn=lambda path: echo(str(path)),
    )
