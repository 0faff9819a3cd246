"""DiVeQ: differentiable vector quantisation (Vali et al. 2025, arXiv 2509.26469)."""

import tensorflow as tf

from vaecli.backend.random import normal
from vaecli.bottlenecks.codebook import Codebook
from vaecli.bottlenecks.quantizer import Quantized
from vaecli.bottlenecks.vector_quantizer import OfCodebook

SMALLEST = 1e-12  # square of a step's length


class DiVeQ(OfCodebook):
    """Vector quantisation whose step from e to its row q is a function with a gradient, in training.

        z = e + |q - e| sg(v / |v|),  v = q - e + sqrt(noise_variance) eps,  eps ~ N(0, I)

    The length of the step carries the gradient, to the encoder and to the row, and no additional loss is needed. z
    differs from q by the noise alone; evaluation and codes are those of q.
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
        noise_variance: float,
    ) -> None:
        book = Codebook(num_codes, code_dim, seed=seed)
        super().__init__(inputs, positions, book, seed=seed, num_latents=num_latents)
        self.noise_variance = noise_variance

    def quantized(self, e: tf.Tensor, *, seed: tf.Tensor) -> Quantized:
        q, _ = self.book.quantize(e)
        z = stepped(e, q, noise_variance=self.noise_variance, seed=seed)
        return Quantized(z, None, tf.zeros_like(e[:, 0, 0]))


def stepped(e: tf.Tensor, q: tf.Tensor, *, noise_variance: float, seed: tf.Tensor) -> tf.Tensor:
    """z of e and q [..., D], as DiVeQ has it."""
    step = q - e
    noise = noise_variance**0.5 * normal(tf.shape(e), seed=seed)
    direction = tf.stop_gradient(tf.math.l2_normalize(step + noise, -1))
    # (0): the root has no gradient there
    length = tf.sqrt(tf.reduce_sum(tf.square(step), -1, keepdims=True) + SMALLEST)
    return e + length * direction
