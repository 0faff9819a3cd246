"""Augment-REINFORCE-swap-merge (Yin et al. 2019, arXiv 1905.01413)."""

import itertools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import one_hot, perturbed_logits, sample, with_logits_gradient


@estimator(exact_for="every", learns_from="values", decodings=lambda L, K: K * (K - 1) // 2 + 1)
def arsm(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor) -> Estimate:
    """Compares the losses of codes reached by exchanging noise; exact in expectation for every loss.

        w ~ Dirichlet(1, ..., 1) per latent,   code = argmin_k w_k exp(-logits_k)
        f_cj     = f(code under w with w_c and w_j exchanged), in all latents at once
        dlogits_c = sum_j (f_cj - mean_m f_mj) (1 / K - w_j)

    K (K - 1) / 2 + 1 decodings, whatever L is. The paper decodes only those exchanges that change the code; compiled
    programs have fixed shapes, so all are decoded here. The code is drawn first and w given the code, with the same
    law: w_k is E_k / sum E for the exponentials E = exp(-g) behind Gumbel noise g.

    Args:
        objective: z [S, B, L, K] -> [S, B].
        logits: [B, L, K].
    """
    drawn = sample(logits, seed=fold_in(seed, 0))
    log_w = tf.nn.log_softmax(logits - perturbed_logits(logits, drawn, seed=fold_in(seed, 1)))
    orders, which = exchanges(logits.shape[-1])
    exchanged = tf.gather(log_w, orders, axis=-1)  # [B, L, S - 1, K]
    codes = one_hot(tf.transpose(tf.argmax(logits[..., None, :] - exchanged, -1), (2, 0, 1)), like=logits)
    loss, others = objective(drawn, drawn), tf.stop_gradient(objective(codes, codes))
    losses = tf.gather(tf.concat([tf.stop_gradient(loss)[None], others], 0), which)  # [K, K, B]
    centred = losses - tf.reduce_mean(losses, 0)
    gradient = tf.einsum("cjb,blj->blc", centred, 1 / logits.shape[-1] - tf.exp(log_w))
    return Estimate(with_logits_gradient(loss, logits, gradient), drawn, state)


def exchanges(num_classes: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Every pair once: the orders of the classes [S - 1, K], and which of the S has c and j exchanged [K, K].

    Number 0, on the diagonal, is the unchanged order.
    """
    pairs = list(itertools.combinations(range(num_classes), 2))
    orders = np.tile(np.arange(num_classes, dtype=np.int32), (len(pairs), 1))
    which = np.zeros((num_classes, num_classes), np.int32)
    for number, (c, j) in enumerate(pairs):
        orders[number, [c, j]] = j, c
        which[c, j] = which[j, c] = number + 1
    return orders, which
