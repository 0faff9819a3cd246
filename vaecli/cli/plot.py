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


@examples("plot", "plot gumbel --format pdf --width 3.3 --output figures")
def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|COMPARISON",
            help="Runs by name, beginning of a name, or path; folders of comparisons; or "
            f"{GUMBEL_MAX} for the figure of that trick. "
            "[default: the newest finished run]",
            autocompletion=run_names,
        ),
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", metavar=choices(Format), help="Format of the figure files.")
    ] = Format.png,
    figure: Annotated[
        str | None, typer.Option(metavar="NAME", help="Draw this figure alone, such as loss. [default: all]")
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="INCHES",
            help="Width, such as 3.3 for a column of a paper; letters keep their size. [default: a page's text]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the figures. [default: each run's own figures/]"
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
) -> None:
    """Draw the figures of finished runs and comparisons.

    Draws reconstructions, loss curves, what each code draws, and code use against the labels, or those of a comparison,
    and prints the files written; a run's page, report.html, is written again. PDF has embedded TrueType fonts. With
    --output, several runs get one folder each, and no page. A figure that cannot be drawn is reported and the others
    are drawn; the exit code is then 1.
    """
    api.plot(
        *(runs or ()),
        format=format_.value,
        figure=figure,
        width=width,
        output=output,
        output_dir=output_dir,
        drawn=lambda path: echo(str(path)),
    )
