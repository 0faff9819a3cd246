"""`vaecli evaluate`."""

import json as json_format
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo, tell
from vaecli.cli.options import (
    OUTPUT_DIR,
    DataDirOption,
    FinishedRunArgument,
    JsonOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
)


@examples("evaluate gumbel", "evaluate gumbel --bound-samples 5000 --split validation")
def evaluate(
    run: FinishedRunArgument,
    bound_samples: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="m: draws of q(z|x) per image for the bound. [default: 1000; none where q is a point]"
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="test|validation|train", help="The images: test, validation or train.")
    ] = "test",
    weights: Annotated[
        str, typer.Option(metavar="last|best", help="The weights: last, or best on the validation split.")
    ] = "last",
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Bound log p(x) of a finished run, or compute it.

    Measures the importance-weighted bound of m samples (arXiv 1509.00519). Where an image has at most 16,384 possible
    codes, it also sums log p(x) over all of them, which gives the gap KL(q(z|x) || p(z|x)). The result is kept in
    evaluation.json of the run's folder, where show and compare read it; the same command shows it again.
    """
    found = api.evaluate(
        run,
        bound_samples=bound_samples,
        split=split,
        weights=weights,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    if json:
        echo(json_format.dumps(found.to_dict(), indent=2))
    else:
        tell(str(found).splitlines())
