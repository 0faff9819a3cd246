"""Vector quantisation with a learned codebook (van den Oord et al. 2017, arXiv 1711.00937)."""

import math
from typing import Any

import keras
import tensorflow as tf

from vaecli.backend.layers import dense, largest, layer_seed
from vaecli.backend.progress import END, Progress
from vaecli.bottlenecks.bottleneck import Latents, Step
from vaecli.estimators.estimator import Objective, State
from vaecli.estimators.sampling import one_hot, with_gradient

CODEBOOK_STDDEV = 0.05  # the article's


class VectorQuantizer:
    """Each of N vectors e is replaced by its nearest codebook row q; all latents share the codebook [K, D].

        code     = argmin_k |e|^2 - 2 e.c_k + |c_k|^2
        forward    z  = q
        backward   dz = de
        penalty  = mean (sg(e) - q)^2 + commitment * mean (e - sg(q))^2

    The two losses are means over N and D (the paper sums; the article takes means). The posterior is a point and
    the prior uniform, so the rate is the constant N log K.
    """

    def __init__(
        self,
        inputs: int,
        positions: int,
        *,
        seed: int,
        num_latents: int,
        num_codes: int,
        code_dim: int,
        commitment: float,
    ) -> None:
        self.latent_shape = (positions * num_latents, code_dim)
        self.inputs = inputs
        self.num_codes = num_codes
        self.commitment = commitment
        self.head = dense(inputs, num_latents * code_dim, name="embedding", seed=seed)
        self.table = keras.layers.Embedding(
            num_codes,
            code_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=CODEBOOK_STDDEV, seed=layer_seed(seed, "codebook")
            ),
            name="codebook",
        )
        self.table.build()
        self.layers: list[keras.layers.Layer] = [self.head, self.table]

    @property
    def codebook(self) -> tf.Tensor:
        """[K, D]."""
        return tf.convert_to_tensor(self.table.embeddings)

    def initial_state(self, seed: tf.Tensor) -> State:
        del seed
        return ()

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """[B, N, D], before quantisation."""
        return tf.reshape(self.head(tf.reshape(features, (-1, self.inputs))), (-1, *self.latent_shape))

    def quantize(self, e: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """q [B, N, D] with the codebook's gradient, and its codes, one_hot [B, N, K]."""
        codebook = self.codebook
        # |e|^2 is the same for all codes and does not change the argmin
        distances = tf.reduce_sum(tf.square(codebook), -1) - 2 * tf.einsum("bld,kd->blk", e, codebook)
        codes = one_hot(tf.argmin(distances, -1), like=distances)
        return tf.einsum("blk,kd->bld", codes, codebook), codes

    def rate(self, features: tf.Tensor) -> tf.Tensor:
        return -self.log_prior(features)

    def log_prior(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.fill((tf.shape(codes)[0],), -self.latent_shape[0] * math.log(self.num_codes))

    def log_posterior(self, features: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        return tf.where(tf.reduce_all(codes[:, None] == self.encode(features).codes, -1), 0.0, -math.inf)

    def train(
        self,
        features: tf.Tensor,
        objective: Objective,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step:
        del seed, progress  # nothing is drawn, nothing is scheduled
        e = self.embed(features)
        q, codes = self.quantize(e)
        penalty = tf.reduce_mean(tf.square(tf.stop_gradient(e) - q), (1, 2)) + self.commitment * tf.reduce_mean(
            tf.square(e - tf.stop_gradient(q)), (1, 2)
        )
        return Step(objective(with_gradient(q, of=e), codes), self.rate(features), penalty, state)

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latents:
        del seed  # the posterior is a point: sample and mode are one
        q, codes = self.quantize(self.embed(features))
        return Latents(q, tf.argmax(codes, -1, output_type=tf.int32), self.rate(features))

    def log_weight(self, features: tf.Tensor, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        del seed  # q is a point, the prior uniform
        q, _ = self.quantize(self.embed(features))
        return q, -self.rate(features)

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END) -> None:
        del features, seed, progress  # the decoder reads hard codes in training too

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.codebook, latents)

    def export_encode(self, features: Any) -> Any:
        e = keras.layers.Reshape(self.latent_shape)(self.head(features))
        nearness = keras.layers.Dense(self.num_codes, name="nearness")  # 2 e.c - |c|^2, largest for the nearest
        nearness.build((None, *self.latent_shape))
        codebook = keras.ops.convert_to_numpy(self.table.embeddings)
        nearness.set_weights([2 * codebook.T, -(codebook**2).sum(-1)])
        return largest(nearness(e))

    def export_lookup(self, latents: Any) -> Any:
        return self.table(latents)
