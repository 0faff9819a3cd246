"""What estimators are measured on: logits of some images, and a loss of their codes, all of it held fixed."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.bottlenecks.categorical import Categorical
from vaecli.models.autoencoder import Autoencoder

Tensors = list[tf.Tensor]


class Subject(Protocol):
    """Functions of the weights, which are handed in: one compiled program serves every checkpoint of a run."""

    num_images: int  # B
    code_shape: tuple[int, int]  # (L, K)
    outputs: int  # numbers that the decoder makes of one code

    def at(self, weights: Tensors) -> contextlib.AbstractContextManager[Any]:
        """A context in which the methods below use these weights."""

    def logits(self) -> tf.Tensor:
        """[B, L, K]."""

    def objective(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        """z [..., B or 1, L, K] -> [..., B or 1], each image's loss; `codes` as in Objective."""

    def pull(self, weights: Tensors, gradient: tf.Tensor) -> tf.Tensor:
        """Maps the gradient of each image's loss in its logits [B, L, K] to that of their mean in the weights [P]."""


class Checkpoint:
    """An autoencoder with categorical codes and test images [B, H, W, C] in [0, 1]; its loss is the distortion."""

    def __init__(self, autoencoder: Autoencoder, images: NDArray[np.float32]) -> None:
        self.autoencoder = autoencoder
        self.bottleneck = cast(Categorical, autoencoder.bottleneck)
        self.images = tf.constant(images)
        self.num_images, self.outputs = len(images), autoencoder.num_pixels
        self.code_shape = self.bottleneck.code_shape
        self.variables = list(autoencoder.weights.values())
        self.below = [i for i, name in enumerate(autoencoder.weights) if not name.startswith("decoder/")]

    def at(self, weights: Tensors) -> contextlib.AbstractContextManager[Any]:
        scope: contextlib.AbstractContextManager[Any] = keras.StatelessScope(zip(self.variables, weights, strict=True))
        return scope

    def logits(self) -> tf.Tensor:
        return self.bottleneck.logits(self.autoencoder.encoder(self.images))

    def objective(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        images = tf.reshape(self.images, (self.num_images, -1))
        return self.autoencoder.distortion(images, self.bottleneck.embed(z), codes)

    def pull(self, weights: Tensors, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient in the encoder and the logits' layer: all weights that act through a code alone."""
        below = [weights[i] for i in self.below]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(below)
            logits = self.logits()
        found = tape.gradient(logits, below, output_gradients=gradient / self.num_images)
        return tf.concat([tf.reshape(of_one, (-1,)) for of_one in found], 0)


class Toy:
    """A loss of the code alone, with logits drawn from N(0, 1) instead of images; it has no weights."""

    outputs = 1

    def __init__(self, objective: str, *, num_images: int, num_latents: int, num_classes: int, seed: int) -> None:
        draw = np.random.default_rng(seed).normal
        self.num_images = num_images
        self.code_shape = (num_latents, num_classes)
        self._logits = tf.constant(draw(size=(num_images, num_latents, num_classes)), tf.float32)
        self._loss = TOYS[objective](
            lambda *shape: tf.constant(draw(size=shape), tf.float32), num_latents * num_classes
        )

    def at(self, weights: Tensors) -> contextlib.AbstractContextManager[Any]:
        del weights  # it has none
        return contextlib.nullcontext()

    def logits(self) -> tf.Tensor:
        return self._logits

    def objective(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        del codes  # there is nothing to gain
        return self._loss(tf.reshape(z, tf.concat([tf.shape(z)[:-2], (-1,)], 0)))

    def pull(self, weights: Tensors, gradient: tf.Tensor) -> tf.Tensor:
        del weights, gradient
        return tf.zeros((0,))


Draw = Callable[..., tf.Tensor]
Loss = Callable[[tf.Tensor], tf.Tensor]
HIDDEN = 16


def _linear(draw: Draw, size: int) -> Loss:
    """b . z"""
    b = draw(size)
    return lambda z: tf.linalg.matvec(z, b)


def _quadratic(draw: Draw, size: int) -> Loss:
    """|A z|^2 / 2: not separable, so that latents and classes interact."""
    A = draw(size, size) / size**0.5
    return lambda z: tf.reduce_sum(tf.square(tf.einsum("...d,de->...e", z, A)), -1) / 2


def _cubic(draw: Draw, size: int) -> Loss:
    """(b . z)^3; a separable cubic would hide errors of direction."""
    b = draw(size)
    return lambda z: tf.linalg.matvec(z, b) ** 3


def _mlp(draw: Draw, size: int) -> Loss:
    """w . tanh(W z)"""
    W, w = draw(size, HIDDEN), draw(HIDDEN)
    return lambda z: tf.linalg.matvec(tf.tanh(tf.einsum("...d,dh->...h", z, W)), w)


TOYS: Mapping[str, Callable[[Draw, int], Loss]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "cubic": _cubic,
    "mlp": _mlp,
}
