"""REBAR (Tucker et al. 2017, arXiv 1703.07370)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import perturbed_logits, sample, with_logits_gradient

DECAY = 0.99  # decay of the moments whose ratio is eta


def initial_state(num_latents: int, num_classes: int, seed: tf.Tensor) -> State:
    """Moving averages of two products of gradients; eta is 1 until there are any."""
    del num_latents, num_classes, seed
    return {"cross": tf.zeros(()), "square": tf.zeros(())}


@estimator(initial_state=initial_state, exact_for="every", learns_from="both", decodings=lambda L, K, temperature: 2)
def rebar(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, temperature: float) -> Estimate:
    """Score function with a relaxed loss, scaled by eta, as control variate; exact in expectation for every loss.

        z = logits + g,  argmax z = the code;   c = f(softmax(z / temperature))
        dlogits = f(code) (one_hot - p) + eta (-c (one_hot - p) + T(dc/dz))     (T: `reparameterised`)
        eta     = -E[score . control] / E[control . control], the first and second factor of the sum above

    Two decodings. Differs from the paper, which takes gradient steps on eta and the temperature: eta is the least
    squares solution from moving averages over earlier steps, so that it needs no learning rate and is independent of
    this step's draw; the temperature is an option. The paper couples the noise of z and of z given the code; here
    both have the same value and differ only in their derivatives.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        temperature: > 0.
    """
    one_hot = sample(logits, seed=fold_in(seed, 0))
    z = tf.stop_gradient(perturbed_logits(logits, one_hot, seed=fold_in(seed, 1)))
    relaxed_loss, slope = value_and_slope(objective, tf.nn.softmax(z / temperature))
    loss = objective(one_hot, one_hot)
    centred = one_hot - tf.nn.softmax(logits)
    score = loss[:, None, None] * centred
    control = reparameterised(through_softmax(slope, z, temperature), z, logits)
    control -= relaxed_loss[:, None, None] * centred
    eta = tf.where(state["square"] > 0, -tf.math.divide_no_nan(state["cross"], state["square"]), 1.0)
    products = {"cross": score * control, "square": control * control}
    moments = {
        name: tf.stop_gradient(DECAY * state[name] + (1 - DECAY) * tf.reduce_mean(product))
        for name, product in products.items()
    }
    return Estimate(with_logits_gradient(loss, logits, score + eta * control), one_hot, moments)


def value_and_slope(objective: Objective, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The loss [B] at y [B, L, K] and its gradient in y, as constants: nothing reaches the decoder's weights."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(y)
        value = objective(y)
    return tf.stop_gradient(value), tf.stop_gradient(tape.gradient(value, y))


def through_softmax(slope: tf.Tensor, z: tf.Tensor, temperature: float) -> tf.Tensor:
    """The gradient in z [B, L, K], where `slope` is the one in y = softmax(z / temperature)."""
    y = tf.nn.softmax(z / temperature)
    return y * (slope - tf.reduce_sum(y * slope, -1, keepdims=True)) / temperature


def reparameterised(slope: tf.Tensor, z: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """T: what `slope`, a gradient in z [B, L, K], gives in the logits by free noise less by noise given the code.

    z = logits + g                      has dz = dlogits
    z = `perturbed_logits` of the code  has dz_j = (1 - e_j) dlogits_j + e_j p . dlogits,   e = exp(z - max z)
    T(slope) = e slope - p (e . slope)  for a slope that sums to 0 over the classes, as all through a softmax do
    """
    weighted = tf.exp(z - tf.reduce_max(z, -1, keepdims=True)) * slope
    return weighted - tf.nn.softmax(logits) * tf.reduce_sum(weighted, -1, keepdims=True)
