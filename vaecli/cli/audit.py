"""`vaecli audit`."""

import json as json_format
from enum import StrEnum
from typing import Annotated

import typer

from vaecli import api
from vaecli.api import AUDIT_DRAWS, TOY_DRAWS
from vaecli.cli.command import examples
from vaecli.cli.complete import config_and_run_names, estimator_names
from vaecli.cli.echo import echo, table_width
from vaecli.cli.options import (
    OUTPUT_DIR,
    DataDirOption,
    JsonOption,
    OutputDirOption,
    QuietOption,
    ThreadsOption,
    choices,
)
from vaecli.cli.plot import Format
from vaecli.errors import ConfigError

TEMPERATURES = ",".join(f"{temperature:g}" for temperature in api.TEMPERATURES)


class Objective(StrEnum):
    linear = "linear"
    quadratic = "quadratic"
    cubic = "cubic"
    mlp = "mlp"


@examples("audit gumbel --estimators gumbel_st,reinmax", "audit --objective quadratic")
def audit(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|CONFIG",
            help="A run, or a config, which stands for its run or its initial weights. [default: the newest run with "
            "categorical codes]",
            autocompletion=config_and_run_names,
        ),
    ] = None,
    objective: Annotated[
        Objective | None,
        typer.Option(metavar=choices(Objective), help="Audit a toy loss of ten codes, without any run, in seconds."),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="Epochs whose weights the run has kept, e.g. 0,1,5,10. [default: the last]"
        ),
    ] = None,
    estimators: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            autocompletion=estimator_names,
            help="Estimators to audit, e.g. gumbel_st,reinmax. [default: all]",
        ),
    ] = None,
    temperatures: Annotated[
        str, typer.Option(metavar="T,T,...", help="Temperatures to try for every estimator that has one.")
    ] = TEMPERATURES,
    images: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Number of test images (for a toy: draws of the logits), the same for all."
        ),
    ] = 64,
    draws: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=128,
            help=f"Most draws to take if intervals stay wide. [default: {AUDIT_DRAWS}; {TOY_DRAWS} for a toy]",
        ),
    ] = None,
    warm_up: Annotated[
        int,
        typer.Option(
            "--warm-up", metavar="N", min=0, help="Steps that adaptive estimators learn for before they are measured."
        ),
    ] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=2**31 - 1, help="Seed of images, draws and toys.")] = 0,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: ThreadsOption = None,
    format_: Annotated[
        Format,
        typer.Option("--format", "-f", metavar=choices(Format), help="Format of the figures in addition to png."),
    ] = Format.png,
    quiet: QuietOption = False,
    json: JsonOption = False,
    latex: Annotated[
        bool, typer.Option("--latex", help="Print the table in LaTeX, with the rules of booktabs.")
    ] = False,
) -> None:
    """Measure gradient estimators against the exact gradient.

    Measures bias, standard deviation, direction and squared error of the gradients in the logits and in the encoder's
    weights, with intervals, for every estimator and temperature on the same frozen weights and test images. The exact
    gradient decodes every code, which limits their number. The table goes to stdout (with --json all figures); figures
    and audit.json go to a folder inside the output folder. The same command shows the result again, or resumes it.
    """
    if json and latex:
        raise ConfigError(["--json and --latex exclude each other"])
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
    if latex:
        echo(found.latex)
        return
    echo(found.table(table_width()))
