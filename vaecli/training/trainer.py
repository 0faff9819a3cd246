"""The training loop: a generator that reads no file and prints nothing.

One compiled call runs many steps. The state goes in and out as tensors, the random numbers of a step depend only on
seed, epoch and step, and the order of an epoch on seed and epoch. The weights therefore do not depend on how the
steps are divided into calls, and a saved and loaded state continues as if nothing had happened.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.programs import program
from vaecli.backend.progress import Progress
from vaecli.backend.random import fold_in, uniform
from vaecli.backend.schedules import scheduled
from vaecli.config.resolve import resolved
from vaecli.config.schema import Config
from vaecli.data import Dataset
from vaecli.estimators.estimator import State
from vaecli.models.autoencoder import PARTS, Autoencoder
from vaecli.training.optimizers import optimizer

SECONDS_PER_CALL = 0.5  # the interval of progress and of checks for Ctrl-C
FIRST_CALL_STEPS = 8  # it compiles, and measures the time of a step
ENCODINGS = 16_384  # at least so many vectors, if there are as many, decide where a codebook of k-means begins
LANES, FEW = 32, 4096  # more lanes, or lanes for small arrays, only slow down compilation
FEWER_LANES, SET_BYTES = 8, 4096  # addresses that differ by a multiple of it share a place in a processor's first cache
STEP_METRICS = ("loss", "distortion", "rate", "penalty", *(f"gradient_norm_{part}" for part in PARTS))

# What is folded into the run's seed for each independent use of randomness.
_TRAINING_NOISE, _ESTIMATOR_STATE, _ENCODINGS = 1, 2, 4  # 3 is of evaluation/evaluator.py
_BINARIZATION = 20_080_610  # and into a step's seed, whose small numbers the estimators use


class TrainState(NamedTuple):
    """Everything that training changes; after saving and loading it continues with the same bits."""

    weights: list[tf.Tensor]
    slots: Any  # the optimiser's
    estimator: State
    log: tf.Tensor  # [steps per epoch, len(STEP_METRICS)], of the current epoch
    epoch: int  # finished epochs
    step: int  # finished steps of the current epoch


class Chunk(NamedTuple):
    """The result of one compiled call."""

    state: TrainState
    loss: float  # mean over the call's steps
    diverged: int | None  # the first step of the call whose loss is not finite, counted from 1 in its epoch
    images: int
    seconds: float
    row_seconds: float  # time since the last row, or since the start of this process
    metrics: Mapping[str, float] | None  # where a row is due: means over the epoch so far, and a spread


def batch_order(seed: int, epoch: int, num_images: int) -> NDArray[np.int32]:
    """A permutation of the training images for each seed and epoch, the same for all methods."""
    return np.random.default_rng((seed, epoch)).permutation(num_images).astype(np.int32)


class Loop:
    """Runs many steps in one call. It depends on neither data nor seed, so runs that differ in these share it."""

    def __init__(self, autoencoder: Autoencoder, config: Config, steps_per_epoch: int, dataset: Dataset) -> None:
        training = resolved(config).training
        self.autoencoder = autoencoder
        self.names = list(autoencoder.weights)
        self.variables = list(autoencoder.weights.values())
        self.learnt = [place for place, variable in enumerate(self.variables) if variable.trainable]
        self.end = Progress.end(training.total_steps(steps_per_epoch), steps_per_epoch)
        rate = training.learning_rate
        self.optimizer = optimizer(
            training,
            [self.variables[place] for place in self.learnt],
            rate if isinstance(rate, float) else lambda step: scheduled(rate, self.end._replace(step=step - 1)),
        )
        self.clip_norm = training.clip_norm
        self.beta = config.objective.beta
        self.scale = dataset.scale
        self.drawn = dataset.binarization == "dynamic"  # pixels, at each use
        self.steps_per_epoch = steps_per_epoch
        of_a_run = {"seed": 0, "checkpoint_seconds": 0.0, "force_precision": False, "evaluate_at": ()}
        alike = training.model_copy(update=of_a_run)
        self.key = (autoencoder.trained_as, alike, self.beta, self.scale, self.drawn, steps_per_epoch)

    def __call__(
        self,
        nest: Any,
        images: tf.Tensor,
        order: tf.Tensor,
        seed: tf.Tensor,
        epoch: tf.Tensor,
        start: tf.Tensor,
        stop: tf.Tensor,
    ) -> Any:
        epoch_seed = fold_in(seed, epoch)

        def one_step(step: tf.Tensor, nest: Any) -> Any:
            weights, slots, estimator, log = nest
            seed = fold_in(epoch_seed, step)
            batch = self.batch(images, order[step], seed)
            done = epoch * self.steps_per_epoch + step
            progress = self.end._replace(step=done)
            with (
                keras.StatelessScope(zip(self.variables, weights, strict=True)),
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                learnt = [weights[place] for place in self.learnt]
                tape.watch(learnt)
                losses = self.autoencoder.losses(
                    batch, beta=scheduled(self.beta, progress), state=estimator, seed=seed, progress=progress
                )
            gradients = tape.gradient(losses.loss, learnt, unconnected_gradients="zero")
            squares = [self._square(gradient) for gradient in gradients]
            norms = self._norms(squares)
            if self.clip_norm is not None:
                gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=tf.norm(norms))
            if self.autoencoder.compiler == "xla":
                gradients = in_order(gradients, squares)
            learnt, slots = self.optimizer.update(learnt, gradients, slots, done + 1)
            for name, rows in losses.replaced.items():
                place = self.learnt.index(self.names.index(name))
                learnt[place] = tf.where(rows.places[:, None], rows.values, learnt[place])
                slots = self.optimizer.cleared(slots, place, rows.places)
            new = {**losses.updates, **{self.names[i]: weight for i, weight in zip(self.learnt, learnt, strict=True)}}
            weights = [new.get(name, weight) for name, weight in zip(self.names, weights, strict=True)]
            values = [losses.loss, losses.distortion, losses.rate, losses.penalty, *norms]
            log = tf.tensor_scatter_nd_update(log, [[step]], [tf.stack(values)])
            return step + 1, (weights, slots, losses.state, log)

        return tf.while_loop(lambda step, _: step < stop, one_step, (start, nest))[1]

    def batch(self, images: tf.Tensor, rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """These of all images [N, P] as floats [B, H, W, C], with their pixels drawn if they are at each use."""
        batch = tf.cast(tf.gather(images, rows), tf.float32) * self.scale
        if self.drawn:
            draws = uniform(tf.shape(batch), seed=fold_in(seed, _BINARIZATION))
            batch = tf.cast(draws < batch, tf.float32)
        return tf.reshape(batch, (-1, *self.autoencoder.image_shape))

    def embed(self, weights: list[tf.Tensor], images: tf.Tensor, rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The vectors [B, N, D] of these images before quantisation."""
        with keras.StatelessScope(zip(self.variables, weights, strict=True)):
            return self.autoencoder.embed(self.batch(images, rows, seed))

    def _square(self, gradient: tf.Tensor) -> tf.Tensor:
        """The sum of squares; lanes are for XLA alone, as a graph they took a fortieth of a step with convolutions."""
        if self.autoencoder.compiler == "xla":
            return sum_of_squares(gradient)
        return tf.reduce_sum(tf.square(gradient))

    def _norms(self, squares: list[tf.Tensor]) -> list[tf.Tensor]:
        """The L2 norm of each part's gradient, before any clipping, from the sums of squares of each weight's."""
        sums = {part: tf.zeros(()) for part in PARTS}
        for place, square in zip(self.learnt, squares, strict=True):
            sums[self.names[place].partition("/")[0]] += square
        return [tf.sqrt(sums[part]) for part in PARTS]


