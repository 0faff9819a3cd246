"""MVE: the estimator of least variance among the straight-through-like ones (Hooper and Shekhovtsov, AISTATS 2026)."""

from typing import Any

import tensorflow as tf

from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="quadratic", exact_at={"second_order": 1e6}, fixed_by_code=True)
def mve(
    logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, second_order: float, embedding: str = "one_hot"
) -> tf.Tensor:
    """The code forward; backward the rule of least variance that is exact for linear losses.

    If code x is drawn, coordinate i of the decoder's gradient is multiplied by a row s_xi [K], where the exact
    gradient of a linear loss would have the row J_i of J = diag(p) - p p'. Over all codes x they minimise, with t the
    weight `second_order`,

        sum_x p_x sum_i |s_xi|^2 + (t / 2) sum_xi |p_x s_xi + p_i s_ix - [x = i] J_i|^2
        such that  sum_x p_x s_xi = J_i,  so that the expected gradient is exact for every linear loss

    where the second term is the error for quadratic losses. Setting the derivatives to 0, with multipliers v_i,

        s_xi = ((1 + t p_i) v_i - t p_i v_x + t [x = i] J_i) / (1 + t (p_x + p_i))
        A v  = diag((1 + t p_i) / (1 + 2 t p_i)) J
        A    = diag(sum_j p_j / (1 + t (p_i + p_j))) + the Laplacian of weights t p_i p_j / (1 + t (p_i + p_j))

    t = 0 is straight_through; as t grows, quadratic losses become exact. For codes that are numbers y = k / (K - 1) the
    same with one coordinate has a closed form (`_of_numbers`).

    Args:
        logits: [..., K]; one_hot: [..., K].
        second_order: t >= 0; the paper has 1e6, or raises it from 1 to 1e6.
        embedding: what the decoder reads, "one_hot" or "integer".
    Returns:
        z [..., K], one-hot.
    """
    del seed  # the code is the only randomness
    if embedding == "integer":
        return with_gradient(one_hot, of=_of_numbers(logits, one_hot, second_order))
    return _of_codes(logits, one_hot, second_order)


def _of_codes(logits: tf.Tensor, one_hot: tf.Tensor, t: float) -> tf.Tensor:
    """The code; backward sum_i g_i s_xi for the gradient g in its coordinates.

    With a_i = g_i / (1 + t (p_x + p_i)) that is J u, by one system in place of K, because A is symmetric:

        A v = (1 + t p) a - e_x t sum_i p_i a_i,   u = v (1 + t p) / (1 + 2 t p) + e_x t a_x
    """

    @tf.custom_gradient
    def code(logits: tf.Tensor) -> Any:
        def backward(g: tf.Tensor) -> tf.Tensor:
            p = tf.nn.softmax(logits)
            a = g / (1 + t * (p + tf.reduce_sum(one_hot * p, -1, keepdims=True)))
            right = (1 + t * p) * a - one_hot * t * tf.reduce_sum(p * a, -1, keepdims=True)
            u = solve(*_system(p, t), right) * (1 + t * p) / (1 + 2 * t * p) + one_hot * t * a
            return p * (u - tf.reduce_sum(p * u, -1, keepdims=True))

        return tf.identity(one_hot), backward

    found: tf.Tensor = code(logits)
    return found


def _system(p: tf.Tensor, t: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The diagonal to which the Laplacian is added [..., K], and the Laplacian's weights [..., K, K]."""
    i, j = p[..., :, None], p[..., None, :]
    divisor = 1 + t * (i + j)
    return tf.reduce_sum(j / divisor, -1), t * i * j / divisor


def solve(diagonal: tf.Tensor, weights: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The solution [..., K] of (diag(diagonal) + Laplacian of the weights) v = right, by eliminating class after class.

    To eliminate a class of such a system leaves another one, whose weights and diagonal are sums of non-negative terms:
    nothing cancels, however large t is, and no pivot needs to be searched. It is a loop with the classes first, because
    XLA fuses the steps of a written-out one and computes them again and again (measured at K = 16: 7 times as long).

    Args:
        diagonal: [..., K], positive; weights: [..., K, K], symmetric, non-negative; their own diagonal has no effect.
    """
    size, shape = right.shape[-1], tf.shape(right)
    w = tf.transpose(tf.reshape(weights, (-1, size, size)), (1, 2, 0))
    d, r = (tf.transpose(tf.reshape(x, (-1, size))) for x in (diagonal, right))
    classes = tf.range(size)[:, None]

    def to_later(k: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """The weights [K, N] of class k to those that are not yet eliminated."""
        return tf.where(classes > k, w[k], 0.0)

    def eliminate(k: tf.Tensor, w: tf.Tensor, d: tf.Tensor, r: tf.Tensor) -> tuple[tf.Tensor, ...]:
        row = to_later(k, w)
        share = row / (d[k] + tf.reduce_sum(row, 0))
        return k + 1, w + share[:, None] * row[None], d + share * d[k], r + share * r[k]

    def substitute(k: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        row = to_later(k, w)
        own = (r[k] + tf.reduce_sum(row * v, 0)) / (d[k] + tf.reduce_sum(row, 0))
        return k - 1, tf.where(classes == k, own, v)

    _, w, d, r = tf.while_loop(lambda k, *_: k < size - 1, eliminate, (tf.constant(0), w, d, r))
    _, v = tf.while_loop(lambda k, _: k >= 0, substitute, (tf.constant(size - 1), tf.zeros_like(r)))
    return tf.reshape(tf.transpose(v), shape)


def _of_numbers(logits: tf.Tensor, one_hot: tf.Tensor, t: float) -> tf.Tensor:
    """The rule for codes that are read as k / (K - 1): the slope stands in the last class, whose number is 1.

    With i = 0 .. K - 1, y the code, m the mean and v the variance of i:

        s_i = ((1 + 2 t (E i^2 - m y)) i + t (y - m) i^2) / (1 + 2 t v),   dy = sum_i s_i dp_i

    As t grows this is exact for losses that are quadratic in y: E y s_i -> i^2 / 2, up to constants.
    """
    size = one_hot.shape[-1]
    i = tf.range(size, dtype=logits.dtype)
    q = tf.nn.softmax(logits)
    p = tf.stop_gradient(q)
    y, mean = tf.linalg.matvec(one_hot, i)[..., None], tf.linalg.matvec(p, i)[..., None]
    square = tf.linalg.matvec(p, i**2)[..., None]
    s = ((1 + 2 * t * (square - mean * y)) * i + t * (y - mean) * i**2) / (1 + 2 * t * (square - mean**2))
    number = tf.reduce_sum(s * q, -1, keepdims=True) / (size - 1)
    return tf.concat([tf.zeros_like(logits)[..., :-1], number], -1)
