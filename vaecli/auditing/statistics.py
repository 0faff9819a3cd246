"""Bias, spread and direction, each with a 95 % interval, from sums over groups of draws."""

import math

import numpy as np
from numpy.typing import NDArray

from vaecli.metrics.intervals import interval
from vaecli.runs.audits import Bounded, GradientErrors

Array = NDArray[np.float64]
NO_DIRECTION = 1e-9  # |E g|^2 / |g*|^2; below it is rounding
NO_VARIANCE = 1e-6  # of the mean squared error; likewise, as sums of squares are taken in float32


def measures(errors: Array, squares: Array, truth: Array) -> GradientErrors:
    """What N draws of an estimate g of the exact gradient g* say, in units of |g*|.

        bias^2     = |E g - g*|^2      the mean of e_i . e_j over groups i != j: unbiased, may be negative
        mse        = E |g - g*|^2
        variance   = mse - bias^2      = E |g - E g|^2
        cosine     = E g . g* / (|E g| |g*|)

    Each interval is the jackknife's over the groups (Student's t); those of bias and standard deviation are the
    square roots of those of their squares, so a bias that is not distinguishable from 0 has an interval from 0.

    Args:
        errors: [G, D], each group's mean of g - g*.
        squares: [G], each group's mean of |g - g*|^2.
        truth: [D], g*, not 0.
    """
    size = float(truth @ truth)
    means = errors + truth
    bias = _of_pairs(errors @ errors.T / size)
    mse = _without_each(squares / size)
    variance = np.where(np.abs(mse - bias) > NO_VARIANCE * mse, mse - bias, 0.0)
    length, along = _of_pairs(means @ means.T / size), _without_each(means @ truth / size)
    return GradientErrors(
        relative_bias=_root(_interval(bias)),
        relative_std=_root(_interval(variance)),
        cosine=_clipped(_interval(along / np.sqrt(length))) if length.min() > NO_DIRECTION else None,
        mse=_interval(mse),
    )


def _without_each(values: Array) -> Array:
    """The mean of [G], and then the means without each of them: [1 + G]."""
    count, total = len(values), values.sum()
    with np.errstate(invalid="ignore"):  # of values that are not finite: whoever reads the figure names them
        return np.concatenate([[total / count], (total - values) / (count - 1)])


def _of_pairs(products: Array) -> Array:
    """The same as `_without_each`, for the products [G, G] of two different groups."""
    count, own = len(products), np.diag(products)
    total = products.sum() - own.sum()
    without = total - 2 * (products.sum(1) - own)
    return np.concatenate([[total / (count * (count - 1))], without / ((count - 1) * (count - 2))])


def _interval(values: Array) -> Bounded:
    """The jackknife interval, from the value of all groups and those without each."""
    whole, without = values[0], values[1:]
    count = len(without)
    half_width = interval(list(count * whole - (count - 1) * without)).half_width
    assert half_width is not None
    return Bounded(float(whole), float(whole - half_width), float(whole + half_width))


def _root(square: Bounded) -> Bounded:
    return Bounded(*(math.sqrt(max(0.0, value)) for value in square))


def _clipped(cosine: Bounded) -> Bounded:
    return Bounded(*(min(1.0, max(-1.0, value)) for value in cosine))
