"""Schedules against the formulas that people write in numpy, and against published protocols."""

import numpy as np
import pytest
import tensorflow as tf

from vaecli.backend.progress import END, Progress
from vaecli.backend.schedules import SHAPES, scheduled
from vaecli.config.options import (
    STRETCHED,
    LearningRateSchedule,
    Schedule,
    TemperatureSchedule,
)

PER_EPOCH, EPOCHS = 20, 10
STEPS = np.arange(PER_EPOCH * EPOCHS)


def course(schedule, steps=STEPS, per_epoch=PER_EPOCH, total=PER_EPOCH * EPOCHS):
    """The value of each step."""
    return scheduled(schedule, Progress(tf.constant(steps, tf.int32), per_epoch, total)).numpy()


FORMULAS = {
    "exponential": lambda s: 2.0 * (0.5 / 2.0) ** s,
    "linear": lambda s: 2.0 - 1.5 * s,
    "cosine": lambda s: 0.5 + 1.5 * (1 + np.cos(np.pi * s)) / 2,
}


@pytest.mark.parametrize("shape", FORMULAS)
@pytest.mark.parametrize(
    ("keys", "share"),
    [
        ({}, STEPS / 200),
        ({"horizon": 5.0}, np.minimum(STEPS / 100, 1)),
        ({"horizon": 2.525}, np.minimum(STEPS / 50, 1)),  # 50.5 steps
        ({"horizon": 1000.0}, STEPS / 20_000),
        ({"every": "epoch"}, STEPS // 20 / 10),
        ({"every": 7}, STEPS // 7 * 7 / 200),
        ({"every": 30, "horizon": 5.0}, np.where(STEPS < 100, STEPS // 30 * 30 / 100, 1)),
        ({"restart": "epoch"}, STEPS % 20 / 20),
        ({"restart": "epoch", "every": 6}, STEPS % 20 // 6 * 6 / 20),
    ],
)
def test_a_shape_follows_its_formula(shape, keys, share):
    found = course(Schedule(schedule=shape, start=2.0, end=0.5, **keys))
    np.testing.assert_allclose(found, FORMULAS[shape](share), rtol=2e-6)


@pytest.mark.parametrize("shape", FORMULAS)
@pytest.mark.parametrize(("horizon", "left"), [({}, 170), ({"horizon": 4.0}, 50)])
def test_a_shape_has_what_the_horizon_leaves_after_the_warm_up(shape, horizon, left):
    found = course(Schedule(schedule=shape, start=2.0, end=0.5, warm_up=1.5, warm_up_from=0.1, **horizon))
    rising = 0.1 + 1.9 * STEPS / 30
    expected = np.where(STEPS < 30, rising, FORMULAS[shape](np.clip((STEPS - 30) / left, 0, 1)))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize(
    ("keys", "updates"),
    [
        ({"every": 7}, STEPS // 7),
        ({"every": "epoch"}, STEPS // 20),
        ({"every": 7, "warm_up": 2.0, "warm_up_from": 3.0}, np.maximum(STEPS - 40, 0) // 7),
        ({"every": 7, "horizon": 5.0}, np.minimum(STEPS, 100) // 7),
        ({"every": 7, "restart": "epoch"}, STEPS % 20 // 7),
    ],
)
def test_steps_multiply_by_their_factor_at_each_update(keys, updates):
    found = course(Schedule(schedule="steps", start=3.0, factor=0.9, floor=0.5, **keys))
    np.testing.assert_allclose(found, np.maximum(3 * 0.9**updates, 0.5), rtol=3e-6)


@pytest.mark.parametrize(
    ("kind", "first"), [(Schedule, 0.0), (LearningRateSchedule, 0.002), (TemperatureSchedule, 2.0)]
)
def test_a_warm_up_begins_where_its_kind_of_value_does(kind, first):
    """beta at 0, a learning rate at a thousandth, and a temperature, which may not be 0, where it stays."""
    found = course(kind(schedule="constant", start=2.0, warm_up=3.0))
    np.testing.assert_allclose(found, np.where(STEPS < 60, first + (2 - first) * STEPS / 60, 2), rtol=1e-6)


def test_a_warm_up_is_updated_as_often_as_the_shape():
    found = course(Schedule(schedule="constant", start=1.0, warm_up=2.0, every="epoch"))
    np.testing.assert_allclose(found, np.minimum(STEPS // 20 / 2, 1), rtol=1e-6)


def test_the_learning_rate_of_hooper_and_shekhovtsov():
    """AISTATS 2026: stepped once per epoch, linear from a thousandth over 10 epochs, then cosine to 0 over 490."""
    schedule = LearningRateSchedule(schedule="cosine", start=3e-4, end=0.0, warm_up=10.0, horizon=500.0, every="epoch")
    epoch = np.arange(500)
    rising = 3e-4 * (1e-3 + (1 - 1e-3) * epoch / 10)
    falling = 3e-4 * (1 + np.cos(np.pi * (epoch - 10) / 490)) / 2
    expected = np.where(epoch < 10, rising, falling)
    for within, total in ((0, 150_000), (299, 150_000), (150, 300 * 500)):
        found = course(schedule, epoch * 300 + within, 300, total)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-10)
    stopped = course(schedule, np.arange(20) * 300, 300, total=20 * 300)
    np.testing.assert_allclose(stopped, expected[:20], rtol=1e-5)


def test_temperature_and_learning_rate_of_the_notebook_of_jang():
    """temperature max(.5, exp(-3e-5 step)) and learning rate 1e-3 * .9^n, both stepped every 1,000 steps."""
    step = np.arange(0, 50_000, 250)
    updated = step // 1000 * 1000
    temperatures = (
        TemperatureSchedule(schedule="steps", start=1.0, factor=0.970445533548508, every=1000, floor=0.5),
        TemperatureSchedule(
            schedule="exponential", start=1.0, end=float(np.exp(-1.5)), horizon=50_000 / 600, every=1000, floor=0.5
        ),
    )
    for temperature in temperatures:
        found = course(temperature, step, 600, 50_000)
        np.testing.assert_allclose(found, np.maximum(0.5, np.exp(-3e-5 * updated)), rtol=3e-6)
    rate = LearningRateSchedule(schedule="steps", start=1e-3, factor=0.9, every=1000)
    np.testing.assert_allclose(course(rate, step, 600, 50_000), 1e-3 * 0.9 ** (step // 1000), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_schedule_never_falls_below_its_floor(shape):
    values = course(Schedule(schedule=shape, start=2.0, end=0.1, floor=0.5))
    assert min(values) == 0.5
    assert list(values) == sorted(values, reverse=True)


def test_every_shape_of_a_config_is_known():
    assert {*SHAPES} == {*STRETCHED}
    assert {*SHAPES, "constant", "steps"} == set(Schedule.model_fields["schedule"].annotation.__args__)


@pytest.mark.parametrize("option", [0.5, 3])
def test_a_number_stays_as_it_is(option):
    assert scheduled(option, END) is option


@pytest.mark.parametrize(
    ("keys", "last"),
    [
        ({"schedule": "linear", "end": 1.0}, 1.0),
        ({"schedule": "linear", "end": 1.0, "horizon": 20.0}, 2 - 199 / 400),
        ({"schedule": "linear", "end": 1.0, "restart": "epoch"}, 2 - 19 / 20),
        ({"schedule": "steps", "factor": 0.5, "every": "epoch"}, 2 * 0.5**9),
    ],
)
def test_after_the_last_step_a_value_is_what_it_was_or_the_end_that_it_was_stretched_to(keys, last):
    schedule = Schedule(start=2.0, **keys)
    assert scheduled(schedule, Progress(200, 20, 200)).numpy() == pytest.approx(last, rel=1e-6)


@pytest.mark.parametrize("horizon", [1e30, 1e12])
def test_a_horizon_may_be_further_away_than_steps_are_counted(horizon):
    found = course(Schedule(schedule="linear", start=1.0, end=0.0, horizon=horizon))
    np.testing.assert_allclose(found, 1, rtol=1e-6)
