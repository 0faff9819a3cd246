"""The identity straight-through estimator (Bengio et al. 2013, arXiv 1308.3432), the oldest one."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="constant", fixed_by_code=True, shift_invariant=False)
def identity_st(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """The code forward, the identity on the logits backward: the derivative of the softmax is left out.

        forward    z  = one_hot
        backward   dz = dlogits

    A logit is pushed whatever its probability, and all logits of a code may move together, which changes no
    probability. Biased for every loss that depends on the code.

    Args:
        logits: [..., K]; one_hot: [..., K].
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    return with_gradient(one_hot, of=logits)
