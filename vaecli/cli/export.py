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


class Tracker(StrEnum):
    tensorboard = "tensorboard"
    trackio = "trackio"
    csv = "csv"


@examples(
    "export vqvae --part encoder --format onnx --output encoder.onnx",
    "export gumbel --metrics-to tensorboard --output logs",
)
def export(
    run: FinishedRunArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write; of a SavedModel and of TensorBoard, the folder."
        ),
    ] = None,
    part: Annotated[
        Part | None,
        typer.Option(
            metavar=choices(Part),
            help="Images to images, images to codes, codes to images, or codes to log p under an autoregressive "
            "prior. [default: whole]",
        ),
    ] = None,
    weights: WeightsOption = "last",
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar=choices(Format),
            help="For Keras, TensorFlow or ONNX (pip install 'vaecli[onnx]'). [default: keras]",
        ),
    ] = None,
    metrics_to: Annotated[
        Tracker | None,
        typer.Option(
            "--metrics-to",
            metavar=choices(Tracker),
            help="Write the rows of metrics.csv for this program, in place of the model.",
        ),
    ] = None,
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write a run's model, its encoder or decoder, or its metrics, for programs without vaecli.

    A model computes the most probable codes, of images in [0, 1]. The decoder takes what the encoder gives.
    """
    written = api.export(
        run,
        output=output,
        part=part and part.value,
        weights=weights,
        format=format_ and format_.value,
        metrics_to=metrics_to and metrics_to.value,
        force=force,
        output_dir=output_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))
