"""Estimates how long runs will take, from those that are finished."""

import statistics
from collections.abc import Iterable, Mapping
from itertools import pairwise

from vaecli.backend.process import cores
from vaecli.config.shapes import latent_of, shapes
from vaecli.errors import RunError
from vaecli.experiment import memory
from vaecli.experiment.plan import Plan
from vaecli.experiment.prior import default_epochs, lacks, without_codes
from vaecli.runs import Run
from vaecli.runs.schema import PriorKind

START_SECONDS = 4.0  # compiling, evaluating, drawing
COMPILING = 0.4e9  # bytes that a worker takes at its peak in addition to a training's
CODES_PER_SECOND = 4e4  # that an autoregressive prior is trained on, by one thread
PRODUCTS_PER_SECOND = 2e10  # of one thread, if no finished run gives a better value


def speeds(runs: Iterable[Run]) -> dict[str, float]:
    """The multiplications of a decoding per second, by method: the median over its finished runs.

    A run's first row is left out, because it is that of the start: of a short run, most of the time is compiling.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        try:
            rows, data = run.metrics if run.finished else [], run.info["data"]
            seconds = sum(row["seconds"] or 0.0 for row in rows[1:])
            epochs = sum((row["epoch"] or 0.0) - (before["epoch"] or 0.0) for before, row in pairwise(rows))
            amount = shapes(run.config, data["image_shape"]).products * data["train"] * epochs
        except (RunError, KeyError, TypeError, ValueError):
            continue  # a folder that cannot be read says nothing about speed
        if seconds > 0:
            found.setdefault(run.config.model.name, []).append(amount / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


def seconds_left(plan: Plan, known: Mapping[str, float]) -> float:
    """The approximate time on one thread; 0 for a finished run."""
    if plan.run.whole:
        return 0.0
    config, dataset = plan.config, plan.dataset
    speed = known.get(config.model.name) or statistics.median([*known.values()] or [PRODUCTS_PER_SECOND])
    epochs = max(0, config.training.passes(len(dataset.train)) - plan.run.done("epoch"))
    return START_SECONDS + shapes(config, dataset.image_shape).products * len(dataset.train) * epochs / speed


def prior_seconds(plan: Plan, kind: PriorKind | None) -> float:
    """The approximate time of fitting a prior to a run's codes on one thread; 0 if it has one, or cannot have any."""
    config, dataset = plan.config, plan.dataset
    if kind is None or without_codes(config, dataset.image_shape) or not lacks(plan.run, kind):
        return 0.0
    if kind == "independent":
        return START_SECONDS
    images, codes = len(dataset.train), latent_of(config, dataset.image_shape).num_codes
    return START_SECONDS + default_epochs(images, codes) * images * codes / CODES_PER_SECOND


def side_by_side(plans: Iterable[Plan]) -> tuple[int, str | None]:
    """The number of runs this machine trains at once, and why it is smaller than the number of cores."""
    needs = [memory.needed(plan.config, plan.dataset) + COMPILING for plan in plans if not plan.run.finished]
    wanted, free = min(cores(), len(needs)), memory.available()
    if wanted < 2 or free is None or wanted * max(needs) <= free:
        return cores(), None
    fitting = max(1, int(free / max(needs)))
    return fitting, (
        f"{fitting} at once, though there are cores for {wanted}: a run needs about {max(needs) / 1e9:.1f} GB, and "
        f"{free / 1e9:.1f} GB are free (--jobs overrides this)"
    )


def in_words(seconds: float) -> str:
    """A duration in words: "about 40 s", "about 3 min", "about 2.5 h"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
