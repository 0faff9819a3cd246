"""Vector quantisation with a learned codebook (van den Oord et al. 2017, arXiv 1711.00937)."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.bottlenecks.codebook import Codebook
from vaecli.bottlenecks.quantizer import Quantized, Quantizer
from vaecli.estimators.sampling import with_gradient

Gradient = Literal["straight_through", "rotation"]
SMALLEST = 1e-12  # length of a vector that is turned; a shorter one counts as so long


class OfCodebook(Quantizer):
    """Each of N vectors e is replaced by its nearest row q of one codebook, which all latents share."""

    def __init__(
        self,
        inputs: int,
        positions: int,
        book: Codebook,
        *,
        seed: int,
        num_latents: int,
        commitment: float = 0.0,
        gradient: Gradient = "straight_through",
        unquantized_steps: int = 0,
    ) -> None:
        num_codes, code_dim = book.table.embeddings.shape
        super().__init__(inputs, positions, (num_latents, code_dim), seed=seed, values=num_codes)
        self.commitment = commitment
        self.passed = PASSED[gradient]
        self.unquantized_steps = unquantized_steps
        self.book = book
        self.layers += book.layers
        self.begins_at = unquantized_steps if book.begins_at_encodings else None

    @property
    def rows(self) -> tf.Tensor:
        return self.book.rows

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        return self.book.placed(super().embed(features))

    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        q, codes = self.book.quantize(e)
        penalty = self.book.loss(e, q, commitment=self.commitment)
        return Quantized(self.passed(e, q), codes, penalty, *self.book.moved(e, codes, seed=seed))

    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        return self.book.nearest(e)

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.book.rows, latents)

    def begun(self, e: NDArray[np.float32], *, seed: int) -> Mapping[str, NDArray[np.float32]]:
        return self.book.begun(e.reshape(-1, e.shape[-1]), seed=seed)

    def export_encode(self, features: Any) -> Any:
        return self.book.export_nearest(self.export_embed(features))

    def export_lookup(self, latents: Any) -> Any:
        return self.book.export_rows()(latents)


class VectorQuantizer(OfCodebook):
    """Each of N vectors e is replaced by its nearest codebook row q; all latents share the codebook [K, D].

        code     = argmin_k |e|^2 - 2 e.c_k + |c_k|^2
        forward    z  = q
        backward   dz = de                        gradient: straight_through
                   dz = |q| / |e| R de            gradient: rotation (arXiv 2410.06424), R turns e onto q
        penalty  = mean (sg(e) - q)^2 + commitment * mean (e - sg(q))^2

    The two losses are means over N and D (the paper sums; the article takes means). How else rows are learned, begun
    and replaced is told in codebook.py. In the first `unquantized_steps` the decoder reads e, without a penalty, and
    the codebook rests (arXiv 2605.06870 then begins it with k-means: `init: kmeans`).
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
        codebook: Literal["gradient", "ema"] = "gradient",
        decay: float = 0.99,
        init: Literal["normal", "kmeans"] = "normal",
        restart: float = 0.0,
        gradient: Gradient = "straight_through",
        distance: Literal["euclidean", "cosine"] = "euclidean",
        unquantized_steps: int = 0,
    ) -> None:
        book = Codebook(
            num_codes,
            code_dim,
            seed=seed,
            codebook=codebook,
            decay=decay,
            init=init,
            restart=restart,
            distance=distance,
        )
        super().__init__(
            inputs,
            positions,
            book,
            seed=seed,
            num_latents=num_latents,
            commitment=commitment,
            gradient=gradient,
            unquantized_steps=unquantized_steps,
        )


def straight_through(e: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """q forward, the gradient handed to e as it is."""
    return with_gradient(q, of=e)


def rotated(e: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """q forward; backward the gradient is scaled and turned as q is against e (arXiv 2410.06424, section 4).

        R = I - 2 r r' + 2 u_q u_e',  u_x = x / |x|,  r = (u_e + u_q) / |u_e + u_q|
        dz = |q| / |e| R de, with |q| / |e| and R held fixed

    So g.q of the upstream gradient g is what e gets along itself, and the angle between gradient and vector is kept.

    Args:
        e, q: [..., D].
    """
    lengths = [tf.maximum(tf.norm(x, axis=-1, keepdims=True), SMALLEST) for x in (e, q)]
    scale = tf.stop_gradient(lengths[1] / lengths[0])
    of_e, of_q = (tf.stop_gradient(x / length) for x, length in zip((e, q), lengths, strict=True))
    r = tf.stop_gradient(tf.math.l2_normalize(of_e + of_q, -1))

    def along(direction: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(direction * e, -1, keepdims=True)

    return with_gradient(q, of=scale * (e - 2 * r * along(r) + 2 * of_q * along(of_e)))


PASSED = {"straight_through": straight_through, "rotation": rotated}
