"""Toys are trained: the logits of a few codes, by the gradient of an estimator, in seconds."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from vaecli.backend.optimizers import adam
from vaecli.backend.programs import program
from vaecli.backend.progress import Progress
from vaecli.backend.random import fold_in
from vaecli.backend.schedules import scheduled
from vaecli.config.toys import Polynomial

SPREAD = 0.01  # the logits begin uniform between -SPREAD and SPREAD
_NOISE, _STATE = 1, 2  # folded into the seed


class Descent:
    """An epoch of steps on the polynomial toy; it holds neither the loss's numbers nor the seed."""

    def __init__(self, toy: Polynomial) -> None:
        estimator = toy.model.method.estimator
        assert estimator is not None
        self.estimator = estimator.load()
        self.options = {name: toy.model.options()[name] for name in estimator.options}
        self.batch_size, self.steps = toy.batch_size, toy.steps_per_epoch
        self.optimizer = adam(toy.learning_rate, epsilon=toy.epsilon)
        self.end = Progress.end(toy.epochs * toy.steps_per_epoch, toy.steps_per_epoch)
        self.key = (toy.model, toy.batch_size, toy.steps_per_epoch, toy.epochs, toy.learning_rate, toy.epsilon)

    def __call__(
        self, nest: Any, codes: tf.Tensor, exponent: tf.Tensor, target: tf.Tensor, seed: Any, epoch: Any
    ) -> Any:
        """One epoch of logits [L, K], the optimiser's slots and the estimator's state.

        Returns:
            The same after the epoch, the mean loss of its steps, and the expected loss of a code then.
        """

        def objective(z: tf.Tensor, one_hot: tf.Tensor | None = None) -> tf.Tensor:
            del one_hot
            return tf.reduce_mean(tf.pow(tf.abs(tf.linalg.matvec(z, codes) - target), exponent), -1)

        def one_step(step: tf.Tensor, logits: tf.Tensor, slots: Any, state: Any, total: tf.Tensor) -> Any:
            done = epoch * self.steps + step
            options = {name: scheduled(value, self.end._replace(step=done)) for name, value in self.options.items()}
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(logits)
                copies = tf.tile(logits[None], (self.batch_size, 1, 1))
                found = self.estimator(objective, copies, state=state, seed=fold_in(seed, done), **options)
                loss = tf.reduce_mean(found.surrogate)
            gradient = tape.gradient(loss, logits, unconnected_gradients="zero")
            (logits,), slots = self.optimizer.update([logits], [gradient], slots, done + 1)
            return step + 1, logits, slots, found.state, total + loss

        first = (tf.constant(0), *nest, tf.constant(0.0))
        _, *nest, total = tf.while_loop(lambda step, *_: step < self.steps, one_step, first)
        each = tf.pow(tf.abs(codes - target), exponent)
        expected = tf.reduce_mean(tf.linalg.matvec(tf.nn.softmax(nest[0]), each))
        return tuple(nest), total / self.steps, expected


class Trained(NamedTuple):
    """What a training of a toy gave, by epoch."""

    losses: list[float]  # the mean over its steps, of what the estimator's decoder reads
    expected: list[float]  # the expected loss of a code after it

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, (*self.losses, *self.expected)))


def train_toy(toy: Polynomial, stop: Callable[[], int | None] = lambda: None) -> Trained | None:
    """The losses of each epoch; None if `stop` gave an exit code first."""
    descent = Descent(toy)
    compiled = program(descent, *descent.key)
    width = toy.model.codes
    shape = (width.per_position, len(toy.codes))
    start = np.random.default_rng(toy.seed).uniform(-SPREAD, SPREAD, shape).astype(np.float32)
    logits = tf.constant(start)
    state = program(lambda seed: descent.estimator.initial_state(*shape, seed), "toy state", *descent.key)(
        tf.constant([toy.seed, _STATE])
    )
    nest: Any = (logits, descent.optimizer.slots([logits]), state)
    numbers = tf.constant(toy.codes), tf.constant(toy.exponent), tf.constant(toy.target)
    found = Trained([], [])
    for epoch in range(toy.epochs):
        if stop():
            return None
        nest, loss, expected = compiled(nest, *numbers, tf.constant([toy.seed, _NOISE]), tf.constant(epoch))
        found.losses.append(float(loss))
        found.expected.append(float(expected))
    return found
