"""What lies between encoder and decoder.

train(features [B, H], objective, *, state, seed, progress) -> Step      progress: the share of training done, 0 to 1
encode(features, *, seed=None) -> Latent      hard; without a seed the mode (for a Gaussian the mean)
relaxed(features, *, seed) -> z, or None where the loss reads no relaxed sample
"""

from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from vaecli.estimators.estimator import Objective, State


class Step(NamedTuple):
    surrogate: tf.Tensor  # [B], distortion with the estimator's gradient
    rate: tf.Tensor  # [B] nats, KL(q(z|x) || p(z))
    penalty: tf.Tensor  # [B], losses of the bottleneck's own
    state: State


class Latent(NamedTuple):
    z: tf.Tensor  # [B, L, K or D], what the decoder reads
    codes: tf.Tensor | None  # [B, L] int32
    rate: tf.Tensor  # [B] nats


class Bottleneck(Protocol):
    """One per run; its weights are Keras variables, its state (if any) is handed in and out."""

    latent_shape: tuple[int, int]  # (L, K) or (L, D)
    num_codes: int | None  # K; None: z is continuous
    layers: list[keras.layers.Layer]

    def initial_state(self, seed: tf.Tensor) -> State: ...

    def train(
        self,
        features: tf.Tensor,
        objective: Objective,
        *,
        state: State,
        seed: tf.Tensor,
        progress: tf.Tensor | float = 1.0,
    ) -> Step: ...

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latent: ...

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor | None: ...

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        """z [B, L, K or D] of codes [B, L], or of a Gaussian's latent vectors [B, D]."""

    def export(self, features: Any) -> Any:
        """The mode path from symbolic features to z [B, L * K or D], in Keras' own layers only."""
