import math

import numpy as np
import pytest

from helpers import compiled
from vaecli.backend.schedules import SHAPES, scheduled
from vaecli.config.options import Schedule


@pytest.mark.parametrize(
    ("shape", "formula"),
    [
        ("exponential", lambda s: 2.0 * (0.5 / 2.0) ** s),
        ("linear", lambda s: 2.0 - 1.5 * s),
        ("cosine", lambda s: 0.5 + 1.5 * (1 + math.cos(math.pi * s)) / 2),
    ],
)
@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_a_schedule_follows_its_formula(shape, formula, progress):
    schedule = Schedule(schedule=shape, start=2.0, end=0.5)
    found = compiled(lambda progress: scheduled(schedule, progress))(np.float32(progress))
    assert found.numpy() == pytest.approx(formula(progress), rel=1e-6)


def test_every_shape_of_a_config_is_known():
    assert set(SHAPES) == set(Schedule.model_fields["schedule"].annotation.__args__)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_schedule_never_falls_below_its_floor(shape):
    schedule = Schedule(schedule=shape, start=2.0, end=0.1, floor=0.5)
    values = [scheduled(schedule, s).numpy() for s in np.linspace(0, 1, 21)]
    assert min(values) == 0.5
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("option", [0.5, 3])
def test_a_number_stays_as_it_is(option):
    assert scheduled(option, 0.3) is option
