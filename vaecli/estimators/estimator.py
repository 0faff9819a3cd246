"""What an estimator is: how a gradient gets through a discrete sample, and nothing else.

    estimate(objective, logits [B, L, K], *, state, seed, **options) -> Estimate

`objective(z [..., B or 1, L, K], codes) -> [..., B]` decodes z and returns each example's distortion. Where z has the
value of hard codes, they are handed in too, one_hot as z: an objective may then decode each code once instead of each
z. One interface serves training, evaluation and the tests on toy objectives.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.sampling import sample

State = Any  # a nest of tensors, () for estimators that learn nothing


class Objective(Protocol):
    """The loss to be minimised, as a function of the code."""

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


class Promises(NamedTuple):
    """What an estimator claims of its mathematics: tests hold it to that, help and README quote it.

    A loss of a degree in z has the lower degrees too; "every" is every loss.
    """

    exact_for: Literal["constant", "linear", "quadratic", "every"]  # degree of losses whose expected gradient it has
    exact_at: Mapping[str, float] = {}  # options that this promise is for; for all others it holds whatever they are
    reads: Literal["code", "relaxed sample", "every code"] = "code"  # what the decoder is trained on
    shift_invariant: bool = True  # its gradient sums to 0 over the classes
    fixed_by_code: bool = False  # one code has one gradient: no noise but the draw of the code
    decodings: Callable[..., int] = lambda L, K, **options: 1  # per image and step, of L codes of K classes


@dataclass(frozen=True, eq=False)
class Estimator:
    """An `estimate` function, its options and initial state, and what it promises."""

    estimate: Callable[..., Estimate]
    options: tuple[str, ...]
    promises: Promises
    initial_state: Callable[[int, int, tf.Tensor], State] = no_state
    path: Callable[..., tf.Tensor] | None = None  # z of a path-wise estimator

    @property
    def relaxed(self) -> bool:
        """Whether the decoder is trained on a relaxed sample in place of a code."""
        return self.promises.reads == "relaxed sample"

    def __call__(
        self, objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, **options: Any
    ) -> Estimate:
        return self.estimate(objective, logits, state=state, seed=seed, **options)


def estimator(
    *, initial_state: Callable[[int, int, tf.Tensor], State] = no_state, **promises: Any
) -> Callable[[Callable[..., Estimate]], Estimator]:
    """Decorates an `estimate` function.

    Args:
        initial_state: of (num_latents, num_classes, seed), for one that carries a state from step to step. What it
            returns as its new state must be under stop_gradient.
        promises: of `Promises`.
    """

    def declare(estimate: Callable[..., Estimate]) -> Estimator:
        return Estimator(estimate, _options(estimate), Promises(**promises), initial_state)

    return declare


def pathwise(**promises: Any) -> Callable[[Callable[..., tf.Tensor]], Estimator]:
    """Decorates `path(logits, one_hot, *, seed, **options) -> z`: an estimator that only changes what is decoded.

    Args:
        promises: of `Promises`. z is a relaxed sample where `reads` says so, else the code with another gradient.
    """

    def lift(path: Callable[..., tf.Tensor]) -> Estimator:
        made = Promises(**promises)

        def estimate(
            objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor, **options: Any
        ) -> Estimate:
            one_hot = sample(logits, seed=fold_in(seed, 0))
            z = path(logits, one_hot, seed=fold_in(seed, 1), **options)
            return Estimate(objective(z, one_hot if made.reads == "code" else None), one_hot, state)

        return Estimator(estimate, _options(path), made, path=path)

    return lift


def _options(function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("state", "seed"))
