"""Figures of finished runs and of comparisons."""

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
    figure: str | None = None,
    width: float | None = None,
    output: Name | None = None,
    output_dir: Name | None = None,
    drawn: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """Draws the figures of finished runs, such as reconstructions and loss curves, or those of comparisons.

    Without `output` and `figure` it also writes each run's page, report.html.

    Args:
        runs: names, beginnings of names, folders or runs, or folders of comparisons; default: the newest finished run;
            "gumbel-max": the figure of the Gumbel-max trick.
        format: format of the files: "png", "svg" or "pdf". PDF has embedded TrueType fonts, and text in both is text.
        figure: the name of one figure, such as "loss"; default: all.
        width: of each figure in inches, such as 3.3 for a column of a paper; letters keep their size. Default: a page's
            text, or as wide as the contents need.
        output: folder for the figures, with a subfolder for each of several runs; default: each run's own figures/,
            and a comparison's own folder.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        drawn: called with each file that was written.

    Returns:
        The files written.
    Raises:
        ConfigError: no figure has room in such a width.
        RunError: there is no such run or figure, or the run is not finished.
        RunFailed: names every figure that could not be drawn; the others were drawn.
    """
    from vaecli.reports.comparison.again import comparison_folder, groups_of
    from vaecli.reports.comparison.figures import files
    from vaecli.reports.comparison.panels import scenes
    from vaecli.reports.run import figures
    from vaecli.reports.run.page import write_page
    from vaecli.reports.style import WIDTH, Undrawn, checked_format, checked_width, chosen, draw_each
    from vaecli.runs import Run, find_runs, newest_finished

    inches = None if width is None else checked_width(width)
    names, folder, target = [os.fspath(run) for run in runs], runs_folder(output_dir), path_of(output)
    paths: list[Path] = []
    wrong: list[str] = []

    def failed(picture: Undrawn) -> None:
        wrong.append(picture.line)

    def tell(written: list[Path]) -> None:
        paths.extend(written)
        for path in written:
            drawn(path)

    def attempt(draw: Callable[[], list[Path]], alone: bool) -> None:
        try:
            tell(draw())
        except RunError as error:
            if alone:
                raise
            wrong.extend(error.lines)

    if names == [GUMBEL_MAX]:
        checked_format(format, target or folder)
        trick = partial(figures.gumbel_max, logits=ARTICLE_LOGITS, draws=GUMBEL_MAX_DRAWS, seed=0, width=inches)
        drawing = {f"{name}.{format}": draw for name, draw in chosen({"gumbel_max": trick}, figure, GUMBEL_MAX).items()}
        tell(draw_each(drawing, target or folder, failed))
    else:
        places = {name: comparison_folder(name, folder) for name in names}
        comparisons = [place for place in places.values() if place]
        of_runs = [name for name in names if not places[name]]
        found = find_runs(of_runs, folder) if of_runs else [] if comparisons else [newest_finished(folder)]
        alone = len(found) + len(comparisons) == 1
        for place in comparisons:
            into = target / place.name if target and not alone else target or place
            checked_format(format, into)

            def draw(place: Path = place, into: Path = into) -> list[Path]:
                shown, _ = scenes(groups_of(place))
                return draw_each(files(shown, format, width=inches or WIDTH, only=figure), into, failed)

            attempt(draw, alone)
        for run in found:
            own = target / run.name if target and not alone else target

            def draw_run(run: Run = run, own: Path | None = own) -> list[Path]:
                drawn = figures.draw_run(run, failed=failed, output=own, fmt=format, only=figure, width=inches)
                return drawn if own or figure else [*drawn, write_page(run, failed=failed)]

            attempt(draw_run, alone)
    if wrong:
        raise RunFailed(*wrong)
    return paths
