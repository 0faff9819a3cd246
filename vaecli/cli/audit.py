"""`vaecli audit`."""

import json as json_format
import os
import shutil
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from vaecli.cli.complete import config_and_run_names
from vaecli.cli.console import Console, echo
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption, QuietOption
from vaecli.cli.plot import Format
from vaecli.cli.signals import Stop
from vaecli.errors import ConfigError

TEMPERATURES = "0.1,0.25,0.5,1,2"
DRAWS, TOY_DRAWS = 4096, 16_384


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
        typer.Option(min=128, help=f"At most, where intervals stay wide. [default: {DRAWS}; {TOY_DRAWS} for a toy]"),
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
    with Console(quiet=quiet) as console, Stop() as stop:
        from vaecli.auditing import targets
        from vaecli.auditing.audit import Asked, estimators_of, keys, left_out, perform
        from vaecli.backend.process import chatter, import_keras, prepare
        from vaecli.reports.audit.figures import draw
        from vaecli.reports.audit.table import left_out_lines, row_line, table_lines
        from vaecli.runs.audits import audit_of

        if objective and (target or epochs):
            raise ConfigError([f"--objective {objective.value}: a toy has neither run nor epochs"])
        asked = Asked(
            estimators_of([] if estimators is None else [name.strip() for name in estimators.split(",")]),
            _numbers("--temperatures", temperatures, float),
            draws or (TOY_DRAWS if objective else DRAWS),
            warm_up,
            seed,
        )
        if objective:
            found = targets.toy(objective.value, images=images, seed=seed)
        else:
            found = targets.find(
                target,
                epochs=() if epochs is None else _numbers("--epochs", epochs, int),
                images=images,
                seed=seed,
                output_dir=output_dir,
                data_dir=data_dir,
            )
        question = {"subject": dict(found.description), **asked._asdict()}
        where = audit_of(question, output_dir)
        about, skipped = {"title": found.title, "asked": question}, where.left_out
        console.say(f"{found.title} -> {where.path}")
        missing = not where.finished
        if missing:
            stop()  # from now on a signal waits for the measurement at hand
            prepare(threads)
            with chatter(Path(os.devnull)):
                import_keras()
                skipped = left_out(found, asked)
                if not keys(found, asked):
                    raise ConfigError(list(left_out_lines(skipped)))
                tell = lambda row, done, total: console.say(f"{done}/{total}  {row_line(row)}")  # noqa: E731
                perform(found, asked, where, {**about, "left_out": skipped}, told=tell, stop=stop)
        rows = where.rows
        formats = {"png", format_.value}
        failed = lambda picture: console.say(picture.line)  # noqa: E731
        for path in draw(found.title, rows, where.path, formats=formats, again=missing, failed=failed):
            console.say(str(path))
    if json:
        echo(json_format.dumps({**about, "left_out": skipped, "rows": [row.to_dict() for row in rows]}, indent=2))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    echo("\n".join(table_lines(rows, skipped, width)))


Number = TypeVar("Number", int, float)


def _numbers(option: str, text: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """ "0.1,1" as (0.1, 1.0); raises ConfigError unless all are numbers of that kind, and none is negative."""
    try:
        found = tuple(dict.fromkeys(kind(part) for part in text.split(",")))
    except ValueError:
        found = ()
    lowest = 0 if kind is int else sys.float_info.min
    if not found or not all(lowest <= number < float("inf") for number in found):
        what = "whole numbers such as 0,1,5" if kind is int else "numbers above 0 such as 0.5,1"
        raise ConfigError([f"{option} {text}: {what} are needed"])
    return found
