"""`vaecli encode`, `vaecli decode` and `vaecli reconstruct`."""

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
    WeightsOption,
)

ImagesArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGES",
        help="An npz with an array images, x_test or x_train (the first of them is read, else MedMNIST's test_images "
        "or train_images, or numpy's arr_0), or an npy; or test, validation or train, a split of the run's own data.",
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The npz to write.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, max=2**31 - 1, help="Draw a sample with this seed. [default: the most probable codes]"
    ),
]


@examples("encode gumbel test --output codes.npz", "encode vqvae photos.npz --output codes.npz --weights best")
def encode(
    run: FinishedRunArgument,
    images: ImagesArgument,
    output: OutputOption,
    seed: SeedOption = None,
    weights: WeightsOption = "last",
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the codes of images.

    The npz holds codes, integers [N, L], or [N, H', W', L] of a grid; for a Gaussian latents, numbers. rate is the rate
    of each image in nats; run, weights and weights_sha256 say what made it.
    """
    written = api.encode(
        run,
        images,
        output=output,
        seed=seed,
        weights=weights,
        force=force,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))


@examples("decode gumbel codes.npz --output images.npz", "decode gumbel codes.npz --output images.npz --force")
def decode(
    run: FinishedRunArgument,
    codes: Annotated[
        Path,
        typer.Argument(
            metavar="CODES", help="An npz that encode wrote, or any with such an array codes (or latents), or an npy."
        ),
    ],
    output: OutputOption,
    weights: WeightsOption = "last",
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the images of codes.

    The npz holds images, floats [N, H, W] or [N, H, W, C]. Codes of other weights are decoded, and a line says so.
    """
    written = api.decode(
        run,
        codes,
        output=output,
        weights=weights,
        force=force,
        output_dir=output_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))


@examples("reconstruct gumbel test --output images.npz", "reconstruct gumbel photos.npz --output images.npz --seed 0")
def reconstruct(
    run: FinishedRunArgument,
    images: ImagesArgument,
    output: OutputOption,
    seed: SeedOption = None,
    weights: WeightsOption = "last",
    force: ForceOption = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the reconstructions of images: what decode makes of encode, bit for bit."""
    written = api.reconstruct(
        run,
        images,
        output=output,
        seed=seed,
        weights=weights,
        force=force,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    echo(str(written))
