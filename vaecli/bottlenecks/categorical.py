"""L categorical latents of K classes, trained by any estimator."""

import math
from typing import Any

import keras
import tensorflow as tf

from vaecli.backend.layers import dense, largest
from vaecli.backend.progress import END, Progress
from vaecli.backend.random import fold_in
from vaecli.backend.schedules import measured, scheduled
from vaecli.bottlenecks.bottleneck import Latents, Step
from vaecli.bottlenecks.catnat import Catnat
from vaecli.estimators.estimator import Estimator, Objective, State, Weighted
from vaecli.estimators.sampling import log_probability, mode, sample


class Categorical:
    """q(z|x) = prod_l Categorical(softmax(logits_l)); z is the one-hot codes side by side.

    With the embedding `integer` z is one number per code instead, k / (K - 1), a linear function of the one-hot code:
    estimators know one-hot codes only, and relaxed ones become points between the numbers.

    The prior is p(z) = prod_l Categorical(softmax(prior_l)): uniform, or learned from zero logits, by the rate alone.

    With the parameterization `catnat` or `catnat_sigmoid` the head gives splits in two in place of logits (catnat.py),
    and `logits` are the log-probabilities that these stand for.

    With unimix the posterior itself is p = (1 - unimix) softmax(head) + unimix / K, as in DreamerV3 (arXiv
    2301.04104): in training, rate and evaluation alike.
    """

    def __init__(
        self,
        inputs: int,
        positions: int,
        estimator: Estimator,
        options: dict[str, Any],
        *,
        seed: int,
        num_latents: int,
        num_classes: int,
        unimix: float = 0.0,
        embedding: str = "one_hot",
        parameterization: str = "softmax",
        prior: str = "uniform",
    ) -> None:
        self.code_shape = (positions * num_latents, num_classes)
        self.integer = embedding == "integer"
        self.latent_shape = (positions * num_latents, 1 if self.integer else num_classes)
        self.inputs = inputs
        self.estimator = estimator
        self.options = options
        self.unimix = unimix
        self.catnat: Catnat | None = None
        if parameterization != "softmax":
            self.catnat = Catnat(num_classes, natural=parameterization == "catnat")
        self.scores_shape = (positions * num_latents, num_classes - 1 if self.catnat else num_classes)
        self.head = dense(inputs, num_latents * self.scores_shape[1], name="logits", seed=seed)
        self.layers: list[keras.layers.Layer] = [self.head]
        self.prior: keras.Variable | None = None
        if prior == "learned":
            self.layers.append(keras.layers.Layer(name="prior"))
            self.prior = self.layers[-1].add_weight(shape=self.code_shape, initializer="zeros", name="logits")

    def initial_state(self, seed: tf.Tensor) -> State:
        return self.estimator.initial_state(*self.code_shape, seed)

    def logits(self, features: tf.Tensor) -> tf.Tensor:
        """[B, N, K], of the posterior."""
        logits = tf.reshape(self.head(tf.reshape(features, (-1, self.inputs))), (-1, *self.scores_shape))
        logits = self.catnat.log_q(logits) if self.catnat else logits
        if not self.unimix:
            return logits
        return tf.math.log((1 - self.unimix) * tf.nn.softmax(logits) + self.unimix / self.code_shape[1])

    def embed(self, codes: tf.Tensor) -> tf.Tensor:
        """What the decoder reads [..., N, D] of one-hot or relaxed codes [..., N, K]."""
        if not self.integer:
            return codes
        return tf.linalg.matvec(codes, tf.linspace(0.0, 1.0, self.code_shape[1]))[..., None]

    def of_codes(self, objective: Objective) -> Objective:
        """The objective as a function of the one-hot or relaxed codes."""
        if not self.integer:
            return objective
        return lambda z, codes=None: objective(self.embed(z), codes)

    def options_at(self, progress: Progress) -> dict[str, Any]:
        """The estimator's options at a place in the training."""
        return {name: scheduled(value, progress) for name, value in self.options.items()}

    def rate(self, logits: tf.Tensor) -> tf.Tensor:
        """KL to the prior, sum_l E_q[-log p] - H(q_l), in nats [B]."""
        q = tf.nn.softmax(logits)
        negative_entropy = tf.reduce_sum(q * tf.nn.log_softmax(logits), (1, 2))
        if self.prior is None:
            return self.log_codes + negative_entropy
        return negative_entropy - tf.reduce_sum(q * self.log_p, (1, 2))

    @property
    def log_codes(self) -> float:
        """The log of the number of codes that z can be, in nats."""
        num_latents, num_classes = self.code_shape
        return num_latents * math.log(num_classes)

    @property
    def log_p(self) -> tf.Tensor:
        """The log-probabilities [N, K] of a learned prior."""
        return tf.nn.log_softmax(tf.convert_to_tensor(self.prior))

    def log_prior(self, codes: tf.Tensor) -> tf.Tensor:
        if self.prior is None:
            return tf.fill((tf.shape(codes)[0],), -self.log_codes)
        return tf.reduce_sum(tf.gather(self.log_p, tf.transpose(codes), batch_dims=1), 0)

    def log_posterior(self, features: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        log_q = tf.transpose(tf.nn.log_softmax(self.logits(features)), (1, 2, 0))
        return tf.reduce_sum(tf.gather(log_q, tf.transpose(codes), batch_dims=1), 0)

    def train(
        self,
        features: tf.Tensor,
        objective: Weighted,
        *,
        state: State,
        seed: tf.Tensor,
        progress: Progress = END,
    ) -> Step:
        logits = self.logits(features)
        of_bound = self.estimator.promises.of_bound
        loss = self.of_codes(self.joint(objective, logits) if of_bound else objective)
        estimate = self.estimator(loss, logits, state=state, seed=seed, **self.options_at(progress))
        rate = self.rate(logits)
        return Step(estimate.surrogate, rate, tf.zeros_like(rate), estimate.state, of_bound=of_bound)

    def joint(self, objective: Weighted, logits: tf.Tensor) -> Objective:
        """The objective of hard codes with each one's share of the rate, beta (log q(z|x) - log p(z))."""
        log_p = tf.fill(self.code_shape, -math.log(self.code_shape[1])) if self.prior is None else self.log_p

        def of_both(z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
            log_ratio = tf.reduce_sum(codes * (tf.nn.log_softmax(logits) - log_p), (-2, -1))
            return objective(z, codes, log_ratio)

        return of_both

    def encode(self, features: tf.Tensor, *, seed: tf.Tensor | None = None) -> Latents:
        logits = self.logits(features)
        one_hot = mode(logits) if seed is None else sample(logits, seed=seed)
        return Latents(self.embed(one_hot), tf.argmax(one_hot, -1, output_type=tf.int32), self.rate(logits))

    def log_weight(self, features: tf.Tensor, *, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self.logits(features)
        one_hot = sample(logits, seed=seed)
        log_q = tf.reduce_sum(log_probability(logits, one_hot), (1, 2))
        return self.embed(one_hot), self.log_prior(tf.argmax(one_hot, -1)) - log_q

    def relaxed(self, features: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END) -> tf.Tensor | None:
        if not self.estimator.relaxed or self.estimator.path is None:
            return None
        logits = self.logits(features)
        one_hot = sample(logits, seed=fold_in(seed, 0))
        options = {name: measured(value, progress) for name, value in self.options.items()}
        return self.embed(self.estimator.path(logits, one_hot, seed=fold_in(seed, 1), **options))

    def lookup(self, latents: tf.Tensor) -> tf.Tensor:
        return self.embed(tf.one_hot(latents, self.code_shape[1]))

    def export_encode(self, features: Any) -> Any:
        scores = keras.layers.Reshape(self.scores_shape)(self.head(features))
        return largest(self.catnat.export(scores) if self.catnat else scores)

    def export_lookup(self, latents: Any) -> Any:
        if self.integer:
            last = self.code_shape[1] - 1
            return keras.layers.Rescaling(1 / last)(keras.layers.Reshape(self.latent_shape)(latents))
        return keras.ops.one_hot(latents, self.code_shape[1])