class Trainer:
    """Trains one autoencoder on one data set; `chunks` may be started from any TrainState."""

    def __init__(self, autoencoder: Autoencoder, dataset: Dataset, config: Config) -> None:
        training = config.training
        self.autoencoder = autoencoder
        self.seed = training.seed
        self.batch_size, self.shuffle = training.batch_size, training.shuffle
        self.num_images = len(dataset.train)
        self.steps_per_epoch = dataset.steps_per_epoch(training)
        self.images = tf.constant(dataset.train.images.reshape(self.num_images, -1))
        loop = Loop(autoencoder, config, self.steps_per_epoch, dataset)
        self.end = loop.end
        self.row_at = frozenset((*training.evaluate_at, self.end.steps))
        self.optimizer, self.names, self.variables = loop.optimizer, loop.names, loop.variables
        self.learnt = [loop.names[place] for place in loop.learnt]
        self._compiled = program(loop, *loop.key, compiler=autoencoder.compiler)
        self._embed = program(loop.embed, "embed", *loop.key, compiler=autoencoder.compiler)

    def initial_state(self) -> TrainState:
        """The state before the first step."""
        weights = [tf.identity(v.value) for v in self.variables]
        seed = _seed(self.seed, _ESTIMATOR_STATE)
        return TrainState(
            weights,
            self.optimizer.slots([weights[self.names.index(name)] for name in self.learnt]),
            program(self.autoencoder.bottleneck.initial_state, "state", self.autoencoder.trained_as)(seed),
            tf.zeros((self.steps_per_epoch, len(STEP_METRICS))),
            epoch=0,
            step=0,
        )

    def done(self, state: TrainState) -> int:
        """Finished steps."""
        return state.epoch * self.steps_per_epoch + state.step

    def chunks(self, state: TrainState) -> Iterator[Chunk]:
        """Trains to the last step, yielding after each call; where a row is due, the chunk carries its metrics.

        A row is due at the end of each epoch, after the steps that the config names, and at the end of the run.
        """
        per_call, seconds = FIRST_CALL_STEPS, 0.0
        while self.done(state) < self.end.steps:
            epoch = state.epoch
            whole, rest = self._batches(epoch)
            while state.epoch == epoch and self.done(state) < self.end.steps:
                if self.done(state) == self.autoencoder.begins_at:
                    state = self._begun(state, whole if len(whole) else rest[:1])
                row = self._next_row(state)
                left = min(row - state.step, self._left_before_beginning(state))
                if state.step < len(whole):
                    steps = min(per_call, left, len(whole) - state.step)
                    chunk = self._call(state, whole, steps)
                    per_call = max(1, min(4 * per_call, int(SECONDS_PER_CALL * steps / chunk.seconds)))
                else:
                    chunk = self._call(state, rest, 1)
                seconds += chunk.seconds
                chunk = chunk._replace(row_seconds=seconds)
                if chunk.state.step == row:
                    chunk, seconds = self._with_metrics(chunk), 0.0
                state = chunk.state
                yield chunk

    def _batches(self, epoch: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The images of each whole batch of an epoch [S, B], and of the smaller last one, if it is a step.

        The latter stand in each of [steps per epoch, R] rows: the program takes the row of a step's number.
        """
        order = self._order(epoch)
        in_whole = len(order) // self.batch_size * self.batch_size
        rest = np.broadcast_to(order[in_whole:], (self.steps_per_epoch, len(order) - in_whole))
        return tf.constant(order[:in_whole].reshape(-1, self.batch_size)), tf.constant(rest)

    def _order(self, epoch: int) -> NDArray[np.int32]:
        if not self.shuffle:
            return np.arange(self.num_images, dtype=np.int32)
        return batch_order(self.seed, epoch, self.num_images)

    def _left_before_beginning(self, state: TrainState) -> int:
        """The steps until weights begin at encodings, if that is still to come."""
        begins_at = self.autoencoder.begins_at
        left = 0 if begins_at is None else begins_at - self.done(state)
        return left if left > 0 else self.end.steps

    def _begun(self, state: TrainState, order: tf.Tensor) -> TrainState:
        """The state in which what begins at encodings has begun, at those of the first batches of this epoch.

        It depends on the state alone, so that a training that is resumed here begins with the same values.
        """
        seed, found = _seed(self.seed, _ENCODINGS), []
        for step, rows in enumerate(order):
            found.append(self._embed(state.weights, self.images, rows, fold_in(seed, step)).numpy())
            if sum(e.shape[0] * e.shape[1] for e in found) >= ENCODINGS:
                break
        begun = self.autoencoder.begun(np.concatenate(found), seed=self.seed)
        weights = zip(self.names, state.weights, strict=True)
        return state._replace(weights=[tf.constant(begun[name]) if name in begun else w for name, w in weights])

    def _next_row(self, state: TrainState) -> int:
        """The step of the current epoch after which the next row is due."""
        rows = (row - state.epoch * self.steps_per_epoch for row in self.row_at)
        return min([self.steps_per_epoch, *(row for row in rows if row > state.step)])

    def _with_metrics(self, chunk: Chunk) -> Chunk:
        state = chunk.state
        log = state.log.numpy()[: state.step].astype(np.float64)
        metrics = dict(zip(STEP_METRICS, map(float, self._means(log)), strict=True))
        metrics["gradient_spread_encoder"] = spread(log[:, STEP_METRICS.index("gradient_norm_encoder")])
        if state.step == self.steps_per_epoch:
            state = state._replace(epoch=state.epoch + 1, step=0, log=tf.zeros_like(state.log))
        return chunk._replace(state=state, metrics=metrics)

    def _means(self, log: NDArray[np.float64]) -> NDArray[np.float64]:
        """The means of the log [S, M] over images, which are fewer in a last batch that is kept."""
        smaller = self.num_images - (self.steps_per_epoch - 1) * self.batch_size
        if len(log) < self.steps_per_epoch or smaller >= self.batch_size:
            return log.mean(0)
        found: NDArray[np.float64] = np.average(log, 0, [self.batch_size] * (len(log) - 1) + [smaller])
        return found

    def _call(self, state: TrainState, order: tf.Tensor, steps: int) -> Chunk:
        start = time.perf_counter()
        stop = state.step + steps
        weights, slots, estimator, log = self._compiled(
            (state.weights, state.slots, state.estimator, state.log),
            self.images,
            order,
            _seed(self.seed, _TRAINING_NOISE),
            tf.constant(state.epoch),
            tf.constant(state.step),
            tf.constant(stop),
        )
        losses = log.numpy()[state.step : stop, 0]
        wrong = np.flatnonzero(~np.isfinite(losses))
        diverged = state.step + int(wrong[0]) + 1 if wrong.size else None
        after = TrainState(weights, slots, estimator, log, state.epoch, stop)
        loss, seconds = float(losses.mean()), time.perf_counter() - start
        return Chunk(after, loss, diverged, steps * order.shape[1], seconds, 0.0, None)


def sum_of_squares(x: tf.Tensor) -> tf.Tensor:
    """The sum of x^2, computed in lanes for a large array because XLA's own reduction is one scalar loop.

    Measured at the article's size: 25% of a step without lanes, 2% with them. Where all 32 begin in one place of the
    cache they drive each other out, so that 8 take half the time (512x256, 512x1024).
    """
    flat = tf.reshape(x, (-1,))
    count = flat.shape[0]
    if count < FEW:
        return tf.reduce_sum(tf.square(flat))
    lanes = FEWER_LANES if count * flat.dtype.size % (LANES * SET_BYTES) == 0 else LANES
    width = count // lanes
    rows = tf.unstack(tf.reshape(flat[: lanes * width], (lanes, width)))
    return tf.reduce_sum(tf.add_n([tf.square(row) for row in rows])) + tf.reduce_sum(tf.square(flat[lanes * width :]))


def in_order(gradients: list[tf.Tensor], squares: list[tf.Tensor]) -> list[tf.Tensor]:
    """The unchanged gradients [...], of which XLA takes each to depend on the last small one before it.

    To compute that one, which is a bias' in general, XLA has read the weights that the update overwrites. Where it
    does not know so it copies them, all but the first layer's, at each step. `squares` are the gradients' sums of
    squares: XLA does not know that none is below 0. Measured: a step takes .94 to 1.00 of the time.
    """
    found: list[tf.Tensor] = []
    before = tf.zeros(())
    for gradient, square in zip(gradients, squares, strict=True):
        found.append(tf.where(before < 0, 0.0, gradient))
        if gradient.shape.num_elements() < FEW:
            before = square
    return found


def spread(norms: NDArray[np.float64]) -> float:
    """The standard deviation of the norms [S] in units of their mean; 0 where all are 0."""
    with np.errstate(invalid="ignore"):  # a norm that is not finite is found where it is measured
        return float(norms.std() / norms.mean()) if norms.any() else 0.0


def _seed(seed: int, purpose: int) -> tf.Tensor:
    return tf.constant([seed, purpose], tf.int32)
