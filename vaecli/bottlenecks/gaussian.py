"""The continuous case: a Gaussian latent, reparameterised (arXiv 1312.6114)."""

from typing import Any

import keras
import tensorflow as tf

from vaecli.backend.layers import dense
from vaecli.backend.random import normal
from vaecli.bottlenecks.bottleneck import Latent, Step
from vaecli.estimators.estimator import Objective, State


class Gaussian:
    """q(z|x) = N(mean, std^2), p(z) = N(0, I); the noise is really added, in training and in every sample.

    z    = mean + std * eps
    rate = sum_d (mean^2 + std^2 - 1) / 2 - log std
    """

    num_codes = None

    def __init__(self, inputs: int, *, seed: int, latent_dim: int) -> None:
        self.latent_shape = (1, latent_dim)
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
        progress: tf.Tensor | float = 1.0,
    ) -> Step:
        del progress  # nothing is scheduled
        latent = self.encode(features, seed=seed)
        return Step(objective(latent.z), latent.rate, tf.zeros_like(latent.rate), state)

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latent:
        mean, log_std = self.mean(features), self.log_std(features)
        std = tf.exp(log_std)
        rate = tf.reduce_sum((tf.square(mean) + tf.square(std) - 1) / 2 - log_std, -1)
        z = mean if seed is None else mean + std * normal(tf.shape(mean), seed=seed)
        return Latent(z[:, None, :], None, rate)

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor) -> None:
        del features, seed  # the sample is continuous already

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return latents[:, None, :]

    def export(self, features: Any) -> Any:
        return self.mean(features)
