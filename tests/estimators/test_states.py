"""What estimators with a state learn, and that they keep it to themselves."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled
from vaecli.backend.random import fold_in
from vaecli.estimators.rebar import reparameterised
from vaecli.estimators.reinforce import DECAY
from vaecli.estimators.sampling import perturbed_logits
from vaecli.registry import METHODS

STATEFUL = ("reinforce", "rebar", "relax")
L, K = 2, 4
LOGITS = tf.constant(np.random.default_rng(0).normal(size=(64, L, K)), tf.float32)
DECODER = tf.constant(np.random.default_rng(1).normal(size=(L, K)), tf.float32)
SEED = tf.constant([1, 2])
OPTIONS = {"rebar": {"temperature": 0.5}, "relax": {"temperature": 0.5}}


def of(name):
    return METHODS[name].estimator.load()


def cubic(z, codes=None, decoder=DECODER):
    return tf.reduce_sum(decoder * z, (-2, -1)) ** 3


def trained(name, steps):
    """The state after a number of steps, and the mean squared gradient on the logits at each."""
    estimator = of(name)

    @compiled
    def step(state, seed):
        with tf.GradientTape() as tape:
            tape.watch(LOGITS)
            estimate = estimator(cubic, LOGITS, state=state, seed=seed, **OPTIONS.get(name, {}))
        return estimate.state, tf.reduce_mean(tf.square(tape.gradient(estimate.surrogate, LOGITS)))

    state = compiled(lambda seed: estimator.initial_state(L, K, seed))(SEED)
    squares = []
    for number in range(steps):
        state, square = step(state, tf.constant([7, number]))
        squares.append(square.numpy())
    return state, squares


@pytest.mark.parametrize("name", STATEFUL)
def test_no_gradient_flows_through_the_new_state(name):
    estimator = of(name)

    @compiled
    def backward(logits, decoder):
        state = estimator.initial_state(L, K, SEED)
        with tf.GradientTape() as tape:
            tape.watch([logits, decoder])
            objective = lambda z, codes=None: cubic(z, decoder=decoder)  # noqa: E731
            estimate = estimator(objective, logits, state=state, seed=SEED, **OPTIONS.get(name, {}))
            leaves = [tf.reduce_sum(x) for x in tf.nest.flatten(estimate.state) if x.dtype.is_floating]
            total = tf.add_n(leaves)
        return tape.gradient(total, [logits, decoder], unconnected_gradients="zero")

    assert not any(gradient.numpy().any() for gradient in backward(LOGITS, DECODER))


def test_the_baseline_is_the_moving_average_of_the_losses_of_earlier_steps():
    """A loss of 5 whatever the code: from the second step on the baseline removes it."""
    estimator = of("reinforce")

    @compiled
    def gradient(state):
        with tf.GradientTape() as tape:
            tape.watch(LOGITS)
            loss = lambda z, codes=None: 5.0 + 0 * tf.reduce_sum(z, (-2, -1))  # noqa: E731
            estimate = estimator(loss, LOGITS, state=state, seed=SEED)
        return estimate.state, tape.gradient(estimate.surrogate, LOGITS)

    state, first = gradient(estimator.initial_state(L, K, SEED))
    assert np.abs(first).max() > 1
    assert state["average"].numpy() == pytest.approx((1 - DECAY) * 5)
    _, second = gradient(state)
    np.testing.assert_allclose(second, 0, atol=1e-4)  # of 5, through a quotient of two small numbers


def test_control_variates_take_variance_away_and_a_learned_one_the_most():
    """Uses the same draws; what is left is a mean of squares, and a good part of it the gradient itself."""
    squares = {name: trained(name, 400)[1] for name in STATEFUL}
    late = {name: np.mean(squares[name][-100:]) for name in STATEFUL}
    assert late["relax"] < late["rebar"] < 0.95 * late["reinforce"]
    assert late["relax"] < np.mean(squares["relax"][:100])


def test_eta_is_one_for_a_loss_that_does_not_see_the_code():
    """The control variate is then the score itself, and nothing is left."""
    estimator = of("rebar")

    @compiled
    def gradient(state):
        with tf.GradientTape() as tape:
            tape.watch(LOGITS)
            loss = lambda z, codes=None: 5.0 + 0 * tf.reduce_sum(z, (-2, -1))  # noqa: E731
            estimate = estimator(loss, LOGITS, state=state, seed=SEED, temperature=0.5)
        return estimate.state, tape.gradient(estimate.surrogate, LOGITS)

    state, first = gradient(estimator.initial_state(L, K, SEED))
    assert -state["cross"].numpy() / state["square"].numpy() == pytest.approx(1)
    for found in (first, gradient(state)[1]):
        np.testing.assert_allclose(found, 0, atol=1e-5)


def test_the_reparameterised_difference_is_the_derivative_through_both_kinds_of_noise():
    """T against automatic differentiation: d(logits + g) less d(logits + g given the code)."""
    one_hot = tf.one_hot(np.random.default_rng(2).integers(0, K, (64, L)), K)
    slope = np.random.default_rng(3).normal(size=LOGITS.shape).astype(np.float32)
    slope = tf.constant(slope - slope.mean(-1, keepdims=True))

    @compiled
    def both(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            z = perturbed_logits(logits, one_hot, seed=fold_in(SEED, 0))
        return reparameterised(slope, z, logits), slope - tape.gradient(z, logits, output_gradients=slope)

    ours, automatic = both(LOGITS)
    np.testing.assert_allclose(ours, automatic, atol=1e-5)  # float32, terms of order one
