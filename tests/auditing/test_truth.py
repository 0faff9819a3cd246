"""The exact gradient by enumeration, against slower ways to it."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, exact_gradient, small_config
from vaecli.auditing import truth
from vaecli.auditing.subjects import TOYS, Checkpoint, Toy
from vaecli.data.digits import digits
from vaecli.models.autoencoder import build
from vaecli.registry import METHODS

SEED = tf.constant([1, 2])


def test_of_one_latent_it_is_the_textbook_formula():
    logits = np.random.default_rng(0).normal(size=(3, 1, 4))
    losses = np.random.default_rng(1).normal(size=(4, 3))
    found = truth.exact_gradient(logits, losses)
    for image in range(3):
        np.testing.assert_allclose(found[image, 0], exact_gradient(logits[image, 0], losses[:, image]), rtol=1e-12)


def test_of_three_latents_it_is_the_slope_of_the_sum_over_all_codes():
    """Compares with central differences in float64, term by term."""
    L, K = 3, 2
    logits = np.random.default_rng(0).normal(size=(2, L, K))
    losses = np.random.default_rng(1).normal(size=(K**L, 2))

    def expected(logits):
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        terms = [
            p[:, 0, a] * p[:, 1, b] * p[:, 2, c] * losses[(a * K + b) * K + c]
            for a in range(K)
            for b in range(K)
            for c in range(K)
        ]
        return np.sum(terms, 0)

    found = truth.exact_gradient(logits, losses)
    for place in np.ndindex(2, L, K):
        step = np.zeros_like(logits)
        step[place] = 1e-6
        slope = (expected(logits + step) - expected(logits - step))[place[0]] / 2e-6
        assert found[place] == pytest.approx(slope, abs=1e-8)


def autodiff(subject, weights):
    """Through the surrogate of `exact`: on the logits, and on the weights through the mean over images."""

    @compiled
    def backward(weights):
        with subject.at(weights), tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            logits = subject.logits()
            tape.watch(logits)
            surrogate = METHODS["exact"].estimator.load()(subject.objective, logits, state=(), seed=SEED).surrogate
            mean = tf.reduce_mean(surrogate)
        below = [weights[i] for i in getattr(subject, "below", [])]
        pulled = [tf.reshape(x, (-1,)) for x in tape.gradient(mean, below)]
        return tape.gradient(surrogate, logits), tf.concat([*pulled, tf.zeros((0,))], 0)

    return [x.numpy() for x in backward(weights)]


@pytest.mark.parametrize("objective", TOYS)
def test_of_a_toy_it_is_what_autodiff_gives(objective):
    subject = Toy(objective, num_images=5, num_latents=2, num_classes=4, seed=0)
    gradient, _ = autodiff(subject, [])
    np.testing.assert_allclose(truth.Truth(subject)([]), gradient, atol=1e-5)


def test_of_a_checkpoint_it_is_what_autodiff_gives_on_logits_and_weights(monkeypatch):
    monkeypatch.setattr(truth, "DECODED_AT_ONCE", 6 * 64 * 4)  # several parts, the last one smaller
    config = small_config("gumbel", extra="objective: {likelihood: bernoulli}")
    config = config.model_copy(update={"model": config.model.model_copy(update={"num_latents": 2, "unimix": 0.1})})
    data = digits()
    autoencoder = build(config, data.image_shape)
    subject = Checkpoint(autoencoder, data.floats(data.test.images[:6]))
    weights = [tf.identity(variable.value) for variable in autoencoder.weights.values()]
    gradient, below = autodiff(subject, weights)
    measured = truth.Truth(subject)
    exact = measured(weights)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(exact, gradient, atol=1e-4 * scale)  # float32 sums over 100 codes
    np.testing.assert_allclose(measured.pull(weights, exact), below, atol=1e-4 * np.abs(below).max())
