"""`vaecli plot`."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.complete import run_names
from vaecli.cli.console import echo
from vaecli.cli.options import OUTPUT_DIR, OutputDirOption

GUMBEL_MAX = "gumbel-max"
ARTICLE_LOGITS = (1.2, 2.3, 1.4, 3.3, 0.1)
DRAWS = 100_000


class Format(StrEnum):
    png = "png"
    svg = "svg"
    pdf = "pdf"


def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help=f"Runs by name, beginning or path, else the newest finished; or {GUMBEL_MAX}: that trick's figure.",
            autocompletion=run_names,
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Of the files.")] = Format.png,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the figures; else each run's own figures/.")
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
) -> None:
    """Draw the figures of finished runs.

    Reconstructions, loss curves, what each code draws, and code use against the labels. Prints the files written.
    Several runs with --output get a folder each. What cannot be drawn is said, and the rest is drawn; exit code 1.
    """
    from vaecli.errors import RunError, RunFailed
    from vaecli.reports.run import figures
    from vaecli.reports.style import Undrawn, draw_each
    from vaecli.runs import find_runs, newest_finished

    wrong: list[str] = []

    def failed(picture: Undrawn) -> None:
        wrong.append(picture.line)

    if runs == [GUMBEL_MAX]:
        drawing = partial(figures.gumbel_max, logits=ARTICLE_LOGITS, draws=DRAWS, seed=0)
        for path in draw_each({f"gumbel_max.{format_}": drawing}, output or output_dir, failed):
            echo(str(path))
    else:
        found = find_runs(runs, output_dir) if runs else [newest_finished(output_dir)]
        for run in found:
            folder = output / run.name if output and len(found) > 1 else output
            try:
                for path in figures.draw_run(run, failed=failed, output=folder, fmt=format_):
                    echo(str(path))
            except RunError as error:
                if len(found) == 1:
                    raise
                wrong += error.lines
    if wrong:
        raise RunFailed(*wrong)
