"""Bounds on log p(x), against sums over all codes in plain numpy."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from helpers import softmax
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.evaluation import bounds
from vaecli.evaluation.bounds import Sampling, enumerable, per_image
from vaecli.models.autoencoder import build

DATA = digits()
IMAGES = DATA.floats(DATA.test.images)
DENSITIES = {
    "bernoulli": lambda x, y: (x * y - np.logaddexp(0, y)).sum(-1),
    "gaussian, scale: 0.2": lambda x, y: (-(((x - y) / 0.2) ** 2) / 2 - math.log(0.2) - math.log(2 * math.pi) / 2).sum(
        -1
    ),
}


def autoencoder(model, *, likelihood="bernoulli", prior="uniform"):
    """A narrow one whose posteriors, decoded images and prior differ clearly from one another."""
    beta = f", beta: 1.0, prior: {prior}" if prior == "learned" else ""
    text = f"model: {model}\nnetwork: {{hidden: [16]}}\nobjective: {{likelihood: {likelihood}{beta}}}"
    made = build(config_from_text(text), (8, 8), DATA.mean_image)
    rng = np.random.default_rng(0)
    for name, weight in made.weights.items():
        if name.endswith("logits/kernel") or name.startswith("decoder/decoder_0"):
            weight.assign(3 * weight)
        elif name == "bottleneck/prior/logits":
            weight.assign(rng.normal(size=weight.shape))
    return made


CODES = "{name: straight_through, num_latents: 2, num_classes: 4}"


@pytest.fixture(scope="module")
def tiny():
    return autoencoder(CODES, prior="learned")


def by_hand(model, images, density):
    """log p(x, z) and q(z|x) of each image and each of the 16 codes, [B, 16], one after another in float64."""
    kernel, bias = (model.weights[f"encoder/encoder_0/{part}"].numpy() for part in ("kernel", "bias"))
    features = np.maximum(images.reshape(len(images), -1) @ kernel + bias, 0)
    kernel, bias = (model.weights[f"bottleneck/logits/{part}"].numpy() for part in ("kernel", "bias"))
    q = softmax((features @ kernel + bias).reshape(-1, 2, 4))
    prior = model.weights.get("bottleneck/prior/logits")
    p = np.full((2, 4), 1 / 4) if prior is None else softmax(prior.numpy())
    joint, posterior = np.zeros((2, len(images), 16))
    for column, (one, two) in enumerate(itertools.product(range(4), repeat=2)):
        z = np.eye(4, dtype=np.float32)[[one, two]][None]
        decoded = model.decode(tf.constant(z)).numpy().astype(np.float64)
        joint[:, column] = density(images.reshape(len(images), -1).astype(np.float64), decoded)
        joint[:, column] += np.log(p[0, one] * p[1, two])
        posterior[:, column] = q[:, 0, one] * q[:, 1, two]
    return joint, posterior


@pytest.mark.parametrize("prior", ["uniform", "learned"])
@pytest.mark.parametrize("likelihood", DENSITIES)
def test_log_p_and_the_gap_are_sums_over_all_codes(likelihood, prior):
    model = autoencoder(CODES, likelihood=likelihood, prior=prior)
    joint, q = by_hand(model, IMAGES, DENSITIES[likelihood])
    log_p = np.log(np.exp(joint - joint.max()).sum(1)) + joint.max()
    elbo = (q * (joint - np.log(q))).sum(1)
    found = per_image(model, IMAGES, samples=None, seed=0)
    assert found.bound is None
    np.testing.assert_allclose(found.log_p, log_p, rtol=1e-5)
    np.testing.assert_allclose(found.gap, log_p - elbo, rtol=1e-3, atol=1e-4)  # of float32's logits and outputs
    assert found.gap.mean() > 0.1
    assert found.gap.min() > 0


def test_the_gap_of_a_point_is_what_its_code_misses():
    """log p(x) + distortion + rate, with the rate its whole capacity."""
    model = autoencoder("{name: vqvae, num_latents: 2, num_codes: 5}")
    found = per_image(model, IMAGES, samples=None, seed=0)
    latents = model.bottleneck.encode(model.encoder(IMAGES))
    distortion = model.distortion(IMAGES.reshape(-1, 64), latents.z).numpy()
    np.testing.assert_allclose(found.gap, found.log_p + distortion + 2 * math.log(5), atol=1e-4)
    assert found.gap.min() > 0


@pytest.mark.parametrize("enumerated", [True, False])
def test_more_samples_raise_the_bound_to_log_p(tiny, enumerated):
    """At 5,000 of them the two agree within the interval of their difference, where one sample is far below."""
    numbers = (1, 5, 50, 5000) if enumerated else (1, 5000)  # each is a program
    images = IMAGES[:120]
    log_p = per_image(tiny, images, samples=None, seed=0).log_p

    def bound(samples):
        return (per_image(tiny, images, samples=samples, seed=0) if enumerated else decoded(samples)).bound

    def decoded(samples):
        return Sampling(tiny, len(images), samples)(images, (0, 0))

    found = {samples: bound(samples) for samples in numbers}
    means = [bound.mean() for bound in found.values()]
    assert means == sorted(means)
    assert means[-2] < log_p.mean()
    errors = {samples: (log_p - bound).std(ddof=1) / len(images) ** 0.5 for samples, bound in found.items()}
    assert log_p.mean() - means[0] > 4 * errors[1]
    assert abs(log_p.mean() - means[-1]) < 4 * errors[5000]
    assert errors[5000] < 0.02


def test_the_bound_of_one_sample_is_the_elbo_on_average(tiny):
    one = per_image(tiny, np.repeat(IMAGES[:1], 4000, 0), samples=1, seed=0)
    elbo = (one.log_p - one.gap)[0]
    assert abs(one.bound.mean() - elbo) < 4 * one.bound.std() / 4000**0.5


def test_the_bound_of_a_gaussian_comes_to_its_integral():
    """One dimension, on a grid; the other images of a batch that is filled up count for nothing."""
    model = autoencoder("{name: vae, latent_dim: 1}")
    assert enumerable(model) is None
    grid = np.linspace(-8, 8, 4001)
    decoded = model.decode(tf.constant(grid[:, None, None], tf.float32)).numpy().astype(np.float64)
    flat = IMAGES[:30].reshape(30, 64).astype(np.float64)
    joint = flat @ decoded.T - np.logaddexp(0, decoded).sum(1) - grid**2 / 2 - math.log(2 * math.pi) / 2
    log_p = np.log(np.trapezoid(np.exp(joint - joint.max()), grid, axis=1)) + joint.max()
    found = per_image(model, IMAGES[:30], samples=2000, seed=0)
    assert (found.log_p, found.gap, found.bound.shape) == (None, None, (30,))
    np.testing.assert_allclose(found.bound, log_p, atol=0.2)
    assert abs((found.bound - log_p).mean()) < 0.02


@pytest.mark.parametrize("model", [CODES, "{name: vae, latent_dim: 2}"])
def test_one_seed_gives_one_bound_whatever_follows(model, monkeypatch):
    """Images after a batch change nothing in it, and no two batches have the same draws."""
    monkeypatch.setattr(bounds, "IMAGES", 50)
    monkeypatch.setattr(bounds, "ENUMERATED", 50)
    made = autoencoder(model)
    twice = np.concatenate([IMAGES[:50]] * 2)
    one, again, other = (per_image(made, twice, samples=3, seed=seed).bound for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[:50], per_image(made, IMAGES[:50], samples=3, seed=0).bound)
    assert (one[:50] != one[50:]).any()
    assert (one != other).any()


def test_draws_are_taken_in_as_many_calls_as_memory_asks_for(monkeypatch):
    made, seen = autoencoder("{name: vae, latent_dim: 2}"), []
    whole = per_image(made, IMAGES, samples=400, seed=0).bound
    monkeypatch.setattr(bounds, "NUMBERS", 30 * 100 * 64)
    parts = per_image(made, IMAGES, samples=400, seed=0, told=seen.append).bound
    assert seen == [100, 200, 300, 360]
    difference = whole - parts  # others of the same law
    assert 0 < abs(difference.mean()) < 4 * difference.std() / 360**0.5


@pytest.mark.parametrize(
    ("model", "number"),
    [
        ("{name: gumbel, num_classes: 16384}", 16_384),
        ("{name: gumbel, num_classes: 16385}", None),
        ("{name: gumbel, num_latents: 14, num_classes: 2}", 16_384),
        ("{name: gumbel, num_latents: 20, num_classes: 10}", None),
        ("vqvae", 10),
        ("vae", None),
    ],
)
def test_codes_are_enumerated_up_to_a_limit(model, number):
    assert enumerable(build(config_from_text(f"model: {model}\nnetwork: {{hidden: [4]}}"), (8, 8))) == number


def test_the_product_of_all_pairs_is_their_distortion():
    model = autoencoder("gumbel")
    flat, outputs = tf.constant(IMAGES[:20].reshape(20, 64)), model.decode(tf.eye(10)[:, None])
    expected = model.likelihood.distortion(flat, outputs[:, None])
    np.testing.assert_allclose(model.likelihood.of_pairs(flat, outputs), expected, rtol=1e-5)
