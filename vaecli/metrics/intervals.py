"""Statistics over a few seeds: means with 95 % intervals, and differences paired by seed."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean over runs and the half width of its 95 % interval (Student's t), which is None for a single run."""

    mean: float
    half_width: float | None
    runs: int


def interval(values: Sequence[float]) -> Interval:
    """mean ± t(0.975, n - 1) s / sqrt(n), s the standard deviation with n - 1 in the denominator.

    Raises:
        ValueError: there are no values.
    """
    count = len(values)
    if count == 0:
        raise ValueError("an interval needs at least one value")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    from scipy.special import stdtrit  # the quantile of Student's t, without the import of all of scipy.stats

    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return Interval(mean, quantile * deviation / math.sqrt(count), count)


def paired(one: Mapping[int, float], two: Mapping[int, float]) -> Interval | None:
    """The interval of the differences one - two over the seeds that both have; None if they share none."""
    seeds = sorted(one.keys() & two.keys())
    return interval([one[seed] - two[seed] for seed in seeds]) if seeds else None


def resolved(difference: Interval | None) -> bool:
    """Whether the difference from zero is resolved by the seeds; with one seed it never is."""
    return difference is not None and difference.half_width is not None and abs(difference.mean) > difference.half_width
