"""A codebook: which row is nearest to a vector, and how rows begin, move and are replaced."""

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.layers import largest, layer_seed
from vaecli.backend.random import uniform
from vaecli.bottlenecks.bottleneck import Rows
from vaecli.bottlenecks.kmeans import kmeans
from vaecli.estimators.sampling import one_hot

STDDEV = 0.05  # of the first rows, the article's
SMOOTHING = 1e-5  # of the averages' counts (Laplace's), as in the code of arXiv 1711.00937
KEPT = 0.9  # share of the moving count of uses that each step keeps: an unused row falls to a tenth in 22 steps

Updates = dict[str, tf.Tensor]


class Codebook:
    """K rows c_k of D numbers, and the state that they are learned with, in variables without a gradient.

    Of one step, with n_k vectors e whose nearest row is k:

        codebook: gradient   rows are moved by the loss mean (sg(e) - q)^2
        codebook: ema        N_k <- decay N_k + (1 - decay) n_k,  m_k <- decay m_k + (1 - decay) sum of those e
                             c_k <- m_k / N_k where n_k > 0       (arXiv 1711.00937, appendix A.1)
        restart > 0          u_k <- KEPT u_k + (1 - KEPT) n_k; where u_k < restart, c_k is a random e of the batch and
                             u_k = restart; a learned row's memory in the optimiser is cleared

    The counts are smoothed by Laplace's rule. N begins at 1 and m at the row, as if each had one vector. Counts that
    begin at 0 place a row wholly at its first vectors, and few rows take all: on MNIST, ten rows in the article's
    protocol, two seeds, 4 are in use after three epochs and the error is .059, in place of 10 and .0517. A row that
    nothing chose is held where it is. u begins at `restart`, so a row that the first batch has no use for is replaced
    at once. With `distance: cosine` vectors and rows are divided by their lengths, and everything holds for what is
    left (arXiv 2110.04627).
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        seed: int,
        codebook: Literal["gradient", "ema"] = "gradient",
        decay: float = 0.99,
        init: Literal["normal", "kmeans"] = "normal",
        restart: float = 0.0,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        name: str = "codebook",
        stddev: float = STDDEV,
    ) -> None:
        self.name, self.decay, self.restart = name, decay, restart
        self.begins_at_encodings = init == "kmeans"
        self.on_sphere = distance == "cosine"
        self.table = keras.layers.Embedding(
            num_codes,
            code_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=stddev, seed=layer_seed(seed, name)),
            name=name,
        )
        self.table.build()
        self.layers: list[keras.layers.Layer] = [self.table]
        self.averages: tuple[keras.Variable, keras.Variable] | None = None  # N [K], m [K, D]
        self.uses: keras.Variable | None = None  # u [K]
        if codebook == "ema":
            self.table.trainable = False
            layer = self._state("averages")
            counts = layer.add_weight(shape=(num_codes,), initializer="ones", trainable=False, name="counts")
            sums = layer.add_weight(shape=(num_codes, code_dim), trainable=False, name="sums")
            sums.assign(self.table.embeddings.value)
            self.averages = counts, sums
        if restart:
            start = keras.initializers.Constant(restart)
            self.uses = self._state("uses").add_weight(
                shape=(num_codes,), initializer=start, trainable=False, name="counts"
            )

    def _state(self, of: str) -> keras.layers.Layer:
        self.layers.append(keras.layers.Layer(name=f"{self.name}_{of}"))
        return self.layers[-1]

    @property
    def rows(self) -> tf.Tensor:
        """[K, D], as vectors are compared with them and the decoder reads them."""
        return self.placed(tf.convert_to_tensor(self.table.embeddings))

    def placed(self, e: tf.Tensor) -> tf.Tensor:
        """Vectors [..., D] where the rows are: on the sphere with `distance: cosine`."""
        return tf.math.l2_normalize(e, -1) if self.on_sphere else e

    def distances(self, e: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """|e - c_k|^2 but for |e|^2, which does not change the argmin: [B, N, K] of e [B, N, D]."""
        return tf.reduce_sum(tf.square(rows), -1) - 2 * tf.einsum("bld,kd->blk", e, rows)

    def nearest(self, e: tf.Tensor) -> tf.Tensor:
        """The codes [B, N] int32 of e [B, N, D]."""
        return tf.argmin(self.distances(e, self.rows), -1, output_type=tf.int32)

    def quantize(self, e: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """q [B, N, D] with the rows' gradient, and the codes, one_hot [B, N, K]."""
        rows = self.rows
        distances = self.distances(e, rows)
        codes = one_hot(tf.argmin(distances, -1), like=distances)
        return tf.einsum("blk,kd->bld", codes, rows), codes

    def loss(self, e: tf.Tensor, q: tf.Tensor, *, commitment: float) -> tf.Tensor:
        """[B], the two losses that hold vectors and rows together; averages need only the commitment."""
        own = commitment * tf.reduce_mean(tf.square(e - tf.stop_gradient(q)), (1, 2))
        if self.averages:
            return own
        return tf.reduce_mean(tf.square(tf.stop_gradient(e) - q), (1, 2)) + own

    def moved(self, e: tf.Tensor, codes: tf.Tensor, *, seed: tf.Tensor) -> tuple[Updates, dict[str, Rows]]:
        """What a step changes beside the gradient: new values of variables, and learned rows that are replaced.

        Args:
            e: [B, N, D]; codes: one_hot [B, N, K], of e.
        """
        updates: Updates = {}
        replaced: dict[str, Rows] = {}
        if not self.averages and self.uses is None:
            return updates, replaced
        vectors = tf.stop_gradient(tf.reshape(e, (-1, e.shape[-1])))
        chosen = tf.reshape(codes, (-1, codes.shape[-1]))
        chose = tf.reduce_sum(chosen, 0)
        rows = tf.convert_to_tensor(self.table.embeddings)
        if self.averages:
            counts, sums = (tf.convert_to_tensor(average) for average in self.averages)
            counts = self.decay * counts + (1 - self.decay) * chose
            sums = self.decay * sums + (1 - self.decay) * tf.matmul(chosen, vectors, transpose_a=True)
            rows = tf.where(chose[:, None] > 0, sums / self._smoothed(counts)[:, None], rows)
        if self.uses is not None:
            uses = tf.convert_to_tensor(self.uses)
            uses += (1 - KEPT) * (chose - uses)
            dead = uses < self.restart
            updates[f"{self.name}_uses/counts"] = tf.where(dead, self.restart, uses)
            draws = uniform(tf.shape(uses), seed=seed) * tf.cast(tf.shape(vectors)[0], tf.float32)
            drawn = tf.gather(vectors, tf.minimum(tf.cast(draws, tf.int32), tf.shape(vectors)[0] - 1))
            if self.averages:
                rows = tf.where(dead[:, None], drawn, rows)
                counts = tf.where(dead, self.restart, counts)
                sums = tf.where(dead[:, None], self.restart * drawn, sums)
            else:
                replaced[f"{self.name}/embeddings"] = Rows(dead, drawn)
        if self.averages:
            updates[f"{self.name}/embeddings"] = rows
            updates |= {f"{self.name}_averages/counts": counts, f"{self.name}_averages/sums": sums}
        return updates, replaced

    @staticmethod
    def _smoothed(counts: tf.Tensor) -> tf.Tensor:
        """(N_k + eps) / (n + K eps) n, with n the sum of the counts [K]."""
        total = tf.reduce_sum(counts)
        return (counts + SMOOTHING) / (total + counts.shape[0] * SMOOTHING) * total

    def begun(self, e: NDArray[np.float32], *, seed: int) -> Mapping[str, NDArray[np.float32]]:
        """What begins at vectors e [M, D] with `init: kmeans`: rows, and averages as of one vector each."""
        if not self.begins_at_encodings:
            return {}
        num_codes, _ = self.table.embeddings.shape
        rows = kmeans(e, num_codes, seed=layer_seed(seed, f"{self.name} kmeans"))
        values = {f"{self.name}/embeddings": rows}
        if self.averages:
            counts = np.ones(num_codes, np.float32)
            values |= {f"{self.name}_averages/counts": counts, f"{self.name}_averages/sums": rows}
        return values

    def export_nearest(self, e: Any) -> Any:
        """The codes [B, N] of symbolic e [B, N, D], in Keras' own layers: argmax of 2 e.c - |c|^2."""
        rows = keras.ops.convert_to_numpy(self.rows)
        nearness = keras.layers.Dense(len(rows), name=f"nearness_{self.name}".removesuffix("_codebook"))
        nearness.build((None, *e.shape[1:]))
        norms = np.zeros(len(rows)) if self.on_sphere else (rows**2).sum(-1)  # there all norms are 1, but for rounding
        nearness.set_weights([2 * rows.T, -norms])
        return largest(nearness(e))

    def export_rows(self, name: str | None = None) -> keras.layers.Embedding:
        """A layer of Keras that looks rows up as the decoder reads them; a model has each name once."""
        return exported(keras.ops.convert_to_numpy(self.rows), name or self.name)


def exported(rows: NDArray[np.float32], name: str = "codebook") -> keras.layers.Embedding:
    """A layer of Keras that looks up rows [K, D] by their number."""
    layer = keras.layers.Embedding(*rows.shape, name=name)
    layer.build()
    layer.set_weights([rows])
    return layer
