"""Straight-through Gumbel-softmax (Jang et al. 2017, arXiv 1611.01144, section 2.2)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import mode, relaxed_code, sample, with_gradient


@estimator(exact_for="constant", learns_from="slope")
def gumbel_st(
    objective: Objective,
    logits: tf.Tensor,
    *,
    state: State,
    seed: tf.Tensor,
    temperature: float,
    forward: str = "coupled",
) -> Estimate:
    """The code forward, the relaxed code of the same noise backward: no relaxation gap, but biased for every loss.

        code ~ Categorical(softmax(logits)),  g ~ Gumbel(0, 1) given argmax(logits + g) = the code
        y = softmax((logits + g) / temperature)
        forward    z  = one_hot
        backward   dz = dy, with g held fixed

    Differs from the paper only in the order of the draws: code first, then its noise, with the same distribution.
    Programs are found in which the decoder reads another code than that of the noise: one drawn for itself, or the most
    probable one.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        temperature: > 0. To 0: less bias, and a variance that grows without bound.
        forward: the one_hot that is read: "coupled", "independent" or "mode".
    """
    drawn = sample(logits, seed=fold_in(seed, 0))
    y = relaxed_code(logits, drawn, seed=fold_in(seed, 1), temperature=temperature)
    if forward == "independent":
        drawn = sample(logits, seed=fold_in(seed, 2))
    if forward == "mode":
        drawn = mode(logits)
    return Estimate(objective(with_gradient(drawn, of=y), drawn), drawn, state)
