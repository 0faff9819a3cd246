"""VIMCO: score function for the bound of several samples (Mnih and Rezende 2016, arXiv 1602.06725)."""

import math

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import sample, with_logits_gradient


@estimator(
    exact_for="constant",
    learns_from="values",
    reads="weighted codes",
    of_bound=True,
    decodings=lambda L, K, num_draws: num_draws,
)
def vimco(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, num_draws: int) -> Estimate:
    """Each draw's baseline is the bound with the geometric mean of the others' weights in its place.

        code_s ~ Categorical(softmax(logits)),  f_s = -log w_s,  s = 1 .. S
        surrogate  -log (1/S) sum_s w_s,  a bound on -log p(x) of w = p(x, code) / q(code|x)
        dlogits  = sum_s (surrogate - baseline_s) (one_hot_s - p) + what f itself depends on the logits by
        baseline_s  the surrogate with log w_s replaced by the mean of the other log w

    Exact in expectation for the gradient of the expected surrogate, which is not that of the expected loss.

    Args:
        objective: z [S, B, L, K] -> [S, B]: S decodings per image. In training it has the code's share of the rate,
            beta (log q(z|x) - log p(z)), in it.
        logits: [B, L, K].
        num_draws: S >= 2.
    """
    copies = tf.broadcast_to(logits, tf.concat([(num_draws,), tf.shape(logits)], 0))
    one_hots = sample(copies, seed=fold_in(seed, 0))
    losses = objective(one_hots, one_hots)
    surrogate = bound(losses, axis=0)
    values = tf.stop_gradient(losses)
    others = (tf.reduce_sum(values, 0) - values) / (num_draws - 1)
    mine = tf.eye(num_draws, dtype=tf.bool)[..., None]
    baselines = bound(tf.where(mine, others[:, None], values[None]), axis=1)
    centred = one_hots - tf.nn.softmax(logits)
    gradient = tf.reduce_sum((tf.stop_gradient(surrogate) - baselines)[..., None, None] * centred, 0)
    return Estimate(with_logits_gradient(surrogate, logits, gradient), one_hots[0], state)


def bound(losses: tf.Tensor, *, axis: int) -> tf.Tensor:
    """-log of the mean of exp(-losses) over an axis."""
    return math.log(losses.shape[axis]) - tf.reduce_logsumexp(-losses, axis)
