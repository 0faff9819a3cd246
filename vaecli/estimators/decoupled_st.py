"""Decoupled straight-through (Shah et al. 2024, arXiv 2410.13331)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import perturbed_logits, sample, with_gradient


@estimator(exact_for="constant", learns_from="slope")
def decoupled_st(
    objective: Objective,
    logits: tf.Tensor,
    *,
    state: State,
    seed: tf.Tensor,
    forward_temperature: float,
    backward_temperature: float,
) -> Estimate:
    """Two temperatures instead of gumbel_st's one: how widely codes are explored, and how far the gradient spreads.

        code ~ Categorical(softmax(logits / t_f)),  g ~ Gumbel(0, 1) given argmax(logits / t_f + g) = the code
        y = softmax(logits / t_b + g)
        forward    z  = one_hot
        backward   dz = dy, with g held fixed

    The paper's first version, and code that follows it, divides logits + g by t_f, which leaves the argmax unchanged
    and t_f without effect. The second version aims at controlling exploration, so here t_f divides only the logits.
    It applies in training only: rate and evaluation use softmax(logits), so with t_f other than 1 the decoder is
    trained on a different distribution of codes from the one it is measured on.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        forward_temperature: t_f > 0; above 1 it explores more codes.
        backward_temperature: t_b > 0.
    """
    cold = logits / forward_temperature
    one_hot = sample(cold, seed=fold_in(seed, 0))
    noise = tf.stop_gradient(perturbed_logits(cold, one_hot, seed=fold_in(seed, 1)) - cold)
    y = tf.nn.softmax(logits / backward_temperature + noise)
    return Estimate(objective(with_gradient(one_hot, of=y), one_hot), one_hot, state)
