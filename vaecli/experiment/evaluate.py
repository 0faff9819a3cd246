"""`vaecli evaluate RUN`: bounds on log p(x) of a finished run, or its value, measured once and kept in its folder."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vaecli.backend.process import chatter, import_keras
from vaecli.config.latent import MOST_CODES
from vaecli.data.download import Progress
from vaecli.errors import ConfigError, Damaged, RunError
from vaecli.experiment.origin import digest_of, images_of_split, no_split
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.schema import Bound, Estimate, Evaluated, Kept, SplitName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLES = 1000  # of the bound, unless a number is asked for


def number_of_samples(run: Run, split: SplitName, asked: int | None) -> int | None:
    """The samples of the bound on a finished run's split; None where q(z|x) is a point, which needs none.

    Raises:
        RunError: the run is not finished.
        ConfigError: its likelihood is not in nats, its q(z|x) has no samples, or it has no such split.
    """
    _, config, mistake = run.summary, run.config, None
    point = config.model.method.constant_rate
    if not config.objective.in_nats:
        mistake = (
            f"{config.objective.likelihood} is no likelihood in nats, so log p(x) has no bound; a run trained with "
            "--set objective.likelihood=bernoulli --set objective.beta=1 has one"
        )
    elif point and asked is not None:
        mistake = f"--bound-samples {asked}: {config.model.name} has a point for q(z|x): -elbo = distortion + capacity"
    elif reason := no_split(config, split):
        mistake = f"--split {split}: {reason}"
    if mistake:
        raise ConfigError([f"{run.name}: {mistake}"])
    return None if point else asked or SAMPLES


def known(run: Run, split: SplitName, weights: Kept, say: Callable[[str], None]) -> Evaluated:
    """What was measured before of a split with these weights; without figures if nothing was.

    A file that is damaged or of other weights is reported, and begun again.
    """
    digest = digest_of(run, weights)
    try:
        before = run.evaluations
    except Damaged as error:
        say(str(error))
        before = []
    for one in before:
        if (one["split"], one["weights"], one["digest"]) == (split, weights, digest):
            return one
    return {
        "split": split,
        "weights": weights,
        "digest": digest,
        "images": run.info["data"][split],
        "negative_log_p": None,
        "posterior_gap": None,
        "bounds": [],
    }


def is_there(evaluated: Evaluated, samples: int | None) -> bool:
    """Whether nothing is left to measure."""
    if samples is None:
        return evaluated["negative_log_p"] is not None
    return any(bound["samples"] == samples for bound in evaluated["bounds"])


def measure(
    run: Run,
    evaluated: Evaluated,
    samples: int | None,
    data_dir: Path | None,
    *,
    fetching: Progress,
    told: Callable[[int], None],
) -> Evaluated:
    """Measures the bound of `samples` draws, and where codes can be enumerated log p(x) and the gap; keeps them.

    Args:
        samples: None: no bound.
        fetching: called with the progress of a download.
        told: called with the number of images done.

    Raises:
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is nothing to measure, the weights were changed, or the folder cannot be written.
    """
    images = images_of_split(run, evaluated["split"], data_dir, fetching)
    with chatter(run.tensorflow_log):
        import_keras()
        from vaecli.evaluation.bounds import enumerable, per_image

        autoencoder = TrainedRun(run, evaluated["weights"]).autoencoder
        if samples is None and not enumerable(autoencoder):
            raise RunError(
                f"{run.name}: q(z|x) is a point, so there is no bound but -elbo = distortion + capacity; log p(x) is "
                f"summed over at most {MOST_CODES:,} codes, and an image can have more"
            )
        seed = run.config.training.seed
        found = per_image(autoencoder, images, samples=samples, seed=seed, told=told)
    new: Evaluated = {**evaluated}
    if found.log_p is not None and found.gap is not None:
        new |= {"negative_log_p": _mean(-found.log_p), "posterior_gap": _mean(found.gap)}
    if found.bound is not None and samples is not None:
        new["bounds"] = [{**_mean(-found.bound), "samples": samples}]
    return _keep(run, new)


def _mean(values: "NDArray[np.float64]") -> Estimate:
    """The mean and its standard error, s / sqrt(n) with n - 1 in the denominator of s^2."""
    count = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else None
    return {"value": float(values.mean()), "standard_error": error}


def _keep(run: Run, new: Evaluated) -> Evaluated:
    """Writes evaluation.json with what it held before, bounds of other numbers of samples included."""
    with run.lock():
        try:
            before = run.evaluations
        except Damaged:
            before = []
        same = [one for one in before if (one["split"], one["weights"]) == (new["split"], new["weights"])]
        bounds: dict[int, Bound] = {bound["samples"]: bound for one in [*same, new] for bound in one["bounds"]}
        new = {**new, "bounds": [bounds[samples] for samples in sorted(bounds)]}
        run.save_evaluations([*(one for one in before if one not in same), new])
    return new
