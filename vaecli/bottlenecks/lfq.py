"""Lookup-free quantisation (Yu et al. 2023, arXiv 2310.05737)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaecli.bottlenecks.codebook import exported
from vaecli.bottlenecks.quantizer import Quantized, Quantizer
from vaecli.estimators.sampling import with_gradient


class LookupFreeQuantizer(Quantizer):
    """Each of the bits of a position is the sign of one number; together they are one code.

        forward    z  = sign(e) in {-1, 1}
        backward   dz = de
        penalty  = entropy_weight * (mean H(p(c|e)) - H(mean p(c|e))) + commitment * mean (e - sg(z))^2

    p(c|e) = softmax over the 2^bits codes c of -|e - c|^2, so that each bit is 1 with probability sigmoid(4 e_i),
    independently: an encoding is asked to be sure of its code, and a batch to use all codes alike. The batch's entropy
    is of all codes, not of each bit, which is why there are 2^bits probabilities for each encoding.
    """

    def __init__(
        self, inputs: int, positions: int, *, seed: int, bits: int, entropy_weight: float, commitment: float
    ) -> None:
        super().__init__(inputs, positions, (1, bits), seed=seed, values=2**bits)
        self.entropy_weight, self.commitment = entropy_weight, commitment
        self.codebook = (2.0 * (np.arange(2**bits)[:, None] >> np.arange(bits) & 1) - 1).astype(np.float32)  # [K, bits]

    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        del seed  # nothing is drawn
        z = with_gradient(tf.where(e > 0, 1.0, -1.0), of=e)
        penalty = self.commitment * tf.reduce_mean(tf.square(e - tf.stop_gradient(z)), (1, 2))
        if self.entropy_weight:
            penalty += self.entropy_weight * self.entropies(e)
        codes = tf.one_hot(self.nearest(e), len(self.codebook)) if self.latent_shape[0] == 1 else None
        return Quantized(z, codes, penalty)

    def entropies(self, e: tf.Tensor) -> tf.Tensor:
        """H(p(c|e)) of each image's vectors less H(mean p(c|e)) of the batch, in nats [B]."""
        log_p = tf.nn.log_softmax(2 * tf.einsum("bnd,kd->bnk", e, self.codebook))
        p = tf.exp(log_p)
        mean = tf.reduce_mean(p, (0, 1))
        of_batch = -tf.reduce_sum(mean * tf.math.log(tf.maximum(mean, 1e-30)))
        return -tf.reduce_mean(tf.reduce_sum(p * log_p, -1), 1) - of_batch

    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(e > 0, tf.int32) * tf.constant(1 << np.arange(e.shape[-1]), tf.int32), -1)

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.codebook, latents)

    def export_encode(self, features: Any) -> Any:
        signs = keras.ops.cast(keras.ops.greater(self.export_embed(features), 0.0), "float32")
        number = keras.layers.Dense(1, use_bias=False, name="number")
        number.build((None, *self.latent_shape))
        number.set_weights([1 << np.arange(self.latent_shape[1])[:, None]])
        return keras.ops.cast(keras.layers.Reshape(self.latent_shape[:1])(number(signs)), "int32")

    def export_lookup(self, latents: Any) -> Any:
        return exported(self.codebook)(latents)
