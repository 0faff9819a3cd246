"""Straight-through (Bengio et al. 2013, arXiv 1308.3432; for categoricals as in DreamerV2, arXiv 2010.02193)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="linear", fixed_by_code=True)
def straight_through(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """The code forward, its probabilities backward; exact in expectation when the loss is linear in z.

        p = softmax(logits)
        forward    z  = one_hot
        backward   dz = dp

    Args:
        logits: [..., K]; one_hot: [..., K].
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    return with_gradient(one_hot, of=tf.nn.softmax(logits))
