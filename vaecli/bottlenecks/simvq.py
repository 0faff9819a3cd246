"""SimVQ (Zhu et al. 2024, arXiv 2411.02038)."""

import keras
import tensorflow as tf

from vaecli.backend.layers import layer_seed
from vaecli.bottlenecks.codebook import Codebook
from vaecli.bottlenecks.vector_quantizer import OfCodebook


class SimVQ(OfCodebook):
    """Vector quantisation whose codebook is a frozen table times one learned matrix.

        c_k = t_k W,  t_k ~ N(0, 1/D) and never changed,  W [D, D]

    One step moves W and so every row, used or not. Forward, backward and the losses are those of VectorQuantizer.
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
        book = Turned(num_codes, code_dim, seed=seed)
        super().__init__(inputs, positions, book, seed=seed, num_latents=num_latents, commitment=commitment)


class Turned(Codebook):
    """A frozen table times a learned matrix."""

    def __init__(self, num_codes: int, code_dim: int, *, seed: int, name: str = "codebook") -> None:
        super().__init__(num_codes, code_dim, seed=seed, name=name, stddev=code_dim**-0.5)
        self.table.trainable = False
        name = name.replace("codebook", "matrix")
        initializer = keras.initializers.GlorotUniform(layer_seed(seed, name))
        self.matrix = keras.layers.Dense(code_dim, use_bias=False, kernel_initializer=initializer, name=name)
        self.matrix.build((None, code_dim))
        self.layers.append(self.matrix)

    @property
    def rows(self) -> tf.Tensor:
        return tf.matmul(tf.convert_to_tensor(self.table.embeddings), tf.convert_to_tensor(self.matrix.kernel))
