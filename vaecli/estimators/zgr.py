"""ZGR, Gumbel-Rao at temperature zero (Shekhovtsov 2023, "Cold analysis of Rao-Blackwellized straight-through")."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import log_probability, with_gradient


@pathwise(exact_for="quadratic", fixed_by_code=True)
def zgr(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """The mean of straight_through and darn; exact in expectation when the loss is quadratic in z.

        p = softmax(logits),  q = p of the code
        forward    z  = one_hot
        backward   dz = dp / 2 + (one_hot - p) d log q / 2

    Draw by draw it is reinmax at temperature 1.

    Args:
        logits: [..., K]; one_hot: [..., K].
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    p = tf.nn.softmax(logits)
    centred = tf.stop_gradient(one_hot - p)
    return with_gradient(one_hot, of=(p + centred * log_probability(logits, one_hot)) / 2)
