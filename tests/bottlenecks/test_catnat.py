"""Probabilities by splits in two, by enumerating the classes."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, small_config, softmax
from vaecli.bottlenecks.catnat import Catnat, branches
from vaecli.models.autoencoder import build

SCORES = np.random.default_rng(0).normal(size=9)


def by_hand(scores, num_classes, activation):
    """Walks from the root of the tree to each leaf."""

    def walk(node, p):
        if node >= num_classes - 1:
            return {node - num_classes + 1: p}
        a = activation(scores[node])
        return walk(2 * node + 1, p * (1 - a)) | walk(2 * node + 2, p * a)

    found = walk(0, 1.0)
    return np.array([found[k] for k in range(num_classes)])


SPLITS = {False: lambda s: ACTIVATIONS[False](s) * ACTIVATIONS[False](-s), True: lambda s: 0.25}  # their information
ACTIVATIONS = {
    False: lambda s: 1 / (1 + np.exp(-s)),
    True: lambda s: (1 + np.sin(s / 2)) / 2 if abs(s) < np.pi else float(s > 0),
}


@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("num_classes", [2, 3, 4, 5, 8, 10])
def test_the_probabilities_are_those_of_the_ways_to_the_leaves_and_sum_to_one(num_classes, natural):
    scores = SCORES[: num_classes - 1]
    log_q = compiled(Catnat(num_classes, natural=natural).log_q)(tf.constant(scores[None], tf.float32))[0]
    np.testing.assert_allclose(np.exp(log_q), by_hand(scores, num_classes, ACTIVATIONS[natural]), rtol=1e-4)
    assert np.exp(log_q).sum() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("num_classes", [4, 5, 8])
@pytest.mark.parametrize(
    ("natural", "of_split"),
    [(False, lambda s: ACTIVATIONS[False](s) * (1 - ACTIVATIONS[False](s))), (True, lambda s: 0.25)],
)
def test_the_fisher_information_is_diagonal(num_classes, natural, of_split):
    """E[d log q (d log q)'] over all classes: the probability of coming to a node, times that of its split."""
    scores = tf.constant(SCORES[: num_classes - 1], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        log_q = Catnat(num_classes, natural=natural).log_q(scores[None])[0]
    slopes = tape.jacobian(log_q, scores).numpy().astype(np.float64)
    q = by_hand(SCORES[: num_classes - 1], num_classes, ACTIVATIONS[natural])
    reached = np.add(*branches(num_classes)) @ q
    expected = np.diag(reached * [SPLITS[natural](s) for s in SCORES[: num_classes - 1]])
    np.testing.assert_allclose(np.einsum("k,ki,kj->ij", q, slopes, slopes), expected, atol=1e-5)


def test_the_fisher_information_of_softmax_is_not():
    """The control of the test above: diag(p) - p p'."""
    p = softmax(SCORES[:4])
    assert np.abs(np.diag(p) - np.outer(p, p))[0, 1] > 0.01


@pytest.mark.parametrize("parameterization", ["catnat", "catnat_sigmoid"])
def test_a_split_may_be_certain(parameterization):
    """Beyond its range the natural activation gives a branch nearly nothing, and a rate that is finite."""
    catnat = Catnat(4, natural=parameterization == "catnat")
    log_q = catnat.log_q(tf.constant([[50.0, -50.0, 50.0]]))
    assert np.argmax(log_q) == 3
    assert np.isfinite(log_q).all()
    assert np.exp(log_q).sum() == pytest.approx(1, abs=1e-5)


def test_the_head_has_a_score_for_each_split():
    config = small_config("{name: gumbel, num_latents: 3, num_classes: 5, parameterization: catnat}")
    head = build(config, (8, 8)).weights["bottleneck/logits/kernel"]
    assert head.shape[-1] == 3 * 4
