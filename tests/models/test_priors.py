"""Priors over codes: probabilities by enumeration, and what is drawn from them."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest

from vaecli.config.latent import Latent
from vaecli.models import priors
from vaecli.models.priors import AutoregressivePrior, IndependentPrior

GRID = Latent((2, 2), 2, (2, 3), 1)  # 1,296 different codes
EVERY = np.array(list(itertools.product(*(range(values) for values in (2, 3) * 4))), np.int32)


def wild(num_classes=1, latent=GRID):
    """A transformer with weights so large that its probabilities are far from equal."""
    prior = AutoregressivePrior(latent, num_classes, seed=3)
    rng = np.random.default_rng(0)
    prior.assign(
        {name: array + rng.normal(0, 0.3, array.shape).astype(np.float32) for name, array in prior.arrays().items()}
    )
    return prior


def counted():
    codes = EVERY[np.random.default_rng(1).integers(0, len(EVERY), 50) ** 2 % len(EVERY)]
    return IndependentPrior.fit(GRID, codes, np.arange(50) % 2, 2), codes


@pytest.mark.parametrize("prior", [wild(2), counted()[0]], ids=["autoregressive", "independent"])
@pytest.mark.parametrize("of_class", [0, 1])
def test_the_probabilities_of_all_codes_sum_to_one(prior, of_class):
    p = np.exp(prior.log_p(EVERY, np.full(len(EVERY), of_class)))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert p.max() > 3 / len(EVERY)


def test_counts_are_those_of_a_loop_and_one_more():
    prior, codes = counted()
    for image, of_class in ((7, 0), (12, 1)):
        expected = 0.0
        for place, values in enumerate((2, 3) * 4):
            same = sum(codes[i, place] == codes[image, place] for i in range(50) if i % 2 == of_class)
            expected += np.log((same + 1) / (25 + values))
        assert prior.log_p(codes[image : image + 1], np.array([of_class])) == pytest.approx([expected], rel=1e-12)


DRAWS = 100_000
APART = replace(GRID, width=2)


@pytest.fixture(params=["autoregressive", "independent"])
def prior(request, monkeypatch):
    """A prior that draws quickly: a narrow transformer, in programs of its own, as its latent has another width."""
    for name, value in {"WIDTH": 8, "HEADS": 2, "BLOCKS": 1, "AT_ONCE": DRAWS // 5}.items():
        monkeypatch.setattr(priors, name, value)
    return wild(latent=APART) if request.param == "autoregressive" else counted()[0]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_drawn_codes_are_as_frequent_as_they_are_probable(prior, temperature):
    """Chi-square over the first three codes of 100,000 draws; p^(1/T) is normalised code by code."""
    drawn = prior.draw(DRAWS, temperature=temperature, of_class=0, seed=4)
    assert drawn.shape == (DRAWS, 8)
    first = np.array(list(itertools.product(range(2), range(3), range(2))))
    joint = np.exp(prior.log_p(EVERY, np.zeros(len(EVERY), int)))
    expected = []
    for codes in first:
        p = 1.0
        for place, code in enumerate(codes):
            of_prefix = (EVERY[:, :place] == codes[:place]).all(1)
            share = [joint[of_prefix & (EVERY[:, place] == value)].sum() for value in range((2, 3)[place % 2])]
            sharp = (np.array(share) / sum(share)) ** (1 / temperature)
            p *= sharp[code] / sharp.sum()
        expected.append(DRAWS * p)
    found = [(drawn[:, :3] == codes).all(1).sum() for codes in first]
    assert sum(expected) == pytest.approx(DRAWS, rel=1e-5)
    chi_square = (np.square(np.array(found) - expected) / expected).sum()
    assert chi_square < 31.3  # 11 degrees of freedom: exceeded once in 1,000


@pytest.mark.parametrize("prior", [wild(), counted()[0]], ids=["autoregressive", "independent"])
def test_at_temperature_0_every_code_is_the_most_probable_of_its_step(prior):
    drawn = prior.draw(3, temperature=0, of_class=0, seed=4)
    assert (drawn == drawn[0]).all()
    joint = np.exp(prior.log_p(EVERY, np.zeros(len(EVERY), int)))
    there = np.full(len(EVERY), True)
    for place, values in enumerate((2, 3) * 4):
        shares = [joint[there & (EVERY[:, place] == value)].sum() for value in range(values)]
        assert drawn[0, place] == int(np.argmax(shares))
        there &= EVERY[:, place] == drawn[0, place]


def test_seeds_draw_other_codes_and_one_seed_the_same():
    prior = wild()
    one, again, other = (prior.draw(300, temperature=1, of_class=0, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[:50], one[250:])  # of two calls


@pytest.mark.parametrize("prior", [wild(2), counted()[0]], ids=["autoregressive", "independent"])
def test_a_prior_is_what_its_arrays_are(prior):
    again = type(prior).from_arrays(GRID, prior.arrays(), 2)
    some = EVERY[::97]
    assert np.array_equal(again.log_p(some, np.ones(len(some), int)), prior.log_p(some, np.ones(len(some), int)))
    for wrong in ({}, {name: array[:1] for name, array in prior.arrays().items()}):
        with pytest.raises((KeyError, ValueError)):
            type(prior).from_arrays(GRID, wrong, 2)


@pytest.mark.parametrize("num_classes", [1, 2])
def test_an_exported_prior_has_the_log_p_of_every_code_in_plain_keras(num_classes, tmp_path):
    prior, some = wild(num_classes), EVERY[::97]
    prior.export().save(tmp_path / "prior.keras")
    model = keras.models.load_model(tmp_path / "prior.keras", safe_mode=True)
    codes = some.reshape(-1, 2, 2, 2)
    for of_class in range(num_classes):
        labels = np.full(len(some), of_class)
        found = np.asarray(model([codes, labels.astype(np.int32)] if num_classes > 1 else codes))
        assert found.shape == (len(some), 2, 2, 2, 3)
        assert (found[..., 0, 2] < -1e8).all()  # the first code of a position has two values
        picked = np.take_along_axis(found, codes[..., None], -1)[..., 0]
        assert picked.reshape(-1, 8).sum(1) == pytest.approx(prior.log_p(some, labels), abs=1e-4)
