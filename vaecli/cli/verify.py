"""`vaecli verify`."""

import json as json_format
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.echo import echo, tell
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, FinishedRunArgument, JsonOption, OutputDirOption
from vaecli.errors import FAILED


@examples("verify gumbel", "verify gumbel --files")
def verify(
    run: FinishedRunArgument,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    files_only: Annotated[bool, typer.Option("--files", help="Check only the files and train nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Prove that a run repeats bit for bit on this machine.

    Reads its files again and compares them with the recorded digests; then trains a short copy of it without
    interruption and another one that is killed and resumed, in a temporary folder, and compares every number.
    Exit codes: 0 all is equal, 1 something differs, 2 a mistake in the request.
    """
    told = (lambda line: None) if json else lambda line: tell([line])
    found = api.verify(run, output_dir=output_dir, data_dir=data_dir, files_only=files_only, told=told)
    if json:
        echo(json_format.dumps(found.to_dict(), indent=2))
    if not found.verified:
        raise typer.Exit(FAILED)
