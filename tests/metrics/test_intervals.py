import math

import pytest

from vaecli.metrics.intervals import Interval, interval, paired, resolved


def test_three_values_by_hand():
    """Mean 2, standard deviation 1, t(0.975, 2) = 4.302653: 4.302653 / sqrt 3."""
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half_width == pytest.approx(2.484138, abs=1e-6)
    assert found.runs == 3


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706205), (5, 2.776445), (11, 2.228139)])
def test_the_quantiles_are_those_of_the_tables(count, quantile):
    values = [0.0] * (count - 1) + [1.0]
    deviation = math.sqrt((1 - 1 / count) / (count - 1))
    assert interval(values).half_width == pytest.approx(quantile * deviation / math.sqrt(count), rel=1e-6)


def test_one_value_has_no_interval_and_none_no_mean():
    assert interval([3.0]) == Interval(3.0, None, 1)
    with pytest.raises(ValueError, match="at least one"):
        interval([])


def test_pairing_takes_out_what_seeds_have_in_common():
    """The seeds differ by 10, the methods by 1 at every seed but for 0.1: resolved only when paired."""
    one = {0: 11.0, 1: 21.1, 2: 30.9}
    two = {0: 10.0, 1: 20.0, 2: 30.0, 7: 99.0}
    difference = paired(one, two)
    assert difference.runs == 3
    assert difference.mean == pytest.approx(1.0)
    assert difference.half_width == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)
    assert resolved(difference)
    assert interval(list(one.values())).half_width > 1


def test_what_is_not_resolved():
    assert not resolved(paired({0: 1.0, 1: 2.0}, {0: 1.1, 1: 1.8}))
    assert not resolved(paired({0: 1.0}, {0: 2.0}))
    assert not resolved(paired({0: 1.0}, {1: 2.0}))
    assert paired({0: 1.0}, {1: 2.0}) is None
