import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, softmax
from vaecli.backend import random
from vaecli.estimators import sampling


def uniforms(monkeypatch, values):
    """The uniforms that all draws are made of."""
    monkeypatch.setattr(random, "uniform", lambda shape, *, seed: tf.reshape(tf.constant(values, tf.float32), shape))
    monkeypatch.setattr(sampling, "uniform", random.uniform)


def test_a_code_is_drawn_with_its_probability(monkeypatch):
    """Enumerates u on a fine grid: the share of the grid that gives a code is the code's probability."""
    logits = np.array([0.3, -1.2, 2.0, 0.0], np.float32)
    grid = (np.arange(4000, dtype=np.float32) + 0.5) / 4000
    uniforms(monkeypatch, grid)
    codes = sampling.sample(tf.constant(np.tile(logits, (4000, 1))), seed=tf.constant([0, 0])).numpy()
    np.testing.assert_allclose(codes.mean(0), softmax(logits), atol=1 / 4000)


@pytest.mark.parametrize("u", [1e-38, 0.5, np.nextafter(np.float32(1), np.float32(0))])
def test_every_u_gives_one_code_and_never_an_impossible_one(monkeypatch, u):
    logits = np.array([[-1e9, 0.0, 1.0, -1e9], [-80.0, -1e9, 3.0, -1e9]], np.float32)
    uniforms(monkeypatch, [u, u])
    codes = sampling.sample(tf.constant(logits), seed=tf.constant([0, 0])).numpy()
    assert np.array_equal(codes.sum(-1), [1, 1])
    assert not codes[logits == -1e9].any()


def test_draws_follow_the_softmax():
    logits = tf.constant([1.2, 2.3, 1.4, 3.3, 0.1])
    draws = 100_000
    codes = compiled(sampling.sample)(tf.tile(logits[None], (draws, 1)), seed=tf.constant([0, 1])).numpy()
    p = softmax(logits.numpy())
    z = (codes.mean(0) - p) / np.sqrt(p * (1 - p) / draws)
    assert np.abs(z).max() < 4


@pytest.mark.parametrize("scale", [1.0, 10.0, 50.0])
@pytest.mark.parametrize("K", [2, 10, 40])
def test_conditional_gumbels_keep_the_code_as_their_argmax(K, scale):
    """Even where the code is all but impossible."""
    logits = np.random.default_rng(K).normal(0, scale, (500, K)).astype(np.float32)
    codes = np.random.default_rng(K + 1).integers(0, K, 500)
    one_hot = np.eye(K, dtype=np.float32)[codes]
    perturbed = compiled(sampling.perturbed_logits)(logits, one_hot, seed=tf.constant([5, 6])).numpy()
    assert np.isfinite(perturbed).all()
    assert np.array_equal(perturbed.argmax(-1), codes)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_conditional_gumbels_follow_their_formula(monkeypatch, scale):
    """-log E_i + log Z for the code, -log(E_j / exp(logits_j) + E_i / Z) for the others, in float64."""
    rng = np.random.default_rng(0)
    logits, u = rng.normal(0, scale, (30, 6)), rng.uniform(size=(30, 6)).astype(np.float32)
    codes = rng.integers(0, 6, 30)
    uniforms(monkeypatch, u)
    one_hot = np.eye(6, dtype=np.float32)[codes]
    found = sampling.perturbed_logits(tf.constant(logits, tf.float32), one_hot, seed=tf.constant([0, 0])).numpy()
    exponential, Z = -np.log(u.astype(np.float64)), np.exp(logits).sum(1)
    for n, i in enumerate(codes):
        for j in range(6):
            of_code = -np.log(exponential[n, i]) + np.log(Z[n])
            other = -np.log(exponential[n, j] / np.exp(logits[n, j]) + exponential[n, i] / Z[n])
            assert found[n, j] == pytest.approx(of_code if i == j else other, rel=1e-5, abs=1e-5)


def test_conditional_gumbels_of_drawn_codes_are_gumbels():
    """Codes enumerated and weighted by p: mean 0.5772, variance pi^2 / 6, and no class depends on another."""
    logits, draws = np.array([0.5, -1.0, 1.5], np.float32), 100_000
    p = softmax(logits)
    noise = np.stack(
        [
            compiled(sampling.perturbed_logits)(
                np.tile(logits, (draws, 1)), np.tile(one_hot, (draws, 1)), seed=tf.constant([7, code])
            ).numpy()
            - logits
            for code, one_hot in enumerate(np.eye(3, dtype=np.float32))
        ]
    ).astype(np.float64)
    mean = np.einsum("c,cnk->k", p, noise) / draws
    variance = np.einsum("c,cnk->k", p, (noise - np.euler_gamma) ** 2) / draws
    error = np.sqrt(np.einsum("c,ck->k", p**2, noise.var(1)) / draws)
    assert np.abs((mean - np.euler_gamma) / error).max() < 4
    for i, j in ((0, 1), (0, 2), (1, 2)):
        products = (noise[..., i] - np.euler_gamma) * (noise[..., j] - np.euler_gamma)
        assert abs(p @ products.mean(1)) < 4 * np.sqrt(p**2 @ products.var(1) / draws)
    np.testing.assert_allclose(variance, np.pi**2 / 6, rtol=0.02)  # its own error is about 0.7%


def test_with_gradient_is_exactly_its_value():
    value = tf.constant(np.random.default_rng(0).normal(size=1000), tf.float32)
    surrogate = tf.constant(1e6 * np.random.default_rng(1).normal(size=1000), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([value, surrogate])
        z = sampling.with_gradient(value, of=tf.square(surrogate))
    assert np.array_equal(z, value)
    of_value, of_surrogate = tape.gradient(z, [value, surrogate])
    assert of_value is None
    assert np.array_equal(of_surrogate, 2 * surrogate)


@pytest.mark.parametrize("K", [2, 20])
def test_the_mode_is_the_most_probable_class_and_one_of_them_in_a_tie(K):
    logits = np.random.default_rng(K).integers(0, 3, (100, K)).astype(np.float32)
    codes = sampling.mode(tf.constant(logits)).numpy()
    assert np.array_equal(codes, np.eye(K, dtype=np.float32)[logits.argmax(-1)])
