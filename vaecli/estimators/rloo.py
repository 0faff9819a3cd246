"""The score-function estimator with leave-one-out baselines (Kool et al. 2019, "Buy 4 REINFORCE samples ...")."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import sample, with_logits_gradient


@estimator(exact_for="every", learns_from="values", decodings=lambda L, K, num_draws: num_draws)
def rloo(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, num_draws: int) -> Estimate:
    """Each draw's baseline is the mean loss of the others; exact in expectation for every loss.

        code_s ~ Categorical(softmax(logits)),  f_s = f(code_s),  s = 1 .. S
        surrogate  mean_s f_s
        dlogits  = mean_s (f_s - mean of the other f) (one_hot_s - p),   p = softmax(logits)

    Args:
        objective: z [S, B, L, K] -> [S, B]: S decodings per image.
        logits: [B, L, K].
        num_draws: S >= 2.
    """
    copies = tf.broadcast_to(logits, tf.concat([(num_draws,), tf.shape(logits)], 0))
    one_hots = sample(copies, seed=fold_in(seed, 0))
    losses = objective(one_hots, one_hots)
    # f_s - (sum - f_s) / (S - 1) = (f_s - mean) S / (S - 1)
    centred = (losses - tf.reduce_mean(losses, 0)) * (num_draws / (num_draws - 1))
    gradient = tf.reduce_mean(centred[..., None, None] * (one_hots - tf.nn.softmax(logits)), 0)
    return Estimate(with_logits_gradient(tf.reduce_mean(losses, 0), logits, gradient), one_hots[0], state)
