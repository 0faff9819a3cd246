"""What lies between encoder and decoder, on features [B, P, F] of P positions (one for an mlp).

    train(features, objective, *, state, seed, progress) -> Step      progress: the place of a step
    encode(features, *, seed=None) -> Latents      hard; without a seed the mode (for a Gaussian the mean)
    log_weight(features, *, seed) -> (z, log p(z) - log q(z|x) [B])
    relaxed(features, *, seed, progress) -> z, or None where the loss reads no relaxed sample

An image has N = P * L codes of L at each position; z is [B, N, D]. All positions share the head.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.progress import END, Progress
from vaecli.estimators.estimator import State, Weighted


class Rows(NamedTuple):
    """Rows of a learned weight [K, ...] that begin again: the optimiser's memory of them is cleared."""

    places: tf.Tensor  # [K] bool
    values: tf.Tensor  # [K, ...], read where `places` is true


class Step(NamedTuple):
    surrogate: tf.Tensor  # [B], distortion with the estimator's gradient
    rate: tf.Tensor  # [B] nats, KL(q(z|x) || p(z))
    penalty: tf.Tensor  # [B], additional losses of the bottleneck
    state: State
    updates: Mapping[str, tf.Tensor] = {}  # new values of weights without a gradient, by "layer/name"
    replaced: Mapping[str, Rows] = {}  # of learned weights, after the optimiser's step, likewise
    of_bound: bool = False  # the surrogate has the rate in it, times beta


class Latents(NamedTuple):
    z: tf.Tensor  # [B, N, D], what the decoder reads
    codes: tf.Tensor | None  # [B, N] int32
    rate: tf.Tensor  # [B] nats


class Bottleneck(Protocol):
    """One per run; its weights are Keras variables, its state (if any) is handed in and out."""

    latent_shape: tuple[int, int]  # (N, D)
    layers: list[keras.layers.Layer]

    def initial_state(self, seed: tf.Tensor) -> State: ...

    def train(
        self,
        features: tf.Tensor,
        objective: Weighted,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step: ...

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latents: ...

    def log_weight(self, features: tf.Tensor, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """z [B, N, D] drawn from q(z|x), and log p(z) - log q(z|x) in nats [B]; of a point, q is 1."""

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END) -> tf.Tensor | None: ...

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        """z [B, N, D] of codes [B, N], or of a Gaussian's latent vectors [B, N * D]."""

    def export_encode(self, features: Any) -> Any:
        """What `lookup` takes of the mode, from symbolic features [B, P, F], in Keras' own layers only."""

    def export_lookup(self, latents: Any) -> Any:
        """What `lookup` does, likewise."""


@runtime_checkable
class OfCodes(Bottleneck, Protocol):
    """A bottleneck of codes whose probabilities are known, so that log p(x) is a sum over all of them."""

    def log_prior(self, codes: tf.Tensor) -> tf.Tensor:
        """log p(z) in nats [C], of codes [C, N]."""

    def log_posterior(self, features: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """log q(z|x) in nats [C, B], of codes [C, N] and every image; of a point 0 at its own code, else -inf."""


@runtime_checkable
class OfEncodings(Bottleneck, Protocol):
    """A bottleneck of which some weights begin at what the encoder makes of training images."""

    begins_at: int | None  # the number of finished steps before the one that first needs them; None: they need nothing

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """e [B, N, D]."""

    def begun(self, e: NDArray[np.float32], *, seed: int) -> Mapping[str, NDArray[np.float32]]:
        """Values of these weights by "layer/name", from e [M, N, D] of M images."""


@runtime_checkable
class OfRows(Bottleneck, Protocol):
    """A bottleneck with one codebook, whose rows [K, D] lie among its encodings."""

    rows: Any

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """e [B, N, D]."""
