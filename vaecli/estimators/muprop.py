"""MuProp (Gu et al. 2016, arXiv 1511.05176)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.rebar import value_and_slope
from vaecli.estimators.sampling import sample, with_logits_gradient


@estimator(exact_for="every", learns_from="both", fixed_by_code=True, decodings=lambda L, K: 2)
def muprop(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor) -> Estimate:
    """Score function of the part of the loss that is not linear, at the mean code p = softmax(logits).

        h(z)    = f(p) + f'(p) . (z - p)
        dlogits = (f(code) - h(code)) (one_hot - p) + J(p) f'(p),   J(p) = diag(p) - p p'

    The second term is the exact gradient of E h, so the sum is exact in expectation for every loss, and for linear ones
    without any variance. Two decodings, of the code and of p; the decoder is trained on the code. Differs from the
    paper, which subtracts learned and input-dependent baselines too: what they gain is not of this idea.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
    """
    one_hot = sample(logits, seed=fold_in(seed, 0))
    p = tf.stop_gradient(tf.nn.softmax(logits))
    at_mean, slope = value_and_slope(objective, p)
    loss = objective(one_hot, one_hot)
    centred = one_hot - p
    rest = loss - at_mean - tf.reduce_sum(slope * centred, (1, 2))
    linear = p * (slope - tf.reduce_sum(p * slope, -1, keepdims=True))
    return Estimate(with_logits_gradient(loss, logits, rest[:, None, None] * centred + linear), one_hot, state)
