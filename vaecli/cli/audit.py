"""`vaecli audit`."""

import json as json_format
import shutil
import sys
from enum import StrEnum
from typing import Annotated

import typer

from vaecli import api
from vaecli.api import AUDIT_DRAWS, TOY_DRAWS
from vaecli.cli.complete import config_and_run_names
from vaecli.cli.echo import echo
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption, QuietOption
from vaecli.cli.plot import Format

TEMPERATURES = ",".join(f"{temperature:g}" for temperature in api.TEMPERATURES)


class Objective(StrEnum):
    linear = "linear"
    quadratic = "quadratic"
    cubic = "cubic"
    mlp = "mlp"


def audit(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|CONFIG]",
            help="A run, or a config whose run or first weights are meant; else the newest run with categorical codes.",
            autocompletion=config_and_run_names,
        ),
    ] = None,
    objective: Annotated[
        Objective | None, typer.Option(help="A toy loss of ten codes, without any run: in seconds.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Checkpoints that the run has kept weights of, e.g. 0,1,5,10; else its last.")
    ] = None,
    estimators: Annotated[str | None, typer.Option(help="Names, e.g. gumbel_st,reinmax; else every one.")] = None,
    temperatures: Annotated[str, typer.Option(help="Of the estimators that have one, each of these.")] = TEMPERATURES,
    images: Annotated[
        int, typer.Option(min=1, help="Test images (of a toy: draws of the logits), the same for every estimator.")
    ] = 64,
    draws: Annotated[
        int | None,
        typer.Option(
            min=128, help=f"At most, where intervals stay wide. [default: {AUDIT_DRAWS}; {TOY_DRAWS} for a toy]"
        ),
    ] = None,
    warm_up: Annotated[
        int, typer.Option("--warm-up", min=0, help="Steps that estimators that learn take before they are measured.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of images, draws and toys.")] = 0,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads to use; else all.")] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Of the figures, beside png.")] = Format.png,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Measure gradient estimators against the exact gradient.

    On frozen weights and the same test images, for every estimator and temperature: bias, standard deviation, direction
    and squared error of the gradient of the logits and of the encoder's weights, with intervals. The exact gradient
    decodes every code, which limits their number. The table goes to stdout (with --json all figures), figures and
    audit.json to a folder of the output folder. The same command shows it again, or goes on where it was stopped.
    """
    found = api.audit(
        target,
        objective=objective.value if objective else None,
        epochs=() if epochs is None else epochs,
        estimators=() if estimators is None else estimators,
        temperatures=temperatures,
        images=images,
        draws=draws,
        warm_up=warm_up,
        seed=seed,
        output_dir=output_dir,
        data_dir=data_dir,
        threads=threads,
        format=format_.value,
        quiet=quiet,
    )
    if json:
        echo(json_format.dumps(found.to_dict(), indent=2))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    echo(found.table(width))
