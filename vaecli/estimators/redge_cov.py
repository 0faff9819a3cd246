"""ReDGE from noise with the code's own mean and variances (Gourevitch et al. 2026, arXiv 2601.00781)."""

import tensorflow as tf

from vaecli.backend.random import fold_in, normal
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.redge import denoised, drawn

LEAST_VARIANCE = 0.1  # as in the authors' program


@estimator(exact_for="constant", learns_from="slope")
def redge_cov(
    objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, denoising_steps: int, first_time: float
) -> Estimate:
    """redge whose noise has the mean and the variances of the code in place of N(0, I).

        p = softmax(logits),  v = max(p (1 - p), 0.1),  x_S = p + sqrt(v) eps,  eps ~ N(0, I)
        w_i = logits + (alpha_i (x_i - sigma_i p) - alpha_i^2 / 2) / (v sigma_i^2)
        all else as redge; the gradient goes through p and v too

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
        denoising_steps: S >= 1.
        first_time: t_1 in (0, 1], how much noise the last x has.
    """
    p = tf.nn.softmax(logits)
    v = tf.maximum(p * (1 - p), LEAST_VARIANCE)

    def denoiser(x: tf.Tensor, alpha: float, sigma: float) -> tf.Tensor:
        return logits + (alpha * (x - sigma * p) - alpha**2 / 2) / (v * sigma**2)

    noise = p + tf.sqrt(v) * normal(tf.shape(logits), seed=fold_in(seed, 0))
    weights = denoised(noise, denoiser, denoising_steps, first_time)
    return drawn(objective, weights, state=state, seed=fold_in(seed, 1))
