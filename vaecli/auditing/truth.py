"""The exact gradient, by enumerating every code: the standard for all estimators."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.auditing.subjects import Subject, Tensors

DECODED_AT_ONCE = 2**24  # numbers


class Truth:
    """The exact gradient of one subject; compiled once for all checkpoints."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._logits = tf.function(self._logits_at, jit_compile=True, autograph=False)
        self._losses = tf.function(self._losses_at, jit_compile=True, autograph=False)
        self._pull = tf.function(self._pull_at, jit_compile=True, autograph=False)

    def __call__(self, weights: Tensors) -> NDArray[np.float64]:
        """The gradient of each image's expected loss in its logits, [B, L, K]."""
        L, K = self.subject.code_shape
        every = np.stack(np.unravel_index(np.arange(K**L), (K,) * L), -1).astype(np.int32)
        at_once = max(1, DECODED_AT_ONCE // (self.subject.num_images * self.subject.outputs))
        parts = [
            self._losses(weights, tf.constant(every[start : start + at_once])).numpy()
            for start in range(0, len(every), at_once)
        ]
        logits = self._logits(weights).numpy()
        losses = np.broadcast_to(np.concatenate(parts), (K**L, len(logits)))  # a toy's are the same for all images
        return exact_gradient(logits, losses)

    def pull(self, weights: Tensors, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Subject.pull of any gradient on the logits [B, L, K]: [P]."""
        return self._pull(weights, tf.constant(gradient, tf.float32)).numpy().astype(np.float64)

    def _pull_at(self, weights: Tensors, gradient: tf.Tensor) -> tf.Tensor:
        with self.subject.at(weights):
            return self.subject.pull(weights, gradient)

    def _logits_at(self, weights: Tensors) -> tf.Tensor:
        with self.subject.at(weights):
            return self.subject.logits()

    def _losses_at(self, weights: Tensors, codes: tf.Tensor) -> tf.Tensor:
        """Codes [C, L] -> [C, B or 1]."""
        with self.subject.at(weights):
            return self.subject.objective(tf.one_hot(codes, self.subject.code_shape[1])[:, None])


def exact_gradient(logits: NDArray[np.floating], losses: NDArray[np.floating]) -> NDArray[np.float64]:
    """The gradient of sum_c q(c) f(c) with q(c) = prod_l softmax(logits_l)[c_l], in float64.

        dlogits_lk = sum_{c: c_l = k} q(c) f(c) - p_lk sum_c q(c) f(c)

    Args:
        logits: [B, L, K].
        losses: [K^L, B], f of each code, the last latent's class running fastest.
    Returns:
        [B, L, K].
    """
    B, L, K = logits.shape
    p = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    p /= p.sum(-1, keepdims=True)
    q = np.ones((B, 1))
    for latent in range(L):
        q = (q[:, :, None] * p[:, latent, None, :]).reshape(B, -1)
    weighted = (q * losses.T).reshape(B, *(K,) * L)
    axes = range(1, L + 1)
    marginals = [weighted.sum(tuple(axis for axis in axes if axis != latent + 1)) for latent in range(L)]
    return np.stack(marginals, 1) - p * weighted.sum(tuple(axes))[:, None, None]
