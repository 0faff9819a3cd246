"""`vaecli sample`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.echo import echo
from vaecli.cli.options import (
    OUTPUT_DIR,
    DataDirOption,
    FinishedRunArgument,
    ForceOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
)
from vaecli.cli.prior import Kind


class Source(StrEnum):
    prior = "prior"
    fitted = "fitted"


def sample(
    run: FinishedRunArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The npz to write, or a figure: png, svg, pdf.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many images.")] = 64,
    temperature: Annotated[
        float,
        typer.Option(help="T of p^(1/T) at each code; 0 draws the most probable codes, less than 1 likelier ones."),
    ] = 1.0,
    label: Annotated[int | None, typer.Option(help="Images of this label, from a conditional prior.")] = None,
    prior: Annotated[
        Kind | None, typer.Option(help="Which prior of several. [default: the one that gives the shortest codes]")
    ] = None,
    source: Annotated[
        Source,
        typer.Option("--from", help="Of a vae: its prior N(0, 1), or a Gaussian fitted to the test images' encodings."),
    ] = Source.prior,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed of the draws.")] = 0,
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw new images by a finished run.

    Draws codes from a prior that `vaecli prior` fitted, of a vae vectors, and decodes them. Without a prior each code
    is drawn by itself, as often as the training images have it.
    """
    written = api.sample(
        run,
        output=output,
        count=count,
        temperature=temperature,
        label=label,
        prior=prior,
        source=source,
        seed=seed,
        force=force,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))
