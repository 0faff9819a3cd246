"""The training of an autoregressive prior over codes: a generator that reads no file and prints nothing.

Like the loop of a run, it depends on neither how its steps are divided into calls nor where it was stopped.
"""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.optimizers import adam
from vaecli.backend.programs import program
from vaecli.models.priors import AutoregressivePrior, Codes
from vaecli.training.trainer import SECONDS_PER_CALL, batch_order

BATCH = 128
RATE, WARM_UP, LOWEST = (
    2e-3,
    100,
    0.05,
)  # of Adam: the highest, the steps towards it, and the share that a cosine ends at
PATIENCE = 3  # epochs without a smaller loss on the held-out codes
HELD = 12  # one image of so many is held out


class PriorState(NamedTuple):
    """Everything that the training changes; after saving and loading it continues with the same bits."""

    weights: list[tf.Tensor]
    slots: Any
    best: list[tf.Tensor]  # the weights with the smallest loss on the held-out codes
    best_loss: float  # nats per image
    best_epoch: int
    epoch: int  # finished epochs
    step: int  # finished steps of the current one


class Steps:
    """Runs many steps in one call; it holds no data, so priors of one shape share it."""

    def __init__(self, prior: AutoregressivePrior, total: int) -> None:
        self.prior = prior
        self.variables = list(prior.weights.values())
        self.optimizer = adam(lambda step: rate_at(step, total))

    def __call__(
        self,
        nest: Any,
        codes: tf.Tensor,
        classes: tf.Tensor,
        order: tf.Tensor,
        done: tf.Tensor,
        start: tf.Tensor,
        stop: tf.Tensor,
    ) -> Any:
        prior, optimizer, variables = self.prior, self.optimizer, self.variables

        def one_step(step: tf.Tensor, nest: Any) -> Any:
            weights, slots = nest
            with (
                keras.StatelessScope(zip(variables, weights, strict=True)),
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(weights)
                log_p = prior.log_p_of(tf.gather(codes, order[step]), tf.gather(classes, order[step]))
                loss = -tf.reduce_mean(log_p) / prior.num_codes
            gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]  # of a lookup it is a slice
            return step + 1, optimizer.update(weights, gradients, slots, done + step - start + 1)

        return tf.while_loop(lambda step, _: step < stop, one_step, (start, nest))[1]


class PriorTrainer:
    """Trains a prior on codes [M, N] of images of these classes [M], of which a seeded twelfth is held out."""

    def __init__(
        self, prior: AutoregressivePrior, codes: Codes, classes: NDArray[np.int64], *, epochs: int, seed: int
    ) -> None:
        order = np.random.default_rng((seed, HELD)).permutation(len(codes))
        held, kept = np.split(order, [max(1, len(codes) // HELD)])
        self.prior, self.seed, self.epochs = prior, seed, epochs
        self.held = codes[held], classes[held]
        self.codes, self.classes = tf.constant(codes[kept]), tf.constant(classes[kept].astype(np.int32))
        self.num_images = len(kept)
        self.batch = min(BATCH, self.num_images)
        self.steps_per_epoch = self.num_images // self.batch
        self.names = list(prior.weights)
        total = epochs * self.steps_per_epoch
        steps = Steps(prior, total)
        self.optimizer = steps.optimizer
        self._compiled = program(steps, "prior: steps", *prior.key, total, compiler="graph")

    def initial_state(self) -> PriorState:
        """The state before the first step."""
        weights = [tf.identity(v.value) for v in self.prior.weights.values()]
        return PriorState(weights, self.optimizer.slots(weights), weights, math.inf, 0, epoch=0, step=0)

    def done(self, state: PriorState) -> int:
        """Finished steps."""
        return state.epoch * self.steps_per_epoch + state.step

    def over(self, state: PriorState) -> bool:
        """Whether the last epoch is done, or the loss on the held-out codes has stopped falling."""
        return state.epoch >= self.epochs or state.epoch >= state.best_epoch + PATIENCE

    def states(self, state: PriorState) -> Iterator[PriorState]:
        """Trains to the end, yielding the state after each compiled call."""
        per_call = 1
        while not self.over(state):
            order = batch_order(self.seed, state.epoch, self.num_images)
            order = order[: self.steps_per_epoch * self.batch].reshape(-1, self.batch)
            while state.step < self.steps_per_epoch:
                start = time.perf_counter()
                steps = min(per_call, self.steps_per_epoch - state.step)
                weights, slots = self._compiled(
                    *((state.weights, state.slots), self.codes, self.classes, order),
                    *(np.int32(number) for number in (self.done(state), state.step, state.step + steps)),
                )
                state = state._replace(weights=weights, slots=slots, step=state.step + steps)
                seconds = time.perf_counter() - start
                per_call = max(1, min(4 * per_call, int(SECONDS_PER_CALL * steps / seconds)))
                if state.step < self.steps_per_epoch:
                    yield state
            yield (state := self._after_epoch(state))

    def _after_epoch(self, state: PriorState) -> PriorState:
        state = state._replace(epoch=state.epoch + 1, step=0)
        self.prior.assign(dict(zip(self.names, (w.numpy() for w in state.weights), strict=True)))
        loss = float(-self.prior.log_p(*self.held).mean())
        if loss < state.best_loss:
            state = state._replace(best=state.weights, best_loss=loss, best_epoch=state.epoch)
        return state


def rate_at(step: tf.Tensor, total: int) -> tf.Tensor:
    """The learning rate of step 1, 2, ...: a linear warm-up, times a cosine over all steps."""
    step = tf.cast(step, tf.float32)
    cosine = LOWEST + (1 - LOWEST) * 0.5 * (1 + tf.cos(math.pi * step / total))
    return RATE * tf.minimum(step / WARM_UP, 1.0) * cosine


def to_arrays(state: PriorState, names: list[str]) -> dict[str, NDArray[Any]]:
    """The state as named arrays."""
    lists = {"weights": state.weights, "best": state.best}
    lists |= {f"slots_{i}": slots for i, slots in enumerate(state.slots)}
    arrays = {
        f"{kind}/{name}": tensor.numpy()
        for kind, tensors in lists.items()
        for name, tensor in zip(names, tensors, strict=True)
    }
    return arrays | {
        "best_loss": np.float64(state.best_loss),
        "at": np.array([state.best_epoch, state.epoch, state.step]),
    }


def from_arrays(arrays: Mapping[str, NDArray[Any]], names: list[str]) -> PriorState:
    """The state that `to_arrays` was called on; raises KeyError if they are of another prior."""
    weights, best, *slots = (
        [tf.constant(arrays[f"{kind}/{name}"]) for name in names] for kind in ("weights", "best", "slots_0", "slots_1")
    )
    best_epoch, epoch, step = map(int, arrays["at"])
    return PriorState(weights, slots, best, float(arrays["best_loss"]), best_epoch, epoch, step)
