"""Gumbel-Rao: straight-through Gumbel-softmax, Rao-Blackwellised (Paulus et al. 2021, arXiv 2010.04838)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import relaxed_code, with_gradient


@pathwise(exact_for="constant")
def gumbel_rao(
    logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float, num_samples: int
) -> tf.Tensor:
    """gumbel_st averaged over the noise that gives the same code: its mean, less variance, still one decoding.

        g_s ~ Gumbel(0, 1), given argmax(logits + g_s) = the code,  s = 1 .. S
        y = mean_s softmax((logits + g_s) / temperature)
        forward    z  = one_hot
        backward   dz = dy, with every g_s held fixed

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0; lower values work than with gumbel_st. The limit at 0 is zgr.
        num_samples: S; with one sample this is gumbel_st.
    Returns:
        z [..., K], one-hot.
    """
    shape = tf.concat([(num_samples,), tf.shape(logits)], 0)
    copies = [tf.broadcast_to(x, shape) for x in (logits, one_hot)]
    y = tf.reduce_mean(relaxed_code(*copies, seed=seed, temperature=temperature), 0)
    return with_gradient(one_hot, of=y)
