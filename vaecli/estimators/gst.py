"""Gapped straight-through (Fan et al. 2022, arXiv 2206.07235)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="constant", fixed_by_code=True)
def gst(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float, gap: float) -> tf.Tensor:
    """gumbel_st with a perturbation that depends on the code alone: less variance, biased for every loss.

        m_1 = one_hot (max logits - logits)                    lifts the code to the top
        m_2 = (1 - one_hot) relu(logits - max logits + gap)    keeps the others `gap` below it
        y   = softmax((logits + m_1 - m_2) / temperature)
        forward    z  = one_hot
        backward   dz = dy, with m_1 and m_2 held fixed

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0.
        gap: > 0; the paper's is 1.
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    top = tf.reduce_max(logits, -1, keepdims=True)
    lifted = one_hot * (top - logits) - (1 - one_hot) * tf.nn.relu(logits - top + gap)
    return with_gradient(one_hot, of=tf.nn.softmax((logits + tf.stop_gradient(lifted)) / temperature))
