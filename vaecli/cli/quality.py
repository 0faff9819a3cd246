"""`vaecli quality`."""

import json as json_format
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo, table_width, tell
from vaecli.cli.options import (
    OUTPUT_DIR,
    DataDirOption,
    FinishedRunArgument,
    JsonOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
)


@examples("quality gumbel", "quality vqvae --count 5000 --json")
def quality(
    run: FinishedRunArgument,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            metavar="N",
            min=1,
            help="How many images of each source, and test images. [default: 1000, or half of the test images]",
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Measure how alike the images that a finished run draws are to test images.

    A small classifier of the training images, trained once for all runs on the data, gives features and labels: of
    samples from every prior that the run has, and of reconstructions, it measures precision, recall, density and
    coverage (arXiv 2002.09797), the share recognised as its label, the labels' entropy, and how often they are nearer
    to a training image than test images are. The result is kept in quality.json of the run's folder, where show and
    compare read it; the same command shows it again.
    """
    found = api.quality(
        run,
        count=count,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    if json:
        echo(json_format.dumps(found.to_dict(), indent=2))
    else:
        tell(found.lines(table_width()))
