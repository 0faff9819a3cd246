"""The distance of a decoded image from the true one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

LEAST = 1e-3


@dataclass(frozen=True)
class Likelihood:
    """The meaning of the decoder's outputs.

    distortion(images [B, P], outputs [..., B or 1, P]) -> [..., B]; pixels(outputs) -> images in [0, 1] or near it.
    """

    distortion: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    pixels: Callable[[tf.Tensor], tf.Tensor]
    outputs: Callable[[NDArray[np.float64]], NDArray[np.float64]]  # the inverse of pixels, of a mean image
    unit: str
    in_nats: bool  # then distortion + rate is -ELBO


def squared_error(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The mean over pixels of (x - y)^2."""
    return tf.reduce_mean(tf.square(images - outputs), -1)


def cross_entropy(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """-log p(x|z) in nats, summed over pixels; on grey pixels a usual loss, but no likelihood."""
    images = tf.broadcast_to(images, tf.broadcast_dynamic_shape(tf.shape(images), tf.shape(outputs)))
    logits = tf.broadcast_to(outputs, tf.shape(images))
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits), -1)


def logit(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of a mean clipped to [LEAST, 1 - LEAST]: pixels that are always black have no finite one."""
    p = np.clip(mean, LEAST, 1 - LEAST)
    return np.log(p) - np.log1p(-p)


LIKELIHOODS: Mapping[str, Likelihood] = {
    "mse": Likelihood(squared_error, tf.identity, lambda mean: mean, "per pixel", in_nats=False),
    "bernoulli": Likelihood(cross_entropy, tf.sigmoid, logit, "nats per image", in_nats=True),
}
