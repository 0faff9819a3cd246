"""ReinMax-CV (Wang and Bui 2026, arXiv 2603.08257)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import pathwise
from vaecli.estimators.reinmax import heun
from vaecli.estimators.reinmax_rao import rao_slope
from vaecli.estimators.sampling import halfway, perturbed_logits, softmax_slope, with_gradient


@pathwise(exact_for="constant")
def reinmax_cv(
    logits: tf.Tensor,
    one_hot: tf.Tensor,
    *,
    seed: tf.Tensor,
    temperature: float,
    num_samples: int,
    control_weight: float,
) -> tf.Tensor:
    """ReinMax at temperature 1 with Gumbel-softmax slopes as a control variate.

        h = log((softmax(logits) + one_hot) / 2),  J(q) = diag(q) - q q'
        g ~ Gumbel(0, 1), given argmax(logits + g) = the code
        g_s likewise, given argmax(h + g_s) = the code,  s = 1 .. S
        control = J(softmax((h + g) / temperature)) - mean_s J(softmax((h + g_s) / temperature))
        forward    z  = one_hot
        backward   dz = dz of reinmax - eta control dlogits / temperature

    The paper's text was not at hand; this is the rule of its authors' program (S = 100, eta and temperature 0.5), which
    leaves out the inner temperature of the first slope; how that program takes the mean slope could not be read, and is
    reinmax_rao's here. g is the noise that chose the code; if it were drawn as the g_s are, the control's mean would be
    0 for each code and it could only add variance, since reinmax's gradient is fixed by the code. As it is, the control
    has a mean of its own, and the estimator reinmax's bias and that.

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0, of the control variate.
        num_samples: S, draws of the noise; the decoder runs once all the same.
        control_weight: eta >= 0; at 0 it is reinmax at temperature 1.
    Returns:
        z [..., K], one-hot.
    """
    h = halfway(logits, one_hot)
    noise = perturbed_logits(logits, one_hot, seed=fold_in(seed, 0)) - logits
    one = softmax_slope(tf.nn.softmax((h + noise) / temperature), logits) / temperature
    mean = rao_slope(logits, h, one_hot, seed=fold_in(seed, 1), temperature=temperature, num=num_samples)
    return with_gradient(one_hot, of=heun(logits, one_hot, temperature=1.0) - control_weight * (one - mean))
