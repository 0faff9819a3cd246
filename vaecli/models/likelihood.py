"""How far a decoded image is from the true one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Likelihood:
    """What the decoder's outputs mean.

    distortion(images [B, P], outputs [..., B or 1, P]) -> [..., B]; pixels(outputs) -> images in [0, 1] or near it.
    """

    distortion: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    pixels: Callable[[tf.Tensor], tf.Tensor]
    unit: str
    in_nats: bool  # then distortion + rate is -ELBO


def squared_error(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Mean over pixels of (x - y)^2."""
    return tf.reduce_mean(tf.square(images - outputs), -1)


def cross_entropy(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """-log p(x|z) in nats, summed over pixels; on grey pixels a usual loss, but no likelihood."""
    images = tf.broadcast_to(images, tf.broadcast_dynamic_shape(tf.shape(images), tf.shape(outputs)))
    logits = tf.broadcast_to(outputs, tf.shape(images))
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits), -1)


LIKELIHOODS: Mapping[str, Likelihood] = {
    "mse": Likelihood(squared_error, tf.identity, "per pixel", in_nats=False),
    "bernoulli": Likelihood(cross_entropy, tf.sigmoid, "nats per image", in_nats=True),
}
