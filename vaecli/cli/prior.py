"""`vaecli prior`."""

import json as json_format
from enum import StrEnum
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
    choices,
)


class Kind(StrEnum):
    independent = "independent"
    autoregressive = "autoregressive"


@examples("prior gumbel", "prior gumbel --kind independent --conditional")
def prior(
    run: FinishedRunArgument,
    kind: Annotated[
        Kind | None,
        typer.Option(
            metavar=choices(Kind),
            help="How often each code has each value, or a transformer that predicts each code from those before it. "
            "[default: autoregressive where an image has several codes]",
        ),
    ] = None,
    conditional: Annotated[bool, typer.Option("--conditional", help="Fit one prior for each label.")] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Epochs of an autoregressive prior at most. [default: some minutes' worth]"
        ),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Fit a prior over the codes of a finished run.

    It is fitted to the most probable codes of the training images; a twelfth of them, held out, says when an
    autoregressive one is done. The code length is what the test images' codes cost under it, in bits per image. All of
    it is kept in the run's folder, where show, list and compare read it; the same command shows it again.
    """
    found = api.prior(
        run,
        kind=kind,
        conditional=conditional,
        epochs=epochs,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        quiet=quiet,
    )
    if json:
        echo(json_format.dumps(found.to_dict(), indent=2))
    else:
        tell(str(found).splitlines())
