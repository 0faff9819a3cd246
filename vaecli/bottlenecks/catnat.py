"""catnat: probabilities of K classes by K - 1 splits in two (Manenti and Alippi 2025, arXiv 2509.24728)."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

LEAST = 1e-6  # of a branch's probability by the natural activation, which reaches 0


class Catnat:
    """log q of K classes, the leaves of a balanced binary tree, from K - 1 scores s of its inner nodes.

        a_n = sigmoid(s_n)                                          catnat_sigmoid
        a_n = (1 + sin(s_n / 2)) / 2, and 0 or 1 beyond -pi and pi  catnat, the natural activation
        log q_k = sum over the nodes n above k of log a_n where the way goes right, log(1 - a_n) where it goes left

    The Fisher information in s is diagonal: of node n the probability of coming there, times a_n (1 - a_n) for the
    sigmoid, and times 1/4 for the natural activation. With K no power of two, some leaves are one split higher. The
    paper's text was not at hand: the activation and its range are those of a program that reproduces it.
    """

    def __init__(self, num_classes: int, *, natural: bool) -> None:
        self.natural = natural
        self.right, self.left = branches(num_classes)

    def log_q(self, scores: tf.Tensor) -> tf.Tensor:
        """[..., K] of scores [..., K - 1]."""
        if self.natural:
            a = (1 + tf.sin(tf.clip_by_value(scores, -math.pi, math.pi) / 2)) / 2
            a = tf.clip_by_value(a, LEAST, 1 - LEAST)
            of_right, of_left = tf.math.log(a), tf.math.log1p(-a)
        else:
            of_right, of_left = tf.math.log_sigmoid(scores), tf.math.log_sigmoid(-scores)
        return tf.matmul(of_right, self.right) + tf.matmul(of_left, self.left)

    def export(self, scores: Any) -> Any:
        """What `log_q` does, of symbolic scores in Keras' own layers."""
        if self.natural:
            a = (1 + keras.ops.sin(keras.ops.clip(scores, -math.pi, math.pi) / 2)) / 2
            a = keras.ops.clip(a, LEAST, 1 - LEAST)
            of_right, of_left = keras.ops.log(a), keras.ops.log(1 - a)
        else:
            of_right, of_left = -keras.ops.softplus(-scores), -keras.ops.softplus(scores)
        return _summed(of_right, self.right, "right") + _summed(of_left, self.left, "left")


def branches(num_classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Whether the way to each of K leaves goes right, and whether it goes left, at each of K - 1 nodes: [K - 1, K].

    The tree lies in an array: the children of node n are 2 n + 1 and 2 n + 2, its leaves the last K places.
    """
    right, left = np.zeros((2, num_classes - 1, num_classes), np.float32)
    for leaf in range(num_classes):
        place = leaf + num_classes - 1
        while place:
            above = (place - 1) // 2
            (right if place == 2 * above + 2 else left)[above, leaf] = 1
            place = above
    return right, left


def _summed(x: Any, ways: NDArray[np.float32], name: str) -> Any:
    layer = keras.layers.Dense(ways.shape[1], use_bias=False, name=f"branches_{name}")
    layer.build((None, ways.shape[0]))
    layer.set_weights([ways])
    return layer(x)
