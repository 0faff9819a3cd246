"""`vaecli doctor`."""

import json as json_format
from typing import Annotated

import typer

from vaecli.cli.command import examples
from vaecli.cli.echo import echo, text_columns
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption
from vaecli.errors import RunError


@examples("doctor", "doctor --tensorflow")
def doctor(
    tensorflow: Annotated[
        bool, typer.Option("--tensorflow", help="Import TensorFlow, which takes seconds, and ask it for GPUs.")
    ] = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a training would find on this machine.

    Shows versions, processors and what a container allows of them, memory, where data are looked for and which are
    there, and whether files can be written. Exit codes: 0, even where something is not there, and 2 if no run can be
    written.
    """
    from vaecli.experiment.doctor import examination, lines
    from vaecli.reports.columns import beside

    found = examination(output_dir, data_dir, tensorflow=tensorflow)
    if json:
        echo(json_format.dumps(found, indent=2))
    else:
        for line in beside(list(lines(found)), text_columns()):
            echo(line)
    if not found["places"]["runs"]["writable"]:
        raise RunError(f"{output_dir}: cannot be written ({found['places']['runs']['reason']}); see --output-dir")
