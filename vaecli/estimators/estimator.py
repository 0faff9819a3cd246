"""What an estimator is: how a gradient gets through a discrete sample, and nothing else.

    estimate(objective, logits [B, L, K], *, state, seed, **options) -> Estimate

`objective(z [..., B or 1, L, K], codes) -> [..., B]` decodes z and returns each example's distortion. Where z has the
value of hard codes, they are handed in too, one_hot as z: an objective may then decode each code once instead of each
z. One interface serves training, evaluation and the tests on toy objectives.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.sampling import sample

State = Any  # a nest of tensors, () for estimators that learn nothing


class Objective(Protocol):
    """What is to become small."""

    def __call__(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        """z [..., B or 1, L, K] -> [..., B]; `codes`: the one_hot codes that z has the value of."""


class Estimate(NamedTuple):
    surrogate: tf.Tensor  # [B]; value: the loss trained on; gradient: the estimator's, for encoder and decoder
    one_hot: tf.Tensor  # [B, L, K], the codes drawn
    state: State


def no_state(num_latents: int, num_classes: int, seed: tf.Tensor) -> State:
    """For estimators that carry nothing from step to step."""
    del num_latents, num_classes, seed
    return ()


@dataclass(frozen=True)
class Estimator:
    """An `estimate` function, its initial state, and the relaxed sample that its loss reads, if it reads one."""

    estimate: Callable[..., Estimate]
    options: tuple[str, ...]
    initial_state: Callable[[int, int, tf.Tensor], State] = no_state
    relax: Callable[..., tf.Tensor] | None = None

    def __call__(
        self, objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, **options: Any
    ) -> Estimate:
        return self.estimate(objective, logits, state=state, seed=seed, **options)


def estimator(estimate: Callable[..., Estimate]) -> Estimator:
    """Decorates an `estimate` function without state."""
    return Estimator(estimate, _options(estimate))


def stateful(
    initial_state: Callable[[int, int, tf.Tensor], State],
) -> Callable[[Callable[..., Estimate]], Estimator]:
    """Decorates an `estimate` function that carries `initial_state(num_latents, num_classes, seed)` from step to step.

    What it returns as its new state must be under stop_gradient.
    """

    def carry(estimate: Callable[..., Estimate]) -> Estimator:
        return Estimator(estimate, _options(estimate), initial_state)

    return carry


def pathwise(*, relaxed: bool) -> Callable[[Callable[..., tf.Tensor]], Estimator]:
    """Decorates `relax(logits, one_hot, *, seed, **options) -> z`: an estimator that only changes what is decoded.

    Args:
        relaxed: whether z is a relaxed sample; if not, z is the hard code with another gradient.
    """

    def lift(relax: Callable[..., tf.Tensor]) -> Estimator:
        def estimate(
            objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, **options: Any
        ) -> Estimate:
            one_hot = sample(logits, seed=fold_in(seed, 0))
            z = relax(logits, one_hot, seed=fold_in(seed, 1), **options)
            return Estimate(objective(z, None if relaxed else one_hot), one_hot, state)

        return Estimator(estimate, _options(relax), relax=relax if relaxed else None)

    return lift


def _options(function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("state", "seed"))
