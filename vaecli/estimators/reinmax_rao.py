"""ReinMax-Rao (Wang and Bui 2026, arXiv 2603.08257)."""

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import halfway, relaxed_code, softmax_slope, with_gradient


@pathwise(exact_for="constant")
def reinmax_rao(
    logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float, num_samples: int
) -> tf.Tensor:
    """ReinMax whose second slope is gumbel_rao's, taken halfway between the probabilities and the code.

        p = softmax(logits),  h = log((p + one_hot) / 2)
        g_s ~ Gumbel(0, 1), given argmax(h + g_s) = the code,  y_s = softmax((h + g_s) / temperature),  s = 1 .. S
        forward    z  = one_hot
        backward   dz = 2 mean_s J(y_s) dlogits / temperature - J(p) dlogits / 2,   J(q) = diag(q) - q q'

    The paper's text was not at hand; these are the equations of its authors' program, where it is `reinmax_v3`, with
    100 samples and temperatures from 0.5 to 1.

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0.
        num_samples: S, draws of the noise; the decoder runs once all the same.
    Returns:
        z [..., K], one-hot.
    """
    second = rao_slope(logits, halfway(logits, one_hot), one_hot, seed=seed, temperature=temperature, num=num_samples)
    return with_gradient(one_hot, of=2 * second - softmax_slope(tf.nn.softmax(logits), logits) / 2)


def rao_slope(
    logits: tf.Tensor, at: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float, num: int
) -> tf.Tensor:
    """The mean slope of softmax(x / temperature) at x = `at` + noise that makes the code its argmax, times logits."""
    shape = tf.concat([(num,), tf.shape(logits)], 0)
    copies = [tf.broadcast_to(x, shape) for x in (at, one_hot)]
    y = relaxed_code(*copies, seed=seed, temperature=temperature)
    return tf.reduce_mean(softmax_slope(y, logits), 0) / temperature
