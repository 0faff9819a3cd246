"""What is measured of estimators, against figures that can be computed without drawing, and their promises."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, softmax
from vaecli.auditing.audit import tempered
from vaecli.auditing.meter import GROUPS, Meter, Point
from vaecli.auditing.subjects import Toy
from vaecli.auditing.truth import Truth

K = 4


def new_toy(objective, num_latents=1):
    truth = Truth(Toy(objective, num_images=8, num_latents=num_latents, num_classes=K, seed=0))
    exact = truth([])
    return truth, Point([], exact, truth.pull([], exact))


toy = functools.cache(new_toy)


@functools.cache
def measured(name, objective, temperature=None, *, draws=8192, seed=0, num_latents=1, warm_up=50, **options):
    truth, point = toy(objective, num_latents)
    meter = Meter(truth, name, options, None if temperature is None else tempered(name), seed)
    return meter.measure(point, temperature, draws=draws, warm_up=warm_up)


def test_straight_through_has_the_bias_and_spread_that_enumeration_gives():
    """backward given code k: J(p) grad f(e_k), with probability p_k."""
    truth, point = toy("quadratic")

    @compiled
    def slopes():
        codes = tf.eye(K)[:, None, None]
        with tf.GradientTape() as tape:
            tape.watch(codes)
            losses = truth.subject.objective(codes)
        return tape.gradient(losses, codes)[:, 0, 0]

    slope = slopes().numpy().astype(np.float64)
    bias = variance = 0.0
    for logits, exact in zip(truth.subject.logits().numpy()[:, 0], point.exact[:, 0], strict=True):
        p = softmax(logits)
        given = slope @ (np.diag(p) - np.outer(p, p))
        mean = p @ given
        bias += np.square(mean - exact).sum()
        variance += p @ np.square(given - mean).sum(1)
    size = np.square(point.exact).sum()
    found = measured("straight_through", "quadratic", 1.0).logits
    assert found.relative_bias.low <= np.sqrt(bias / size) <= found.relative_bias.high
    assert found.relative_std.low <= np.sqrt(variance / size) <= found.relative_std.high
    assert not found.wide


@pytest.mark.parametrize(
    ("name", "objective", "temperature", "options"),
    [
        ("straight_through", "linear", 1.0, {}),
        ("reinmax", "quadratic", 1.0, {}),
        ("zgr", "quadratic", None, {}),
        ("rloo", "mlp", None, {"num_draws": 2}),
        ("relax", "mlp", 0.5, {}),
    ],
)
def test_what_promises_no_bias_has_none_that_the_draws_can_tell(name, objective, temperature, options):
    found = measured(name, objective, temperature, **options).logits
    assert found.relative_bias.high < 0.1
    assert found.relative_bias.value < 0.05
    assert found.cosine.value > 0.99


@pytest.mark.parametrize(
    ("name", "objective", "temperature"),
    [("straight_through", "quadratic", 1.0), ("reinmax", "cubic", 1.0), ("gumbel", "cubic", 1.0)],
)
def test_a_bias_is_told_from_zero(name, objective, temperature):
    assert measured(name, objective, temperature).logits.relative_bias.low > 0.1


def test_the_naive_estimator_and_the_exact_one_are_the_two_ends():
    naive, exact = measured("categorical", "mlp").logits, measured("exact", "mlp").logits
    assert naive.relative_bias.value == pytest.approx(1, abs=1e-6)
    assert naive.cosine is None
    assert naive.relative_std.value == 0
    assert exact.relative_bias.value < 1e-5  # float32
    assert exact.mse.value < 1e-10


def test_estimators_are_measured_on_the_same_draws():
    """Draw by draw reinmax at temperature 1 is zgr, so that all of their figures are equal."""
    one, two = measured("reinmax", "cubic", 1.0), measured("zgr", "cubic")
    assert one.draws == two.draws
    for ours, theirs in zip(one.logits, two.logits, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_one_seed_measures_the_same_twice_and_another_does_not():
    options = {"draws": 512, "num_latents": 2}
    one = measured("gumbel_st", "mlp", 0.5, **options)
    measured.cache_clear()
    again, other = measured("gumbel_st", "mlp", 0.5, **options), measured("gumbel_st", "mlp", 0.5, **options, seed=1)
    assert (again.logits, again.draws) == (one.logits, one.draws)
    assert other.logits != one.logits


def test_a_temperature_is_handed_to_the_compiled_program():
    truth, point = toy("cubic")
    meter = Meter(truth, "gumbel", {}, "temperature", 0)
    cold, warm = (meter.measure(point, temperature, draws=512, warm_up=0) for temperature in (0.2, 2.0))
    assert warm.logits.relative_std.value < 0.5 * cold.logits.relative_std.value
    assert meter._add.experimental_get_tracing_count() == 1


def test_an_estimator_that_learns_is_better_after_its_warm_up_and_learns_no_more():
    truth, point = new_toy("mlp")
    truth.subject._loss = lambda z, loss=truth.subject._loss: loss(z) + 5.0  # a baseline is worth something
    meter = Meter(truth, "reinforce", {}, None, 0)
    assert meter.learns
    assert not Meter(truth, "zgr", {}, None, 0).learns
    naive, learned = (meter.measure(point, None, draws=2048, warm_up=steps).logits for steps in (0, 300))
    assert learned.relative_std.value < 0.5 * naive.relative_std.value


def test_draws_end_when_the_intervals_are_narrow_or_at_the_limit():
    assert measured("exact", "mlp").draws == 4 * GROUPS
    assert measured("rloo", "mlp", num_draws=2, draws=1024).draws == 1024
