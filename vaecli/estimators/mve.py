"""MVE: the estimator of least variance among the straight-through-like ones (Hooper and Shekhovtsov, AISTATS 2026)."""

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
    return with_gradient(one_hot, of=_of_codes(logits, one_hot, second_order))


def _of_codes(logits: tf.Tensor, one_hot: tf.Tensor, t: float) -> tf.Tensor:
    """sum_l s_xil logits_l [..., K] of fixed s: so that s is its gradient."""
    p = tf.stop_gradient(tf.nn.softmax(logits))
    slope = p * (logits - tf.reduce_sum(p * logits, -1, keepdims=True))  # J logits
    v = solve(*_system(p, t), slope * (1 + t * p) / (1 + 2 * t * p))
    of_code = tf.reduce_sum(one_hot * v, -1, keepdims=True)
    p_code = tf.reduce_sum(one_hot * p, -1, keepdims=True)
    return ((1 + t * p) * v - t * p * of_code + t * one_hot * slope) / (1 + t * (p + p_code))


def _system(p: tf.Tensor, t: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The diagonal to which the Laplacian is added [..., K], and the Laplacian's weights [..., K, K]."""
    i, j = p[..., :, None], p[..., None, :]
    divisor = 1 + t * (i + j)
    weights = t * i * j / divisor * (1 - tf.eye(p.shape[-1]))
    return tf.reduce_sum(j / divisor, -1), weights


def solve(diagonal: tf.Tensor, weights: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The solution [..., K] of (diag(diagonal) + Laplacian of the weights) v = right, by eliminating class after class.

    To eliminate a class of such a system leaves another one, whose weights and diagonal are sums of non-negative terms:
    nothing cancels, however large t is, and no pivot needs to be searched.

    Args:
        diagonal: [..., K], positive; weights: [..., K, K], symmetric, non-negative, 0 on the diagonal.
    """
    size = weights.shape[-1]
    if size == 1:
        return right / diagonal
    row, to_first = weights[..., 0, 1:], diagonal[..., :1]
    pivot = to_first + tf.reduce_sum(row, -1, keepdims=True)
    share = row / pivot
    rest = weights[..., 1:, 1:] + share[..., :, None] * row[..., None, :] * (1 - tf.eye(size - 1))
    others = solve(diagonal[..., 1:] + share * to_first, rest, right[..., 1:] + share * right[..., :1])
    first = (right[..., :1] + tf.reduce_sum(row * others, -1, keepdims=True)) / pivot
    return tf.concat([first, others], -1)


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
