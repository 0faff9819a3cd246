"""ReDGE: a code by denoising, with a gradient through the steps (Gourevitch et al. 2026, arXiv 2601.00781)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from vaecli.backend.random import fold_in, normal
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import sample, with_gradient

LEAST_SIGNAL = 1e-4  # alpha of the first noise


@estimator(exact_for="constant", learns_from="slope")
def redge(
    objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, denoising_steps: int, first_time: float
) -> Estimate:
    """Noise becomes a code in S steps of a denoiser that is known in closed form, and the gradient goes through them.

        alpha_i from 1 - t_1 (i = 1) to 0.0001 (i = S) in equal steps,  sigma_i = 1 - alpha_i
        x_S ~ N(0, I);  for i = S .. 1:  w_i = logits + alpha_i x_i / sigma_i^2,  y_i = softmax(w_i) = E[code | x_i]
                                         x_(i-1) = alpha_(i-1) y_i + sigma_(i-1) (x_i - alpha_i y_i) / sigma_i
        code ~ Categorical(y_1)
        forward    z  = one_hot
        backward   dz = dy_1, with x_S held fixed

    The codes are those of softmax(logits) in the limit of many steps, and near them with few; rate and evaluation use
    softmax(logits). At t_1 = 1 it is straight_through. The authors' program counts one step more.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        denoising_steps: S >= 1.
        first_time: t_1 in (0, 1], how much noise the last x has; with less, y_1 is nearer to a code.
    """
    noise = normal(tf.shape(logits), seed=fold_in(seed, 0))
    weights = denoised(noise, lambda x, alpha, sigma: logits + alpha * x / sigma**2, denoising_steps, first_time)
    return drawn(objective, weights, state=state, seed=fold_in(seed, 1))


def denoised(
    x: tf.Tensor, denoiser: Callable[[tf.Tensor, float, float], tf.Tensor], steps: int, first_time: float
) -> tf.Tensor:
    """The logits [..., K] of a code after so many steps from noise x [..., K]; `denoiser` has those of E[code | x]."""
    alphas = [1 - first_time] if steps == 1 else np.linspace(1 - first_time, LEAST_SIGNAL, steps).tolist()
    for step in range(steps - 1, 0, -1):
        alpha, before = alphas[step], alphas[step - 1]
        y = tf.nn.softmax(denoiser(x, alpha, 1 - alpha))
        x = before * y + (1 - before) * (x - alpha * y) / (1 - alpha)
    return denoiser(x, alphas[0], 1 - alphas[0])


def drawn(objective: Objective, weights: tf.Tensor, *, state: State, seed: tf.Tensor) -> Estimate:
    """A code of softmax(weights), with the gradient of these probabilities."""
    one_hot = sample(weights, seed=seed)
    return Estimate(objective(with_gradient(one_hot, of=tf.nn.softmax(weights)), one_hot), one_hot, state)
