"""Bias, spread and direction from groups of draws: by hand, and against laws whose figures are known."""

import math

import numpy as np
import pytest

from vaecli.auditing.statistics import measures
from vaecli.runs.audits import Bounded


def of_draws(draws, truth, groups=32):
    """draws [N, D]."""
    errors = (draws - truth).reshape(groups, -1, len(truth))
    return measures(errors.mean(1), np.square(errors).sum(-1).mean(1), truth)


def test_three_groups_by_hand():
    """g* = (2, 0); the groups' means of g - g* are (1, 0), (2, 0) and (3, 0), of its square 10 each."""
    found = measures(np.array([[1.0, 0], [2, 0], [3, 0]]), np.array([10.0, 10, 10]), np.array([2.0, 0]))
    bias = (1 * 2 + 1 * 3 + 2 * 3) / 3 / 4  # the mean over pairs, in units of |g*|^2
    assert found.relative_bias.value == pytest.approx(math.sqrt(bias))
    assert found.mse == pytest.approx(Bounded(2.5, 2.5, 2.5))
    assert found.relative_std.value == pytest.approx(math.sqrt(2.5 - bias))
    assert (found.cosine.value, found.cosine.high) == (1, 1)  # one line
    # without each group in turn the pair that is left gives 6, 3 and 2 of 4; pseudo-values 3 x 11/12 - 2 x these
    pseudo = np.array([11 / 4 - 2 * pair / 4 for pair in (6, 3, 2)])
    half = 4.302652729911275 * pseudo.std(ddof=1) / math.sqrt(3)  # Student's t, 2 degrees of freedom
    assert found.relative_bias.low == pytest.approx(math.sqrt(max(0, bias - half)))
    assert found.relative_bias.high == pytest.approx(math.sqrt(bias + half))


def test_no_gradient_has_a_bias_of_one_no_spread_and_no_direction():
    truth = np.array([1.0, -2.0, 0.5])
    found = of_draws(np.zeros((64, 3)), truth)
    assert found.relative_bias == pytest.approx(Bounded(1, 1, 1))
    assert found.relative_std == Bounded(0, 0, 0)
    assert found.cosine is None
    assert found.wide == []


def test_the_exact_gradient_has_neither_bias_nor_spread():
    truth = np.array([1.0, -2.0, 0.5])
    found = of_draws(np.tile(truth, (64, 1)), truth)
    assert (found.relative_bias, found.relative_std, found.mse) == (Bounded(0, 0, 0),) * 3
    assert found.cosine.value == pytest.approx(1)


@pytest.mark.parametrize("bias", [0.0, 0.3, 2.0])
def test_the_intervals_hold_the_truth_as_often_as_they_say(bias):
    """g ~ N(g* + b, s^2 I) at a fixed seed: 95 % of 400 intervals, give or take four standard errors."""
    draw, times, dimensions, spread = np.random.default_rng(0), 400, 20, 1.5
    truth = draw.normal(size=dimensions)
    size = np.linalg.norm(truth)
    shift = draw.normal(size=dimensions)
    shift *= bias * size / np.linalg.norm(shift)
    true_std = spread * math.sqrt(dimensions) / size
    inside = np.zeros(4)
    for _ in range(times):
        found = of_draws(truth + shift + spread * draw.normal(size=(640, dimensions)), truth)
        expected = (
            bias,
            true_std,
            (truth + shift) @ truth / (np.linalg.norm(truth + shift) * size),
            bias**2 + true_std**2,
        )
        inside += [one.low - 1e-12 <= value <= one.high + 1e-12 for one, value in zip(found, expected, strict=True)]
    least = 0.95 - 4 * math.sqrt(0.95 * 0.05 / times)
    assert (inside / times > least).all(), inside / times


def test_a_bias_of_nothing_has_an_interval_from_zero():
    draw = np.random.default_rng(1)
    truth = draw.normal(size=50)
    found = of_draws(truth + draw.normal(size=(320, 50)), truth)
    assert found.relative_bias.low == 0
    assert "relative_bias" in found.wide


def test_the_scaled_bias_is_what_is_left_once_the_mean_has_the_length_of_the_truth():
    truth = np.array([3.0, 0.0, 4.0])
    mean = np.array([2.0, 1.0, 0.5])
    found = of_draws(np.tile(mean, (64, 1)), truth).scaled_bias
    rescaled = mean * np.linalg.norm(truth) / np.linalg.norm(mean)
    assert found.value == pytest.approx(np.linalg.norm(rescaled - truth) / np.linalg.norm(truth))
    assert of_draws(np.tile(0.2 * truth, (64, 1)), truth).scaled_bias.value == pytest.approx(0, abs=1e-6)
    assert of_draws(np.zeros((64, 3)), truth).scaled_bias is None


def test_more_draws_make_narrower_intervals():
    draw = np.random.default_rng(2)
    truth = draw.normal(size=10)
    few, many = (of_draws(truth + 1 + draw.normal(size=(count, 10)), truth) for count in (64, 64 * 100))
    for name in ("relative_bias", "scaled_bias", "relative_std", "cosine", "mse"):
        assert getattr(many, name).half_width < 0.3 * getattr(few, name).half_width
