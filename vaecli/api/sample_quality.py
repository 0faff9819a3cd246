"""How alike what a run draws is to test images."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import console_of, stop_on, working
from vaecli.config.arguments import Name, path_of, runs_folder, whole

if TYPE_CHECKING:
    from vaecli.runs import Run
    from vaecli.runs.schema import DrawnFigures, Quality


@dataclass(frozen=True)
class SampleQuality:
    """How alike what a run draws is to test images. `print` shows it."""

    run: "Run"
    measured: "Quality"

    @property
    def figures(self) -> "Mapping[str, DrawnFigures]":
        """The figures of each source: "test images", "reconstructions", "independent", "autoregressive by label"."""
        return {one["source"]: one for one in self.measured["figures"]}

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.measured}

    def lines(self, width: int | None = None) -> list[str]:
        """The figures as text, with a table that fits the width."""
        from vaecli.reports.run.summary import quality_lines

        return [self.run.name, *quality_lines(self.measured, self.measured["figures"], width)]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def quality(
    run: Name,
    *,
    count: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> SampleQuality:
    """Measures how alike the images that a finished run draws are to test images, without a network from elsewhere.

    A small classifier of the run's training images, trained once for all runs on the data and kept beside them, gives
    features and labels. Compared with test images are samples from every prior that the run has (without one, each code
    by itself; of a vae N(0, 1) and a Gaussian fitted to its encodings), reconstructions of other test images, and
    those images themselves. The result is kept in the run's folder, where `show` and `compare` read it; the same call
    shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        count: images of each source, and test images that they are compared with; default: 1000, or half of the test
            images where that is fewer.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        Of each source precision, recall, density and coverage (arXiv 2002.09797), the share recognised as its label,
        the entropy of the labels in bits, and how often it is nearer to a training image than test images are.
    Raises:
        ConfigError: a mistake in the request; images without labels, or too few.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or a prior cannot be read.
        RunFailed: the folder cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing of this call is kept.
    """
    with console_of(quiet) as console, stop_on("stopped; nothing of it is kept"):
        from vaecli.experiment.quality import count_of, known, measure
        from vaecli.runs import find_run

        if count is not None:
            whole("count", count, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        number = count_of(found, count)
        measured = known(found, number, console.say)
        if measured is not None:
            console.say(f"{found.quality_json}: this is what it has")
        else:
            console.say(f"{found.name}: {number:,} images of each source -> {found.quality_json}")
            with working(found, threads, console):
                measured = measure(
                    *(found, number, path_of(data_dir)),
                    fetching=console.fetching,
                    counting=console.counting,
                    say=console.say,
                )
        return SampleQuality(found, measured)
