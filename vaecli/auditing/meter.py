"""Draws of one estimator's gradient, added up in groups inside one compiled program."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.auditing.statistics import measures
from vaecli.auditing.subjects import Tensors
from vaecli.auditing.truth import Truth
from vaecli.backend.progress import END, Progress
from vaecli.backend.random import fold_in
from vaecli.backend.schedules import scheduled
from vaecli.estimators.estimator import State
from vaecli.registry import METHODS
from vaecli.runs.audits import GradientErrors

GROUPS = 32  # independent parts of the draws, for the intervals
FIRST_DRAWS = 4  # draws of a group before the intervals are first checked
CLOSE = 0.02  # precise enough: a bias certainly below this (in |g*|), a cosine known to this

# What is folded into the seed for each independent use of randomness.
_DRAWS, _WARM_UP, _INITIAL = 0, 1, 2


class Point(NamedTuple):
    """A checkpoint of the subject, and its exact gradients."""

    weights: Tensors
    exact: NDArray[np.float64]  # [B, L, K], the gradient in the logits
    pulled: NDArray[np.float64]  # [P], the gradient in the weights; [0] if there are none


class Measured(NamedTuple):
    logits: GradientErrors
    weights: GradientErrors | None
    draws: int
    milliseconds: float  # for each


class Meter:
    """One estimator on one subject; compiled once for all temperatures and checkpoints."""

    def __init__(
        self,
        truth: Truth,
        name: str,
        options: Mapping[str, Any],
        tempered: str | None,
        seed: int,
        end: Progress = END,
    ) -> None:
        """`tempered` names the temperature option, which varies between measurements; `options` are all others, as they
        are at the `end` of the training."""
        self.truth, self.subject = truth, truth.subject
        self.name = name
        estimator = METHODS[name].estimator
        assert estimator is not None
        self.estimator = estimator.load()
        self.options = {option: scheduled(value, end) for option, value in options.items()}
        self.tempered = tempered
        self.seed = tf.constant([seed, 0], tf.int32)
        self.first_state = tf.function(self._initial, jit_compile=True, autograph=False)()
        self._add = tf.function(self._add_draws, jit_compile=True, autograph=False)
        self._learn = tf.function(self._learn_steps, jit_compile=True, autograph=False)

    @property
    def learns(self) -> bool:
        return bool(tf.nest.flatten(self.first_state))

    def measure(self, point: Point, temperature: float | None, *, draws: int, warm_up: int) -> Measured:
        """Draws until every interval is narrow or close enough to 0, at most `draws` times.

        An adaptive estimator learns for `warm_up` steps first, and not while it is measured.
        """
        heat = tf.constant(1.0 if temperature is None else temperature)
        state = self.first_state
        if self.learns:
            state = self._learn(point.weights, state, heat, tf.constant(warm_up))
        known = (point.weights, tf.constant(point.exact, tf.float32), state, heat)
        self._add(*known, tf.constant(0), tf.constant(0))  # compiles, unless it has
        errors, squares = np.zeros((GROUPS, *point.exact.shape)), np.zeros((GROUPS, 2))
        done, seconds, most = 0, 0.0, max(1, draws // GROUPS)
        while True:
            more = min(max(FIRST_DRAWS, done), most - done)
            start = time.perf_counter()
            sums = [part.numpy() for part in self._add(*known, tf.constant(done), tf.constant(more))]
            seconds += time.perf_counter() - start
            errors, squares, done = errors + sums[0], squares + sums[1], done + more
            logits, weights = self._measures(point, errors / done, squares / done)
            if done == most or all(_is_precise(found) for found in (logits, weights)):
                return Measured(logits, weights, done * GROUPS, 1000 * seconds / (done * GROUPS))

    def _measures(
        self, point: Point, errors: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> tuple[GradientErrors, GradientErrors | None]:
        of_logits = measures(errors.reshape(GROUPS, -1), squares[:, 0], point.exact.reshape(-1))
        if not point.pulled.size:
            return of_logits, None
        pulled = np.stack([self.truth.pull(point.weights, error) for error in errors])
        return of_logits, measures(pulled, squares[:, 1], point.pulled)

    def _initial(self) -> State:
        return self.estimator.initial_state(*self.subject.code_shape, fold_in(self.seed, _INITIAL))

    def _estimate(self, logits: tf.Tensor, state: State, heat: tf.Tensor, seed: tf.Tensor) -> Any:
        options = self.options | ({self.tempered: heat} if self.tempered else {})
        return self.estimator(self.subject.objective, logits, state=state, seed=seed, **options)

    def _learn_steps(self, weights: Tensors, state: State, heat: tf.Tensor, steps: tf.Tensor) -> State:
        with self.subject.at(weights):
            logits = self.subject.logits()

            def step(number: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
                seed = fold_in(fold_in(self.seed, _WARM_UP), number)
                return number + 1, self._estimate(logits, state, heat, seed).state

            return tf.while_loop(lambda number, _: number < steps, step, (tf.constant(0), state))[1]

    def _add_draws(
        self, weights: Tensors, truth: tf.Tensor, state: State, heat: tf.Tensor, first: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws first, ..., first + count - 1 of every group: sums of g - g* [G, B, L, K], of its squares [G, 2]."""
        with self.subject.at(weights):
            logits = self.subject.logits()

            def draw(number: tf.Tensor, errors: tf.Tensor, squares: tf.Tensor) -> tuple[tf.Tensor, ...]:
                group, of_group = number // count, first + number % count
                seed = fold_in(fold_in(fold_in(self.seed, _DRAWS), group), of_group)  # the same for every estimator
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(logits)
                    surrogate = self._estimate(logits, state, heat, seed).surrogate
                error = tape.gradient(surrogate, logits, unconnected_gradients="zero") - truth
                sizes = [tf.reduce_sum(tf.square(x)) for x in (error, self.subject.pull(weights, error))]
                return (
                    number + 1,
                    tf.tensor_scatter_nd_add(errors, [[group]], [error]),
                    tf.tensor_scatter_nd_add(squares, [[group]], [sizes]),
                )

            zeros = tf.zeros((GROUPS, *truth.shape)), tf.zeros((GROUPS, 2))
            return tf.while_loop(lambda number, *_: number < GROUPS * count, draw, (tf.constant(0), *zeros))[1:]


def _is_precise(found: GradientErrors | None) -> bool:
    if found is None:
        return True
    wide = set(found.wide)
    if found.relative_bias.high <= CLOSE:
        wide.discard("relative_bias")
    if found.cosine is not None and found.cosine.half_width <= CLOSE:
        wide.discard("cosine")
    return not wide
