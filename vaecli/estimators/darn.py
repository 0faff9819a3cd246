"""The estimator of deep autoregressive networks (Gregor et al. 2014, arXiv 1310.8499), for categoricals."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import log_probability, with_gradient


@pathwise(exact_for="linear", fixed_by_code=True)
def darn(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """Score function with a baseline from a first-order expansion; exact in expectation when the loss is linear in z.

        p = softmax(logits),  q = p of the code
        forward    z  = one_hot
        backward   dz = (one_hot - p) d log q

    which puts (g . (one_hot - p)) (one_hot - p) on the logits, g the loss's gradient at z. The paper has binary codes;
    this is its form for categoricals (as in Shekhovtsov 2023, see zgr).

    Args:
        logits: [..., K]; one_hot: [..., K].
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    centred = tf.stop_gradient(one_hot - tf.nn.softmax(logits))
    return with_gradient(one_hot, of=centred * log_probability(logits, one_hot))
