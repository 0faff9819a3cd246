"""The continuous case: a Gaussian latent, reparameterised (arXiv 1312.6114)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from vaecli.backend.layers import dense
from vaecli.backend.progress import END, Progress
from vaecli.backend.random import normal
from vaecli.bottlenecks.bottleneck import Latents, Step
from vaecli.estimators.estimator import Objective, State

# log std as a function of what the head gives, by `scale_head`
LOG_STD: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "log_std": lambda x: x,
    "log_variance": lambda x: x / 2,
    "softplus": lambda x: tf.math.log(tf.math.softplus(x)),
}


class Gaussian:
    """q(z|x) = N(mean, std^2), p(z) = N(0, I); the noise is really added, in training and in every sample.

    z    = mean + std * eps
    rate = sum_d (mean^2 + std^2 - 1) / 2 - log std
    """

    def __init__(self, inputs: int, positions: int, *, seed: int, latent_dim: int, scale_head: str = "log_std") -> None:
        """`scale_head`: a key of LOG_STD. One parameter is as good as another, but Adam's steps in them differ."""
        self.log_std_of = LOG_STD[scale_head]
        self.latent_shape = (positions, latent_dim)
        self.inputs = inputs
        self.mean = dense(inputs, latent_dim, name="mean", seed=seed)
        self.log_std = dense(inputs, latent_dim, name="log_std", seed=seed)
        self.layers: list[keras.layers.Layer] = [self.mean, self.log_std]

    def initial_state(self, seed: tf.Tensor) -> State:
        del seed
        return ()

    def train(
        self,
        features: tf.Tensor,
        objective: Objective,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step:
        del progress  # nothing is scheduled
        latent = self.encode(features, seed=seed)
        return Step(objective(latent.z), latent.rate, tf.zeros_like(latent.rate), state)

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latents:
        mean, log_std = self.moments(features)
        std = tf.exp(log_std)
        rate = tf.reduce_sum((tf.square(mean) + tf.square(std) - 1) / 2 - log_std, -1)
        z = mean if seed is None else mean + std * normal(tf.shape(mean), seed=seed)
        return Latents(tf.reshape(z, (-1, *self.latent_shape)), None, rate)

    def log_weight(self, features: tf.Tensor, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mean, log_std = self.moments(features)
        eps = normal(tf.shape(mean), seed=seed)
        z = mean + tf.exp(log_std) * eps
        # of the two normal densities the constants are the same
        log_weight = tf.reduce_sum((tf.square(eps) - tf.square(z)) / 2 + log_std, -1)
        return tf.reshape(z, (-1, *self.latent_shape)), log_weight

    def moments(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log of the standard deviation, [B, N * D] each."""
        flat = tf.reshape(features, (-1, self.inputs))
        width = math.prod(self.latent_shape)
        return tf.reshape(self.mean(flat), (-1, width)), tf.reshape(self.log_std_of(self.log_std(flat)), (-1, width))

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END) -> None:
        del features, seed, progress  # the sample is continuous already

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return tf.reshape(latents, (-1, *self.latent_shape))

    def export_encode(self, features: Any) -> Any:
        return keras.layers.Reshape((math.prod(self.latent_shape),))(self.mean(features))

    def export_lookup(self, latents: Any) -> Any:
        return keras.layers.Reshape(self.latent_shape)(latents)
