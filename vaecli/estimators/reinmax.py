"""ReinMax (Liu et al. 2023, arXiv 2304.08612)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import softmax_slope, with_gradient


@pathwise(exact_for="quadratic", exact_at={"temperature": 1.0}, fixed_by_code=True)
def reinmax(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float) -> tf.Tensor:
    """The code forward; exact in expectation when the loss is quadratic in z and temperature = 1.

        p        = softmax(logits)
        midpoint = (one_hot + softmax(logits / temperature)) / 2
        forward    z  = one_hot
        backward   dz = 2 J(midpoint) dlogits - J(p) dlogits / 2,   J(q) = diag(q) - q q'

    Straight-through is the first-order rule; this is Heun's second-order rule.

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0; the paper prefers >= 1, where Gumbel-softmax prefers < 1.
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    return with_gradient(one_hot, of=heun(logits, one_hot, temperature=temperature))


def heun(logits: tf.Tensor, one_hot: tf.Tensor, *, temperature: float) -> tf.Tensor:
    """What has reinmax's slope in the logits."""
    midpoint = (one_hot + tf.nn.softmax(logits / temperature)) / 2
    return 2 * softmax_slope(midpoint, logits) - softmax_slope(tf.nn.softmax(logits), logits) / 2
