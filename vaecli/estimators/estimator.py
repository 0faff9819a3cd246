"""What an estimator is: how a gradient gets through a discrete sample, and nothing else.

    estimate(objective, logits [B, L, K], *, state, seed, **options) -> Estimate

`objective(z [..., B or 1, L, K], codes) -> [..., B]` decodes z and returns each example's distortion. If z has the
value of hard codes, they are passed too, one_hot like z: an objective may then decode each code once instead of each
z. One interface serves training, evaluation and the tests on toy objectives.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.sampling import sample

State = Any  # a nest of tensors; () for estimators without state


class Objective(Protocol):
    """The loss to be minimised, as a function of the code."""

    def __call__(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        """z [..., B or 1, L, K] -> [..., B]; `codes`: the one_hot codes that z has the value of."""


class Weighted(Objective, Protocol):
    """The loss of a training, which knows the weight of the rate."""

    def __call__(self, z: tf.Tensor, codes: tf.Tensor | None = None, log_ratio: tf.Tensor | None = None) -> tf.Tensor:
        """As above, plus beta times log q(z|x) - log p(z) [..., B] where it is given."""


class Estimate(NamedTuple):
    surrogate: tf.Tensor  # [B]; value: the loss trained on; gradient: the estimator's, for encoder and decoder
    one_hot: tf.Tensor  # [B, L, K], the codes drawn
    state: State


def no_state(num_latents: int, num_classes: int, seed: tf.Tensor) -> State:
    """The empty state of estimators that carry nothing from step to step."""
    del num_latents, num_classes, seed
    return ()


class Promises(NamedTuple):
    """What an estimator claims about its mathematics: tests verify it, help and documentation quote it.

    A degree includes all lower degrees; "every" means every loss.
    """

    exact_for: Literal["constant", "linear", "quadratic", "every"]  # losses whose expected gradient is exact
    exact_at: Mapping[str, float] = {}  # option values that this promise requires; it holds for any other options
    # what the decoder is trained on; a set of codes: different ones, weighted so that their mean is right; weighted
    # codes: by how likely each makes the image
    reads: Literal["code", "relaxed sample", "set of codes", "weighted codes", "every code"] = "code"
    of_bound: bool = False  # its gradient is that of the bound of its draws, rate included, and exact for it
    shift_invariant: bool = True  # its gradient sums to 0 over the classes
    fixed_by_code: bool = False  # one code has one gradient: the only noise is the draw of the code
    # what the logits' gradient is made of: the loss's gradient at what the decoder reads, losses of codes, or both
    learns_from: Literal["slope", "values", "both"] | None = None
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
        """Whether the decoder is trained on a relaxed sample instead of a code."""
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
        initial_state: a function of (num_latents, num_classes, seed), for an estimator that carries a state from step
            to step. The new state that it returns must be under stop_gradient.
        promises: of `Promises`.
    """

    def declare(estimate: Callable[..., Estimate]) -> Estimator:
        return Estimator(estimate, _options(estimate), Promises(**promises), initial_state)

    return declare


def pathwise(**promises: Any) -> Callable[[Callable[..., tf.Tensor]], Estimator]:
    """Decorates `path(logits, one_hot, *, seed, **options) -> z`: an estimator that only changes what is decoded.

    Args:
        promises: of `Promises`. z is a relaxed sample if `reads` says so, otherwise the code with another gradient.
    """

    def lift(path: Callable[..., tf.Tensor]) -> Estimator:
        made = Promises(**{"learns_from": "slope", **promises})

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
