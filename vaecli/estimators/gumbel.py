"""Gumbel-softmax, also called the concrete distribution (arXiv 1611.01144, 1611.00712)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import relaxed_code


@pathwise(exact_for="constant", reads="relaxed sample")
def gumbel(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float) -> tf.Tensor:
    """A point inside the simplex instead of a code: unbiased for the relaxed loss, biased for the hard one.

        g ~ Gumbel(0, 1), given argmax(logits + g) = the code
        z = softmax((logits + g) / temperature)
        backward   dz = d softmax, with g held fixed

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0. To 0: z becomes the code, and the gradient's variance grows without bound.
    Returns:
        z [..., K], each row sums to 1.
    """
    return relaxed_code(logits, one_hot, seed=seed, temperature=temperature)
