"""Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaecli.bottlenecks.codebook import exported
from vaecli.bottlenecks.quantizer import Quantized, Quantizer
from vaecli.estimators.sampling import with_gradient

MARGIN = 1e-3  # keeps the bound inside the outermost levels, as in the paper's code


class FiniteScalarQuantizer(Quantizer):
    """Each of d numbers of a position is bounded to its L levels and rounded; together they are one code.

        b        = (L - 1)(1 - MARGIN) / 2 * tanh(e + shift) - offset,  offset = 1/2 for an even L, else 0
        forward    z = round(b) / floor(L / 2)
        backward   dz = db / floor(L / 2)
        code     = sum_i (round(b_i) + floor(L_i / 2)) * L_1 ... L_{i-1}

    shift = artanh(offset / half the width) puts b = 0 at e = 0; the paper's code has tan in the place of artanh. Two
    levels have no shift: b would reach 0 nowhere, and at e = 0 it is midway between them. There is no codebook and no
    additional loss.
    """

    def __init__(self, inputs: int, positions: int, *, seed: int, levels: Sequence[int]) -> None:
        super().__init__(inputs, positions, (1, len(levels)), seed=seed, values=math.prod(levels))
        self.levels = np.array(levels)
        self.middle = (self.levels // 2).astype(np.float32)  # the number of levels below 0
        self.half = ((self.levels - 1) * (1 - MARGIN) / 2).astype(np.float32)
        self.offset = np.where(self.levels % 2, 0.0, 0.5).astype(np.float32)
        self.shift = np.arctanh(np.where(self.levels > 2, self.offset / self.half, 0.0)).astype(np.float32)
        self.basis = np.cumprod([1, *levels[:-1]])
        self.num_codes = math.prod(levels)

    @property
    def codebook(self) -> np.ndarray:
        """The values of z that the codes stand for, [K, d] float32."""
        digits = np.arange(self.num_codes)[:, None] // self.basis % self.levels
        return ((digits - self.middle) / self.middle).astype(np.float32)

    def bounded(self, e: tf.Tensor) -> tf.Tensor:
        """[..., d], each number between its outermost levels."""
        return self.half * tf.tanh(e + self.shift) - self.offset

    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        del seed  # nothing is drawn
        bounded = self.bounded(e)
        z = with_gradient(tf.round(bounded) / self.middle, of=bounded / self.middle)
        codes = tf.one_hot(self._codes(bounded), self.num_codes) if self.latent_shape[0] == 1 else None
        return Quantized(z, codes, tf.zeros_like(e[:, 0, 0]))

    def _codes(self, bounded: tf.Tensor) -> tf.Tensor:
        digits = tf.cast(tf.round(bounded) + self.middle, tf.int32)
        return tf.reduce_sum(digits * tf.constant(self.basis, tf.int32), -1)

    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        return self._codes(self.bounded(e))

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.codebook, latents)

    def export_encode(self, features: Any) -> Any:
        e = keras.layers.Rescaling(1.0, self.shift.tolist())(self.export_embed(features))
        bounded = keras.layers.Rescaling(self.half.tolist(), (-self.offset).tolist())(keras.ops.tanh(e))
        digits = keras.layers.Rescaling(1.0, self.middle.tolist())(keras.ops.round(bounded))
        number = keras.layers.Dense(1, use_bias=False, name="number")
        number.build((None, *self.latent_shape))
        number.set_weights([self.basis[:, None]])
        return keras.ops.cast(keras.layers.Reshape(self.latent_shape[:1])(number(digits)), "int32")

    def export_lookup(self, latents: Any) -> Any:
        return exported(self.codebook)(latents)
