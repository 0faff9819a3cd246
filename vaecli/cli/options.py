"""Options that several commands have, each described once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.complete import config_names, run_names, setting_keys
from vaecli.config.arguments import OUTPUT_DIR as OUTPUT_DIR  # the default of every OutputDirOption
from vaecli.config.arguments import OUTPUT_VARIABLE, path_of


def choices(of: type[StrEnum]) -> str:
    """What an option with a choice is shown to take."""
    return "|".join(of)


ConfigArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file (- is standard input), or the name of a file in configs/ or of a shipped preset.",
        show_default=False,
        autocompletion=config_names,
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="CONFIG", help="Another way to name CONFIG.", autocompletion=config_names),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        help="Override a key of the config; may be repeated.",
        autocompletion=setting_keys,
    ),
]
OutputDirOption = Annotated[
    Path,
    typer.Option(
        "--output-dir", metavar="FOLDER", envvar=OUTPUT_VARIABLE, callback=path_of, help="Folder of the run folders."
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        callback=path_of,
        help="Folder of the data sets. [default: $VAECLI_DATA_DIR, then Keras' cache]",
    ),
]
SeedsOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|N,N,...", help="Number of seeds, or a list: 3 means 0 to 2; 0,3,7 means these. [default: seed 0]"
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors and results.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
ThreadsOption = Annotated[int | None, typer.Option(metavar="N", min=1, help="Processor threads to use. [default: all]")]
WeightsOption = Annotated[
    str,
    typer.Option(
        metavar="last|best|EPOCH",
        help="The weights: last, best on the validation split, or a milestone such as epoch-00005.",
    ),
]
FinishedRunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The name of a finished run, or its beginning.", autocompletion=run_names)
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what exists.")]
