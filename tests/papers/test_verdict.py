"""Verdicts by hand: what is within printed digits, a stated tolerance or a spread over seeds, and what is not."""

import math

import pytest

from vaecli.papers.schema import Tolerance, cells_of
from vaecli.papers.verdict import verdict

ANY = next(cell for cell in cells_of("pytorch_examples_vae") if cell.name.endswith("b/train -elbo/e10"))
STATED = Tolerance(absolute=0.5, because="two logs")


def cell(**changes):
    plain = {"value": 100.0, "spread": None, "seeds": 1, "digits": 1, "tolerance": STATED, "metric": "train -elbo"}
    return ANY._replace(**plain | changes)


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ([100.5], "verified"),  # 0.5 stated and 0.05 of rounding
        ([99.46], "verified"),
        ([99.4], "better"),
        ([100.6], "not reproduced"),
        ([], "not run"),
    ],
)
def test_one_seed_is_held_against_the_stated_tolerance(ours, word):
    found = verdict(cell(), ours)
    assert found.word == word
    assert found.why == ("one seed, stated tolerance" if ours else "")


def test_a_published_spread_allows_what_a_draw_of_ours_may_differ_by():
    """t(4) = 2.776 standard deviations of the difference of one run from a mean of five."""
    published = cell(spread=0.5, seeds=5, tolerance=None)
    limit = 2.7764 * 0.5 * math.sqrt(1 + 1 / 5) + 0.05
    assert verdict(published, [100 + limit - 0.001]).word == "verified"
    assert verdict(published, [100 + limit + 0.001]).word == "not reproduced"
    assert verdict(published, [100 - limit - 0.001]).word == "better"
    assert "one seed, the published spread" in verdict(published, [100.0]).why


def test_more_seeds_allow_less():
    published = cell(spread=0.5, seeds=5, tolerance=None)
    one, three = verdict(published, [101.0]), verdict(published, [101.0, 101.01, 100.99])
    assert one.word == "verified"
    assert three.word == "verified"
    assert three.tolerance < one.tolerance
    assert not three.why.startswith("one seed")


def test_without_a_published_spread_three_seeds_of_ours_give_one():
    values = [99.0, 100.0, 104.0]
    spread = math.sqrt(sum((x - 101) ** 2 for x in values) / 2)
    found = verdict(cell(), values)
    assert found.tolerance == pytest.approx(4.3027 * spread * math.sqrt(1 + 1 / 3) + 0.05, rel=1e-4)
    assert found.word == "inconclusive"  # more than 5 % of the figure


def test_seeds_that_do_not_resolve_a_difference_say_so():
    assert verdict(cell(), [100.0, 102.0]).word == "inconclusive"
    assert verdict(cell(), [101.9, 102.0]).word == "not reproduced"


def test_a_spread_that_would_verify_anything_verifies_nothing():
    assert verdict(cell(spread=50.0, seeds=5, tolerance=None), [120.0]).word == "inconclusive"


def test_of_a_rate_neither_more_nor_less_is_better():
    for ours in ([90.0], [110.0]):
        assert verdict(cell(metric="train rate"), ours).word == "not reproduced"


def test_a_higher_perplexity_is_better():
    assert verdict(cell(metric="test perplexity"), [110.0]).word == "better"


def test_a_shortened_protocol_is_a_toy_whatever_it_gives():
    found = verdict(cell(shortened="10 of 100 epochs"), [100.0])
    assert (found.word, found.why) == ("toy", "10 of 100 epochs")


def test_a_figure_in_another_unit_is_turned_into_ours():
    published = cell(value=400.0, times=0.25, plus=1.0, digits=0, tolerance=None)
    assert published.published == 101.0
    assert verdict(published, [101.125]).word == "verified"  # half of a printed 1, times 0.25
    assert verdict(published, [101.13]).word == "not reproduced"
