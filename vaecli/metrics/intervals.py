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
    return Interval(mean, quantile(count - 1) * deviation(values) / math.sqrt(count), count)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of at least two values, with n - 1 in the denominator."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def quantile(freedom: int) -> float:
    """The value that Student's t with so many degrees of freedom exceeds with probability 2.5 %."""
    from scipy.special import stdtrit  # without the import of all of scipy.stats

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def paired(one: Mapping[int, float], two: Mapping[int, float]) -> Interval | None:
    """The interval of the differences one - two over the seeds that both have; None if they share none."""
    seeds = sorted(one.keys() & two.keys())
    return interval([one[seed] - two[seed] for seed in seeds]) if seeds else None


def resolved(difference: Interval | None) -> bool:
    """Whether the difference from zero is resolved by the seeds; with one seed it never is."""
    return difference is not None and difference.half_width is not None and abs(difference.mean) > difference.half_width
