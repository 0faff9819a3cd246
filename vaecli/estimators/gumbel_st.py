"""Straight-through Gumbel-softmax (Jang et al. 2017, arXiv 1611.01144, section 2.2)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import relaxed_code, with_gradient


@pathwise(exact_for="constant")
def gumbel_st(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float) -> tf.Tensor:
    """The code forward, the relaxed code of the same noise backward: no relaxation gap, but biased for every loss.

        g ~ Gumbel(0, 1), given argmax(logits + g) = the code
        y = softmax((logits + g) / temperature)
        forward    z  = one_hot
        backward   dz = dy, with g held fixed

    Differs from the paper only in the order of the draws: code first, then its noise, with the same distribution.

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0. To 0: less bias, and a variance that grows without bound.
    Returns:
        z [..., K], one-hot.
    """
    return with_gradient(one_hot, of=relaxed_code(logits, one_hot, seed=seed, temperature=temperature))
