"""Optimisers as pure functions of tensors, so that a whole loop of steps compiles into one program.

The formulas and defaults are those of Keras; a test holds them against it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

Tensors = list[tf.Tensor]


class Optimizer(NamedTuple):
    """`slots(weights)` makes what it remembers; `update(weights, gradients, slots, step)` with step = 1, 2, ..."""

    slots: Callable[[Tensors], list[Tensors]]
    update: Callable[[Tensors, Tensors, list[Tensors], tf.Tensor], tuple[Tensors, list[Tensors]]]


def adam(learning_rate: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> Optimizer:
    """Adam (arXiv 1412.6980, the form before section 2.1 that Keras uses, where epsilon is added uncorrected).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt v + eps)
    """

    def slots(weights: Tensors) -> list[Tensors]:
        return [[tf.zeros_like(w) for w in weights], [tf.zeros_like(w) for w in weights]]

    def update(weights: Tensors, gradients: Tensors, slots: list[Tensors], step: tf.Tensor) -> Any:
        t = tf.cast(step, tf.float32)
        rate = learning_rate * tf.sqrt(1 - tf.pow(beta_2, t)) / (1 - tf.pow(beta_1, t))
        means = [beta_1 * m + (1 - beta_1) * g for m, g in zip(slots[0], gradients, strict=True)]
        squares = [beta_2 * v + (1 - beta_2) * tf.square(g) for v, g in zip(slots[1], gradients, strict=True)]
        weights = [w - rate * m / (tf.sqrt(v) + epsilon) for w, m, v in zip(weights, means, squares, strict=True)]
        return weights, [means, squares]

    return Optimizer(slots, update)


def sgd(learning_rate: float, momentum: float) -> Optimizer:
    """Gradient descent: v = momentum v - lr g;  w += v."""

    def slots(weights: Tensors) -> list[Tensors]:
        return [[tf.zeros_like(w) for w in weights]]

    def update(weights: Tensors, gradients: Tensors, slots: list[Tensors], step: tf.Tensor) -> Any:
        del step  # a constant learning rate
        velocity = [momentum * v - learning_rate * g for v, g in zip(slots[0], gradients, strict=True)]
        return [w + v for w, v in zip(weights, velocity, strict=True)], [velocity]

    return Optimizer(slots, update)
