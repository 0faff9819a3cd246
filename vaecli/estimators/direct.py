"""Direct optimisation through argmax (Lorberbom et al. 2019, arXiv 1806.02867)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import one_hot, perturbed_logits, sample, with_logits_gradient


@estimator(exact_for="constant", learns_from="values", decodings=lambda L, K, perturbation: L * (K - 1) + 1)
def direct(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, perturbation: float) -> Estimate:
    """The maximum of perturbed logits, and the one that the losses move it to: a finite difference of codes.

        code      = argmax(logits + g),  g Gumbel noise
        moved_l   = argmax_k (logits_lk + g_lk - epsilon f(code with its latent l set to k))
        dlogits_l = (code_l - moved_l) / epsilon

    Of one latent its mean is (softmax(logits) - softmax(logits - epsilon f)) / epsilon, which is exact as epsilon goes
    to 0, where its variance grows without bound. Each latent is moved while the others stay, so every code that differs
    from the drawn one in one latent is decoded. The code is drawn first and g given the code, with the same law.

    Args:
        objective: z [S, B, L, K] -> [S, B].
        logits: [B, L, K].
        perturbation: epsilon > 0, in the inverse of the loss's units.
    """
    batch, num_latents, num_classes = logits.shape
    drawn = sample(logits, seed=fold_in(seed, 0))
    moving = perturbed_logits(logits, drawn, seed=fold_in(seed, 1))
    # the classes of each latent, its own first
    classes = (tf.argmax(drawn, -1, tf.int32)[..., None] + tf.range(num_classes)) % num_classes  # [B, L, K]
    others = tf.transpose(one_hot(classes[..., 1:], like=logits), (2, 0, 1, 3))  # [K - 1, B, L, K]
    of_latent = tf.eye(num_latents, dtype=tf.bool)[:, None, None, :, None]
    codes = tf.reshape(tf.where(of_latent, others, drawn), (-1, *drawn.shape))  # latent by latent
    loss = objective(drawn, drawn)
    values = tf.reshape(objective(codes, codes), (num_latents, num_classes - 1, batch))
    own = tf.broadcast_to(loss[:, None, None], (batch, num_latents, 1))
    losses = tf.concat([own, tf.transpose(values, (2, 0, 1))], -1)
    best = tf.argmax(tf.gather(moving, classes, batch_dims=2) - perturbation * losses, -1)
    moved = one_hot(tf.gather(classes, best, batch_dims=2), like=logits)
    return Estimate(with_logits_gradient(loss, logits, (drawn - moved) / perturbation), drawn, state)
