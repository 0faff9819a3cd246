"""The unordered-set estimator: codes without replacement (Kool et al. 2020, arXiv 2002.06043)."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from vaecli.backend.random import exponential, fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import one_hot, with_logits_gradient

LEAST = 1e-280  # of a probability: a product of a few ratios of them is still a number


@estimator(
    exact_for="every",
    learns_from="values",
    reads="set of codes",
    decodings=lambda L, K, set_size: number_of_codes(L, K, set_size),
)
def unordered_set(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, set_size: int) -> Estimate:
    """Score function over a set of different codes, each weighted by how likely it is to be drawn first of the set.

        C        = S different codes, drawn without replacement;  q(c) = prod_l softmax(logits_l)[c_l]
        P(C)     = sum over the orders of C of prod_i q(c_i) / (1 - q(c_1) - ... - q(c_i-1))
        R(c)     = P of the rest of C among the codes without c, over P(C)
        R_c(d)   = the same for d of the rest, among the codes without c;  R_c(c) = 1
        surrogate  sum_c q(c) R(c) f(c)
        dlogits  = sum_c q(c) R(c) (f(c) - sum_d q(d) R_c(d) f(d)) dlog q(c)

    Where S is the number of all codes this is `exact`. P is a sum over all orders of few codes. Probabilities are of
    float64, and what is left of 1 is never a difference: of a posterior that has nearly become a point it would be 0.

    Args:
        objective: z [S, B, L, K] -> [S, B]: S decodings per image.
        logits: [B, L, K].
        set_size: S; fewer where there are fewer codes.
    """
    _, num_latents, num_classes = logits.shape
    size = number_of_codes(num_latents, num_classes, set_size)
    codes, log_q = draw(tf.stop_gradient(logits), size, seed=fold_in(seed, 0))
    one_hots = tf.transpose(one_hot(codes, like=logits), (1, 0, 2, 3))  # [S, B, L, K]
    losses = objective(one_hots, one_hots)
    q, first, second = ratios(tf.transpose(log_q))
    values = tf.cast(tf.stop_gradient(losses), q.dtype)
    baseline = tf.einsum("cdb,db->cb", second * q, values)
    weights = q * first
    centred = tf.cast(one_hots, q.dtype) - tf.nn.softmax(tf.cast(logits, q.dtype))
    gradient = tf.reduce_sum((weights * (values - baseline))[..., None, None] * centred, 0)
    surrogate = tf.reduce_sum(tf.cast(tf.stop_gradient(weights), losses.dtype) * losses, 0)
    return Estimate(with_logits_gradient(surrogate, logits, tf.cast(gradient, logits.dtype)), one_hots[0], state)


class Beams(NamedTuple):
    """The best codes by their first latents, which have the values of the others still to come."""

    codes: tf.Tensor  # [B, beams, L]
    log_q: tf.Tensor  # [B, beams], of the latents so far
    perturbed: tf.Tensor  # the same by Gumbel noise


def number_of_codes(num_latents: int, num_classes: int, set_size: int) -> int:
    """S, or the number of all codes if they are fewer."""
    return min(set_size, num_classes ** min(num_latents, 20))


def draw(logits: tf.Tensor, size: int, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The `size` codes with the largest Gumbel-perturbed log-probabilities, found latent by latent (arXiv 1903.06059).

    The largest of the children's perturbed values is that of their parent, so only the best of each length are kept.

    Returns:
        codes [B, S, L] in the order of being drawn, and their log-probabilities [B, S] in float64.
    """
    log_p = tf.nn.log_softmax(logits)
    batch, num_latents, classes = log_p.shape

    def longer(latent: tf.Tensor | int, beams: Beams) -> Beams:
        """The best codes with one latent more."""
        log_q = beams.log_q[..., None] + tf.gather(log_p, latent, axis=1)[:, None]  # [B, beams, K]
        noise = -tf.math.log(exponential(like=log_q, seed=fold_in(seed, latent)))
        found = tf.reshape(_given_the_largest(log_q + noise, beams.perturbed), (batch, -1))
        perturbed, chosen = tf.math.top_k(found, min(size, found.shape[1]))
        parents = tf.gather(beams.codes, chosen // classes, batch_dims=1)
        codes = tf.where(tf.range(num_latents) == latent, tf.cast(chosen % classes, tf.int64)[..., None], parents)
        return Beams(codes, tf.gather(tf.reshape(log_q, (batch, -1)), chosen, batch_dims=1), perturbed)

    latent, beams = 0, Beams(tf.zeros((batch, 1, num_latents), tf.int64), tf.zeros((batch, 1)), tf.zeros((batch, 1)))
    while latent < num_latents and beams.log_q.shape[1] < size:
        latent, beams = latent + 1, longer(latent, beams)
    # one program for the others, however many they are: from here on no shape changes
    _, beams = tf.while_loop(
        lambda latent, _: latent < num_latents,
        lambda latent, beams: (latent + 1, longer(latent, beams)),
        (latent, beams),
    )
    kept = beams.codes
    of_kept = tf.one_hot(kept, classes, dtype=tf.float64) * log_softmax(tf.cast(logits, tf.float64))[:, None]
    return kept, tf.reduce_sum(of_kept, (2, 3))


def log_softmax(logits: tf.Tensor) -> tf.Tensor:
    """log softmax [..., K], with all its digits where a probability is nearly 1 too."""
    likeliest = tf.one_hot(tf.argmax(logits, -1), logits.shape[-1], dtype=logits.dtype)
    below = logits - tf.reduce_max(logits, -1, keepdims=True)
    others = tf.reduce_sum((1 - likeliest) * tf.exp(below), -1, keepdims=True)
    return below - tf.math.log1p(others)


def _given_the_largest(values: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    """Gumbel variables [..., K] given that the largest of them is `largest` [...]: -log(e^-T - e^-Z + e^-G), stably."""
    limit = largest[..., None]
    gap = values - tf.reduce_max(values, -1, keepdims=True)  # G - Z, 0 for the largest
    inner = limit - values + tf.math.log(-tf.math.expm1(tf.minimum(gap, -1e-7)))
    others = limit - tf.nn.relu(inner) - tf.math.log1p(tf.exp(-tf.abs(inner)))
    return tf.where(gap >= 0, limit, others)


def ratios(log_q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """q(c) and R(c) [S, B], and R_c(d) [S, S, B], of the log-probabilities [S, B] of different codes."""
    size = log_q.shape[0]
    q = tf.maximum(tf.exp(log_q), LEAST)
    likeliest = tf.transpose(tf.one_hot(tf.argmax(log_q, 0), size, dtype=q.dtype))
    others = -tf.math.expm1(tf.reduce_max(log_q, 0))  # the probability of all codes but the likeliest of these
    outside = tf.nn.relu(others - tf.reduce_sum((1 - likeliest) * q, 0))
    everything = frozenset(range(size))
    whole = {removed: _probability(q, everything - removed, outside) for removed in _removed(size)}
    none: frozenset[int] = frozenset()

    def share(removed: frozenset[int], of: frozenset[int]) -> tf.Tensor:
        return whole[removed] / tf.maximum(whole[of], LEAST)

    first = tf.stack([share(frozenset({c}), none) for c in range(size)])
    second = [
        tf.stack([tf.ones_like(q[0]) if c == d else share(frozenset({c, d}), frozenset({c})) for d in range(size)])
        for c in range(size)
    ]
    return q, first, tf.stack(second)


def _removed(size: int) -> list[frozenset[int]]:
    """The sets of at most two of the codes."""
    return [frozenset(some) for count in range(3) for some in itertools.combinations(range(size), count)]


def _probability(q: tf.Tensor, codes: frozenset[int], outside: tf.Tensor) -> tf.Tensor:
    """P(codes) [B] where only these codes and those outside of the set are left: a sum over the orders of being drawn.

    Args:
        outside: [B], the probability of all codes that are not in the set.
    """
    if not codes:
        return tf.ones_like(outside)
    orders = np.array(list(itertools.permutations(sorted(codes))))
    drawn = tf.gather(q, orders)  # [orders, codes, B]
    left = tf.cumsum(drawn, 1, reverse=True) + outside  # before each draw
    return tf.reduce_sum(tf.reduce_prod(drawn / left, 1), 0)
