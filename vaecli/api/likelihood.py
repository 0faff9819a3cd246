"""Bounds and sums of log p(x) of a finished run."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import console_of, stop_on, working
from vaecli.config.arguments import Name, one_of, path_of, runs_folder, whole

if TYPE_CHECKING:
    from vaecli.runs import Run
    from vaecli.runs.schema import Bound, Estimate, Evaluated, Kept, SplitName

SPLITS: "tuple[SplitName, ...]" = ("test", "validation", "train")
WEIGHTS: "tuple[Kept, ...]" = ("last", "best")


@dataclass(frozen=True)
class Likelihood:
    """What `evaluate` found of log p(x), in nats per image. `print` shows it."""

    run: "Run"
    measured: "Evaluated"  # of one split with one set of weights, for every number of samples so far
    bound_samples: int | None  # m of this call; None: q(z|x) is a point, which has no bound

    @property
    def bound(self) -> "Bound | None":
        """Minus the importance-weighted bound of this call."""
        found = [bound for bound in self.measured["bounds"] if bound["samples"] == self.bound_samples]
        return found[0] if found else None

    @property
    def negative_log_p(self) -> "Estimate | None":
        """-log p(x); None if its codes are too many to sum over, or it has none."""
        return self.measured["negative_log_p"]

    @property
    def posterior_gap(self) -> "Estimate | None":
        """KL(q(z|x) || p(z|x)), likewise."""
        return self.measured["posterior_gap"]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.measured}

    def __str__(self) -> str:
        from vaecli.reports.run.summary import evaluation_lines

        return "\n".join([self.run.name, *evaluation_lines([self.measured])])


def evaluate(
    run: Name,
    *,
    bound_samples: int | None = None,
    split: str = "test",
    weights: str = "last",
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Likelihood:
    """Bounds log p(x) of a finished run, and sums it over all codes if there are at most 16,384.

    The result is kept in the run's folder, where `show` and `compare` read it; the same call shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        bound_samples: m of the importance-weighted bound (arXiv 1509.00519), draws of q(z|x) per image; default: 1000,
            or none where q(z|x) is a point.
        split: the images: "test", "validation" or "train".
        weights: the weights: "last", or "best" on the validation split.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        Bound, and where they can be computed -log p(x) and the gap of the posterior, each with its standard error.
    Raises:
        ConfigError: a mistake in the request; a likelihood that is not in nats; samples of a point.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or there is nothing to evaluate.
        Interrupted: Ctrl-C or SIGTERM; nothing of this call is kept.
    """
    with console_of(quiet) as console, stop_on("stopped; nothing of it is kept"):
        from vaecli.experiment.evaluate import is_there, known, measure, number_of_samples
        from vaecli.runs import find_run

        of_split, of_weights = one_of("split", split, SPLITS), one_of("weights", weights, WEIGHTS)
        if bound_samples is not None:
            whole("bound-samples", bound_samples, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        samples = number_of_samples(found, of_split, bound_samples)
        measured = known(found, of_split, of_weights, console.say)
        if is_there(measured, samples):
            console.say(f"{found.evaluation_json}: this is what it has")
        else:
            draws = "" if samples is None else f", {samples:,} samples of each"
            console.say(f"{found.name}: {measured['images']:,} {split} images{draws} -> {found.evaluation_json}")
            told = console.counting(f"{split} images", measured["images"])
            with working(found, threads, console):
                measured = measure(found, measured, samples, path_of(data_dir), fetching=console.fetching, told=told)
        return Likelihood(found, measured, samples)
