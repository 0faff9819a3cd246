"""`vaecli sample`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo
from vaecli.cli.options import (
    OUTPUT_DIR,
    DataDirOption,
    FinishedRunArgument,
    ForceOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
    choices,
)
from vaecli.cli.prior import Kind


class Source(StrEnum):
    prior = "prior"
    fitted = "fitted"


Show = StrEnum("Show", api.SHOWN)  # type: ignore[misc]
SAMPLES = Show("samples")


@examples("sample gumbel --output samples.png", "sample vqvae --output new.npz --count 1000 --temperature 0.8")
def sample(
    run: FinishedRunArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The npz to write, or a figure: png, svg, pdf.")
    ],
    show: Annotated[
        Show,
        typer.Option(
            metavar=choices(Show),
            help="Samples; each beside its nearest training image; a line for each label; a test image with one code "
            "changed at a time; or the way from one test image to another, code by code.",
        ),
    ] = SAMPLES,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            metavar="N",
            min=1,
            help="How many images; of labels, of each; of a traversal, lines; of an interpolation, steps. [default: "
            "64; 32 with nearest; 10; 10; 9]",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="I,J",
            help="Which test images, counted from 0, a traversal changes, or an interpolation leads from and to. "
            "[default: 0; 0,1]",
        ),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            metavar="T", help="T of p^(1/T) at each code; 0 draws the most probable codes, less than 1 likelier ones."
        ),
    ] = 1.0,
    label: Annotated[
        int | None, typer.Option(metavar="N", help="Images of this label, from a conditional prior.")
    ] = None,
    prior: Annotated[
        Kind | None,
        typer.Option(
            metavar=choices(Kind), help="Which prior of several. [default: the one that gives the shortest codes]"
        ),
    ] = None,
    source: Annotated[
        Source,
        typer.Option(
            "--from",
            metavar=choices(Source),
            help="Of a vae: its prior N(0, 1), or a Gaussian fitted to the test images' encodings.",
        ),
    ] = Source.prior,
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=2**31 - 1, help="The seed of the draws.")] = 0,
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw new images by a finished run.

    Draws codes from a prior that `vaecli prior` fitted, of a vae vectors, and decodes them. Without a prior each code
    is drawn by itself, as often as the training images have it. A traversal and an interpolation begin with test images
    and draw nothing.
    """
    written = api.sample(
        run,
        output=output,
        show=show.value,
        count=count,
        images=() if images is None else images,
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
