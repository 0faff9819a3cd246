"""Figures of finished runs."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vaecli.config.arguments import Name, path_of, runs_folder
from vaecli.errors import RunError, RunFailed

GUMBEL_MAX = "gumbel-max"
ARTICLE_LOGITS = (1.2, 2.3, 1.4, 3.3, 0.1)
GUMBEL_MAX_DRAWS = 100_000


def plot(
    *runs: Name,
    format: str = "png",
    output: Name | None = None,
    output_dir: Name | None = None,
    drawn: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """Draws the figures of finished runs: reconstructions, loss curves, what each code draws, and code use.

    Args:
        runs: names, beginnings of names, folders or runs; default: the newest finished run; "gumbel-max": the figure
            of the Gumbel-max trick.
        format: format of the files: "png", "svg" or "pdf".
        output: folder for the figures, with a subfolder for each of several runs; default: each run's own figures/.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        drawn: called with each file that was written.

    Returns:
        The files written.
    Raises:
        RunError: there is no such run, or it is not finished.
        RunFailed: names every figure that could not be drawn; the others were drawn.
    """
    from vaecli.reports.run import figures
    from vaecli.reports.style import Undrawn, checked_format, draw_each
    from vaecli.runs import find_runs, newest_finished

    names, folder, target = [os.fspath(run) for run in runs], runs_folder(output_dir), path_of(output)
    paths: list[Path] = []
    wrong: list[str] = []

    def failed(picture: Undrawn) -> None:
        wrong.append(picture.line)

    def tell(written: list[Path]) -> None:
        paths.extend(written)
        for path in written:
            drawn(path)

    if names == [GUMBEL_MAX]:
        checked_format(format, target or folder)
        drawing = partial(figures.gumbel_max, logits=ARTICLE_LOGITS, draws=GUMBEL_MAX_DRAWS, seed=0)
        tell(draw_each({f"gumbel_max.{format}": drawing}, target or folder, failed))
    else:
        found = find_runs(names, folder) if names else [newest_finished(folder)]
        for run in found:
            own = target / run.name if target and len(found) > 1 else target
            try:
                tell(figures.draw_run(run, failed=failed, output=own, fmt=format))
            except RunError as error:
                if len(found) == 1:
                    raise
                wrong += error.lines
    if wrong:
        raise RunFailed(*wrong)
    return paths
