"""Hard EM: each image trains its best code, and the encoder learns to name it (Celeux and Govaert 1992)."""

import tensorflow as tf

from vaecli.backend.progress import END, Progress
from vaecli.bottlenecks.bottleneck import Step
from vaecli.bottlenecks.codebook import Codebook
from vaecli.bottlenecks.vector_quantizer import OfCodebook
from vaecli.estimators.estimator import Objective, State
from vaecli.estimators.exact import all_codes


class HardEM(OfCodebook):
    """The codes of a codebook [K, D], the nearest row of each of N vectors e, learned without a gradient through them.

        best     = argmin_c f(c)                        of all K^N codes, each decoded once for the batch
        loss     = f(best) - sum_n log softmax_k(-|e_n - c_k|^2)[best_n]

    The first term is the M-step of hard EM (Celeux and Govaert 1992, doi 10.1016/0167-9473(92)90042-E): with one code
    that is online k-means whose centres a decoder draws. The second teaches the encoder, by classification, what it has
    to answer when the loss cannot be asked. No weight balances them: the first does not reach the encoder. So the loss
    of training is that of the best codes; evaluation is of the encoder's.
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
    ) -> None:
        super().__init__(
            inputs, positions, Codebook(num_codes, code_dim, seed=seed), seed=seed, num_latents=num_latents
        )

    def train(
        self,
        features: tf.Tensor,
        objective: Objective,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step:
        del seed, progress  # nothing is drawn
        e, rows = self.embed(features), self.rows
        codes = all_codes(e.shape[1], rows.shape[0])  # [C, N, K]
        losses = objective(tf.einsum("cnk,kd->cnd", codes, rows)[:, None])  # [C, B]
        best = tf.one_hot(tf.argmin(losses, 0), codes.shape[0])  # [B, C]
        named = tf.nn.softmax_cross_entropy_with_logits(
            labels=tf.einsum("bc,cnk->bnk", best, codes), logits=-self.book.distances(e, rows)
        )
        surrogate = tf.reduce_sum(best * tf.transpose(losses), -1)
        return Step(surrogate, self.rate(features), tf.reduce_sum(named, -1), state)
