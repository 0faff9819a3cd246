"""Residual vector quantisation (Zeghidour et al. 2021, arXiv 2107.03312)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.random import fold_in
from vaecli.bottlenecks.bottleneck import Rows
from vaecli.bottlenecks.codebook import Codebook
from vaecli.bottlenecks.diveq import stepped
from vaecli.bottlenecks.kmeans import nearest
from vaecli.bottlenecks.quantizer import Quantized, Quantizer
from vaecli.bottlenecks.simvq import Turned
from vaecli.bottlenecks.vector_quantizer import PASSED, Gradient


class ResidualQuantizer(Quantizer):
    """One codebook after another, each for what those before have left; the decoder reads the sum of their rows.

        r_1 = e,  q_s = the row of codebook s nearest to r_s,  r_{s+1} = r_s - sg(q_s)
        forward    z  = q_1 + ... + q_S
        backward   dz = de, or rotation's (VectorQuantizer)
        penalty  = sum_s of VectorQuantizer's losses of r_s and q_s

    A position has S codes of K values each, and one vector. That is `of: vqvae`; `of: simvq` has the rows of SimVQ in
    each stage, and `of: diveq` goes from e to the sum of the rows by DiVeQ's step, which has a gradient to all of them
    and no penalty.
    """

    def __init__(
        self,
        inputs: int,
        positions: int,
        *,
        seed: int,
        stages: int,
        of: Literal["vqvae", "simvq", "diveq"] = "vqvae",
        num_codes: int,
        code_dim: int,
        commitment: float = 0.0,
        codebook: Literal["gradient", "ema"] = "gradient",
        decay: float = 0.99,
        init: Literal["normal", "kmeans"] = "normal",
        restart: float = 0.0,
        gradient: Gradient = "straight_through",
        unquantized_steps: int = 0,
        noise_variance: float = 0.0,
    ) -> None:
        super().__init__(inputs, positions, (1, code_dim), seed=seed, values=num_codes, stages=stages)
        self.commitment = commitment
        self.passed = PASSED[gradient]
        self.noise_variance = noise_variance if of == "diveq" else None
        self.unquantized_steps = unquantized_steps
        learned = partial(Codebook, codebook=codebook, decay=decay, init=init, restart=restart)
        rows = Turned if of == "simvq" else learned
        self.books = [rows(num_codes, code_dim, seed=seed, name=f"codebook_{stage}") for stage in range(stages)]
        self.layers += [layer for book in self.books for layer in book.layers]
        self.begins_at = unquantized_steps if init == "kmeans" else None

    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        left, total, penalty = e, tf.zeros_like(e), tf.zeros_like(e[:, 0, 0])
        updates: dict[str, tf.Tensor] = {}
        replaced: dict[str, Rows] = {}
        for stage, book in enumerate(self.books):
            q, codes = book.quantize(left)
            if self.noise_variance is None:
                penalty += book.loss(left, q, commitment=self.commitment)
            moved = book.moved(left, codes, seed=fold_in(seed, stage))
            updates, replaced = updates | moved[0], replaced | moved[1]
            total, left = total + q, left - tf.stop_gradient(q)
        if self.noise_variance is None:
            z = self.passed(e, total)
        else:
            z = stepped(e, total, noise_variance=self.noise_variance, seed=seed)
        return Quantized(z, None, penalty, updates, replaced)

    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        found = []
        for book in self.books:
            found.append(book.nearest(e))
            e -= tf.gather(book.rows, found[-1])
        return tf.reshape(tf.stack(found, -1), (-1, len(self.books) * self.latent_shape[0]))

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        codes = tf.reshape(latents, (-1, self.latent_shape[0], len(self.books)))
        z = tf.zeros(())
        for stage, book in enumerate(self.books):
            z += tf.gather(book.rows, codes[..., stage])
        return z

    def begun(self, e: NDArray[np.float32], *, seed: int) -> Mapping[str, NDArray[np.float32]]:
        left = e.reshape(-1, e.shape[-1])
        values: dict[str, NDArray[np.float32]] = {}
        for book in self.books:
            values |= book.begun(left, seed=seed)
            rows = values[f"{book.name}/embeddings"]
            left = left - rows[nearest(left, rows)]
        return values

    def export_encode(self, features: Any) -> Any:
        e, found = self.export_embed(features), []
        for book in self.books:
            found.append(book.export_nearest(e))
            e = keras.layers.Subtract()([e, book.export_rows(f"{book.name}_taken")(found[-1])])
        codes = [keras.layers.Reshape((self.latent_shape[0], 1))(codes) for codes in found]
        codes = keras.layers.Concatenate()(codes) if len(codes) > 1 else codes[0]
        return keras.layers.Reshape((len(self.books) * self.latent_shape[0],))(codes)

    def export_lookup(self, latents: Any) -> Any:
        codes = keras.layers.Reshape((self.latent_shape[0], len(self.books)))(latents)
        parts = keras.ops.split(codes, len(self.books), axis=-1)
        found = [
            book.export_rows()(keras.layers.Reshape((self.latent_shape[0],))(part))
            for book, part in zip(self.books, parts, strict=True)
        ]
        return keras.layers.Add()(found) if len(found) > 1 else found[0]
