"""What all quantisers share: the posterior is a point, and the prior is uniform over the codes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from vaecli.backend.layers import dense
from vaecli.backend.progress import END, Progress
from vaecli.bottlenecks.bottleneck import Latents, Rows, Step
from vaecli.estimators.estimator import Objective, State


class Quantized(NamedTuple):
    """What a training step makes of vectors e [B, N, D]."""

    z: tf.Tensor  # [B, N, D], what the decoder reads, with the gradient to e
    codes: tf.Tensor | None  # one_hot [B, N, K], if z has the value of these and one vector has one code
    penalty: tf.Tensor  # [B]
    updates: Mapping[str, tf.Tensor] = {}  # as those of a Step
    replaced: Mapping[str, Rows] = {}


class Quantizer(ABC):
    """Vectors e [B, N, D] of a shared head, each of which is replaced by the vector that its codes stand for.

    The rate is the constant log of the number of codes that an image can have.
    """

    unquantized_steps = 0  # so many first steps the decoder reads e, and nothing else is trained

    def __init__(
        self, inputs: int, positions: int, vectors: tuple[int, int], *, seed: int, values: int, stages: int = 1
    ) -> None:
        """`vectors` are how many a position has, and D; each has `stages` codes of so many `values`."""
        of_position, width = vectors
        self.latent_shape = (positions * of_position, width)
        self.inputs = inputs
        self.nats = positions * of_position * stages * math.log(values)
        self.head = dense(inputs, of_position * width, name="embedding", seed=seed)
        self.layers: list[keras.layers.Layer] = [self.head]

    @abstractmethod
    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        """What a training step makes of e [B, N, D]."""

    @abstractmethod
    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        """The codes int32 of e [B, N, D]."""

    @abstractmethod
    def lookup(self, latents: tf.Tensor) -> tf.Tensor: ...

    @abstractmethod
    def export_encode(self, features: Any) -> Any: ...

    @abstractmethod
    def export_lookup(self, latents: Any) -> Any: ...

    def train(
        self,
        features: tf.Tensor,
        objective: Objective,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step:
        e = self.embed(features)
        z, codes, penalty, updates, replaced = self.quantized(e, seed=seed)
        if not self.unquantized_steps:
            return Step(objective(z, codes), self.rate(features), penalty, state, updates, replaced)
        now = progress.step >= self.unquantized_steps
        before = {f"{layer.name}/{weight.name}": weight for layer in self.layers for weight in layer.weights}
        return Step(
            objective(tf.where(now, z, e)),
            self.rate(features),
            tf.where(now, penalty, 0.0),
            state,
            {name: tf.where(now, value, tf.convert_to_tensor(before[name])) for name, value in updates.items()},
            {name: Rows(now & rows.places, rows.values) for name, rows in replaced.items()},
        )

    def initial_state(self, seed: tf.Tensor) -> State:
        del seed
        return ()

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """e [B, N, D], before quantisation."""
        return tf.reshape(self.head(tf.reshape(features, (-1, self.inputs))), (-1, *self.latent_shape))

    def export_embed(self, features: Any) -> Any:
        """What `embed` does, of symbolic features in Keras' own layers."""
        return keras.layers.Reshape(self.latent_shape)(self.head(features))

    def rate(self, features: tf.Tensor) -> tf.Tensor:
        return -self.log_prior(features)

    def log_prior(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.fill((tf.shape(codes)[0],), -self.nats)

    def log_posterior(self, features: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        return tf.where(tf.reduce_all(codes[:, None] == self.encode(features).codes, -1), 0.0, -math.inf)

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latents:
        del seed  # the posterior is a point: sample and mode are one
        codes = self.nearest(self.embed(features))
        return Latents(self.lookup(codes), codes, self.rate(features))

    def log_weight(self, features: tf.Tensor, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        del seed  # q is a point, the prior uniform
        return self.encode(features).z, self.log_prior(features)

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END) -> None:
        del features, seed, progress  # evaluation is of hard codes alone
