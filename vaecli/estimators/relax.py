"""RELAX (Grathwohl et al. 2018, arXiv 1711.00123)."""

import tensorflow as tf

from vaecli.backend.optimizers import adam
from vaecli.backend.random import fold_in, normal
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.rebar import reparameterised, through_softmax, value_and_slope
from vaecli.estimators.sampling import perturbed_logits, sample, with_logits_gradient

HIDDEN = 32  # units of the control variate's one layer
LEARNING_RATE = 1e-3


def initial_state(num_latents: int, num_classes: int, seed: tf.Tensor) -> State:
    """The control variate's weights, initially REBAR with eta = 1, and Adam's moments of them."""
    inputs = num_latents * num_classes
    weights = [
        tf.ones(()),  # eta
        normal(tf.constant([inputs, HIDDEN]), seed=seed) / inputs**0.5,
        tf.zeros((HIDDEN,)),
        tf.zeros((HIDDEN,)),
        tf.zeros(()),
    ]
    return {"weights": weights, "slots": adam(LEARNING_RATE).slots(weights), "steps": tf.zeros((), tf.int32)}


@estimator(initial_state=initial_state, exact_for="every", learns_from="both", decodings=lambda L, K, temperature: 2)
def relax(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, temperature: float) -> Estimate:
    """Score function with a learned control variate; exact in expectation for every loss.

        z = logits + g,  argmax z = the code;   y = softmax(z / temperature)
        c(y)    = eta f(y) + w . tanh(W' y + b) + a
        dlogits = (f(code) - c) (one_hot - p) + T(dc/dz)     (T: `reparameterised` in rebar.py)

    Two decodings. eta, W, w, a, b take a step of Adam each time, down the gradient of the batch's mean squared
    dlogits: the estimate is unbiased, so this is its variance up to a constant. c reads y instead of z, so
    that dlogits sums to 0 over the classes. Differs from the paper in this, and in the temperature being an option;
    z and z given the code share their noise as in rebar.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        temperature: > 0.
    """
    one_hot = sample(logits, seed=fold_in(seed, 0))
    z = tf.stop_gradient(perturbed_logits(logits, one_hot, seed=fold_in(seed, 1)))
    y = tf.nn.softmax(z / temperature)
    relaxed_loss, relaxed_slope = value_and_slope(objective, y)
    loss = objective(one_hot, one_hot)
    fixed_loss, fixed_logits = tf.stop_gradient(loss), tf.stop_gradient(logits)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(state["weights"])
        eta, *network = state["weights"]
        value, slope = _network(network, y)
        slope = through_softmax(eta * relaxed_slope + slope, z, temperature)
        centred = one_hot - tf.nn.softmax(fixed_logits)
        score = (fixed_loss - eta * relaxed_loss - value)[:, None, None] * centred
        gradient = score + reparameterised(slope, z, fixed_logits)
        variance = tf.reduce_mean(tf.reduce_sum(tf.square(gradient), (1, 2)))
    steps = state["steps"] + 1
    down = tape.gradient(variance, state["weights"])
    weights, slots = adam(LEARNING_RATE).update(state["weights"], down, state["slots"], steps)
    learned = tf.nest.map_structure(tf.stop_gradient, {"weights": weights, "slots": slots, "steps": steps})
    return Estimate(with_logits_gradient(loss, logits, gradient), one_hot, learned)


def _network(weights: list[tf.Tensor], y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """w . tanh(W' y + b) + a of y [B, L, K]: [B], and its gradient in y [B, L, K]."""
    W, b, w, a = weights
    hidden = tf.tanh(tf.reshape(y, (-1, W.shape[0])) @ W + b)
    slope = (w * (1 - tf.square(hidden))) @ tf.transpose(W)
    return tf.linalg.matvec(hidden, w) + a, tf.reshape(slope, tf.shape(y))
