"""The naive estimator: draw a code, decode it, and hope."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise


@pathwise(exact_for="constant", fixed_by_code=True)
def categorical(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """The code unchanged: argmax has no gradient, so none reaches the logits.

        forward    z  = one_hot
        backward   dz = 0

    Only the decoder learns, and the best it can do with codes that mean nothing is the mean image.

    Args:
        logits: [..., K]; one_hot: [..., K].
    Returns:
        z [..., K], one-hot.
    """
    del logits, seed  # unused here; other estimators need them
    return one_hot
