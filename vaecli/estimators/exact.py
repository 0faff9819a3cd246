"""The exact gradient, by decoding every code."""

import itertools

import numpy as np
import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import sample


@estimator(exact_for="every", learns_from="values", reads="every code", fixed_by_code=True, decodings=lambda L, K: K**L)
def exact(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor) -> Estimate:
    """The expectation that all others estimate; exact for every loss, at the cost of K^L decodings per step.

        surrogate = sum_c q(c) f(c),   q(c) = prod_l softmax(logits_l)[c_l]
        for one latent   dlogits_k = p_k (f_k - sum_j p_j f_j)

    The codes do not depend on the example, so they are decoded once for the whole batch.

    Args:
        objective: z [C, 1, L, K] -> [C, B].
        logits: [B, L, K].
    """
    codes = all_codes(*logits.shape[1:])
    log_q = tf.einsum("clk,blk->cb", codes, tf.nn.log_softmax(logits))
    surrogate = tf.reduce_sum(tf.exp(log_q) * objective(codes[:, None]), 0)
    return Estimate(surrogate, sample(logits, seed=fold_in(seed, 0)), state)


def all_codes(num_latents: int, num_classes: int) -> tf.Tensor:
    """Every code once, one_hot [K^L, L, K]."""
    codes = list(itertools.product(range(num_classes), repeat=num_latents))
    return tf.constant(np.eye(num_classes, dtype=np.float32)[np.array(codes)])
