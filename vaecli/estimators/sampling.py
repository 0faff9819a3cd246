"""Draws and tricks shared by the estimators; their randomness comes from backend/random.py."""

import math

import tensorflow as tf

from vaecli.backend.random import exponential, uniform


def sample(logits: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """One code per latent, Categorical(softmax(logits)), by inverting the cumulative distribution.

        code = the number of k with p_1 + ... + p_k <= u,  u ~ U(0, 1)

    One uniform per latent, where the Gumbel-max trick needs K (measured: 6% of a whole training step).

    Args:
        logits: [..., K].
    Returns:
        one_hot [..., K], without a gradient.
    """
    cumulative = tf.cumsum(tf.nn.softmax(logits), axis=-1)
    total = cumulative[..., -1:]  # 1 up to rounding
    u = uniform(tf.concat([tf.shape(logits)[:-1], (1,)], 0), seed=seed)
    codes = tf.reduce_sum(tf.cast(cumulative <= u * total, tf.int32), -1)
    return one_hot(tf.minimum(codes, logits.shape[-1] - 1), like=logits)  # u * total may round up to total


def mode(logits: tf.Tensor) -> tf.Tensor:
    """The most probable code of each latent, one_hot [..., K]."""
    return one_hot(tf.argmax(logits, -1), like=logits)


def one_hot(codes: tf.Tensor, *, like: tf.Tensor) -> tf.Tensor:
    """codes [...] as one_hot [..., K] of the type and K of `like`."""
    return tf.one_hot(codes, like.shape[-1], dtype=like.dtype)


def perturbed_logits(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """logits + g for Gumbel noise g, given that its argmax is the code (arXiv 2010.04838, section 3; 1703.07370).

        E_j ~ Exp(1),  Z = sum_j exp(logits_j),  i the code
        (logits + g)_i = log Z - log E_i
        (logits + g)_j = -log(E_j / exp(logits_j) + E_i / Z) = logits_j - log(E_j + p_j E_i)  for the others

    Drawing the code first and then this gives the same distribution as drawing g freely. Its second form cannot
    overflow, and takes one logarithm of each class.

    Args:
        logits: [..., K].
        one_hot: [..., K], the codes.
    Returns:
        [..., K]; its argmax is the code. Differentiable in the logits.
    """
    draws = exponential(like=logits, seed=seed)
    of_code = tf.reduce_sum(one_hot * draws, -1, keepdims=True)
    top = tf.reduce_logsumexp(logits, -1, keepdims=True) - tf.math.log(of_code)
    rest = logits - tf.math.log(draws + tf.nn.softmax(logits) * of_code)
    return tf.where(one_hot > 0, top, tf.minimum(rest, top))  # the rest is below, but for rounding


def relaxed_code(logits: tf.Tensor, one_hot: tf.Tensor, *, seed: tf.Tensor, temperature: float) -> tf.Tensor:
    """softmax((logits + g) / temperature) for Gumbel noise g, given that argmax(logits + g) is the code.

    Args:
        logits: [..., K]; one_hot: [..., K].
        temperature: > 0.
    Returns:
        [..., K], each row sums to 1. Differentiable in the logits, with g held fixed.
    """
    noise = tf.stop_gradient(perturbed_logits(logits, one_hot, seed=seed) - logits)
    return tf.nn.softmax((logits + noise) / temperature)


def log_probability(logits: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
    """log q of each code [..., 1]; its gradient in the logits [..., K] is one_hot - softmax(logits)."""
    return tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), -1, keepdims=True)


def with_gradient(value: tf.Tensor, *, of: tf.Tensor) -> tf.Tensor:
    """Exactly `value` forward, the gradient of `of` backward (the straight-through trick)."""
    return tf.stop_gradient(value) + (of - tf.stop_gradient(of))


def with_logits_gradient(value: tf.Tensor, logits: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """The unchanged value [B], with its own gradient for the decoder and `gradient` [B, L, K] for the logits."""
    inner = tf.reduce_sum(tf.stop_gradient(gradient) * logits, (1, 2))
    return value + (inner - tf.stop_gradient(inner))


def softmax_slope(q: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """J(q) logits for a fixed q, J(q) = diag(q) - q q', so that J(q) is its gradient; without a logarithm of q."""
    q = tf.stop_gradient(q)
    return q * (logits - tf.reduce_sum(q * logits, -1, keepdims=True))


def halfway(logits: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
    """log((softmax(logits) + one_hot) / 2) [..., K]: its softmax lies halfway between the probabilities and a code."""
    p = tf.nn.softmax(logits)
    return tf.where(one_hot > 0, tf.math.log1p(p), tf.nn.log_softmax(logits)) - math.log(2.0)
