"""`vaecli export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo
from vaecli.cli.options import (
    OUTPUT_DIR,
    FinishedRunArgument,
    ForceOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
    WeightsOption,
    choices,
)


class Part(StrEnum):
    whole = "whole"
    encoder = "encoder"
    decoder = "decoder"
    prior = "prior"
    prior_by_label = "prior-by-label"


class Format(StrEnum):
    keras = "keras"
    savedmodel = "savedmodel"
    onnx = "onnx"


@examples("export gumbel --output gumbel.keras", "export vqvae --part encoder --format onnx --output encoder.onnx")
def export(
    run: FinishedRunArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; of a SavedModel, the folder.")
    ],
    part: Annotated[
        Part,
        typer.Option(
            metavar=choices(Part),
            help="Images to images, images to codes, codes to images, or codes to log p under an autoregressive prior.",
        ),
    ] = Part.whole,
    weights: WeightsOption = "last",
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            metavar=choices(Format),
            help="For Keras, TensorFlow or ONNX (pip install 'vaecli[onnx]').",
        ),
    ] = Format.keras,
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write a run's model, or its encoder or decoder, for programs without vaecli.

    It computes the most probable codes, of images in [0, 1]. The decoder takes what the encoder gives.
    """
    written = api.export(
        run,
        output=output,
        part=part.value,
        weights=weights,
        format=format_.value,
        force=force,
        output_dir=output_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))
