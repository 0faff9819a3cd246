"""Straight-through (Bengio et al. 2013, arXiv 1308.3432; for categoricals as in DreamerV2, arXiv 2010.02193)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="linear", exact_at={"backward_temperature": 1.0}, fixed_by_code=True)
def straight_through(
    logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, backward_temperature: float
) -> tf.Tensor:
    """The code forward, its probabilities backward; exact in expectation for losses linear in z at a temperature of 1.

        p = softmax(logits / backward_temperature)
        forward    z  = one_hot, drawn from softmax(logits)
        backward   dz = dp

    Args:
        logits: [..., K]; one_hot: [..., K].
        backward_temperature: > 0; published with it, and with 1.3, as a rival of ReinMax (arXiv 2304.08612).
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    return with_gradient(one_hot, of=tf.nn.softmax(logits / backward_temperature))
