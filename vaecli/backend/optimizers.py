"""Optimisers as pure functions of tensors, so that a whole loop of steps compiles into one program.

The formulas and defaults are those of Keras; a test compares them. All except adam and sgd are Keras' own code: its
Adam rounds in another order, so runs would end with other bits, and older checkpoints hold the slots of our sgd.
Measured twice on a busy machine at two sizes, a step with Keras' Adam took 0.92 to 1.01 times as long as with ours, and
a step with its SGD, which gives the same bits, 0.73 to 1.09 times (tests/benchmarks/optimizers_speed.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]
LearningRate = float | Callable[[tf.Tensor], tf.Tensor]  # a number, or a function of the number of the step: 1, 2, ...


class Optimizer(NamedTuple):
    """`slots(weights)` makes its memory; `update(weights, gradients, slots, step)` is called with step = 1, 2, ...

    `cleared(slots, place, rows)` forgets what it knows of some rows, [K] bool, of the weight at a place in the list.
    Slots are lists of one tensor per weight, or, for Keras optimisers, tensors by name.
    """

    slots: Callable[[Tensors], Any]
    update: Callable[[Tensors, Tensors, Any, tf.Tensor], tuple[Tensors, Any]]
    cleared: Callable[[Any, int, tf.Tensor], Any]


def adam(learning_rate: LearningRate, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> Optimizer:
    """Adam (arXiv 1412.6980, the form before section 2.1 that Keras uses, where epsilon is added uncorrected).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt v + eps)
    """

    def slots(weights: Tensors) -> list[Tensors]:
        return [[tf.zeros_like(w) for w in weights], [tf.zeros_like(w) for w in weights]]

    def update(weights: Tensors, gradients: Tensors, slots: list[Tensors], step: tf.Tensor) -> Any:
        t = tf.cast(step, tf.float32)
        rate = _at(learning_rate, step) * tf.sqrt(1 - tf.pow(beta_2, t)) / (1 - tf.pow(beta_1, t))
        means = [beta_1 * m + (1 - beta_1) * g for m, g in zip(slots[0], gradients, strict=True)]
        squares = [beta_2 * v + (1 - beta_2) * tf.square(g) for v, g in zip(slots[1], gradients, strict=True)]
        weights = [w - rate * m / (tf.sqrt(v) + epsilon) for w, m, v in zip(weights, means, squares, strict=True)]
        return weights, [means, squares]

    return Optimizer(slots, update, _cleared)


def sgd(learning_rate: LearningRate, momentum: float) -> Optimizer:
    """Gradient descent: v = momentum v - lr g;  w += v."""

    def slots(weights: Tensors) -> list[Tensors]:
        return [[tf.zeros_like(w) for w in weights]]

    def update(weights: Tensors, gradients: Tensors, slots: list[Tensors], step: tf.Tensor) -> Any:
        rate = _at(learning_rate, step)
        velocity = [momentum * v - rate * g for v, g in zip(slots[0], gradients, strict=True)]
        return [w + v for w, v in zip(weights, velocity, strict=True)], [velocity]

    return Optimizer(slots, update, _cleared)


def _cleared(slots: list[Tensors], place: int, rows: tf.Tensor) -> list[Tensors]:
    return [[_without(slot, rows) if i == place else slot for i, slot in enumerate(of_kind)] for of_kind in slots]


def _without(slot: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """The slot [K, ...] with zeros in these rows [K]."""
    return tf.where(tf.reshape(rows, (-1, *[1] * (slot.shape.rank - 1))), 0.0, slot)


# On TensorFlow, Keras replaces these methods by versions for tf.distribute, which change a tf.Variable and whose
# `stateless_apply` only raises. These are the versions of the other backends.
_BASE = keras.Optimizer.__bases__[-1]
_PURE = (
    *("stateless_apply", "assign", "assign_add", "assign_sub"),
    *("_apply_weight_decay", "_backend_update_step", "_var_key"),
)
_Pure: Any = type("_Pure", (keras.Optimizer,), {name: getattr(_BASE, name) for name in _PURE})


def of_keras(
    kind: type[keras.Optimizer], variables: list[keras.Variable], *, learning_rate: LearningRate, **options: Any
) -> Optimizer:
    """A Keras optimiser class as functions of the weights in these variables, whose values it never changes.

    Its step counter and its learning rate follow from `step`: neither is a slot.
    """
    pure = type(kind.__name__, (kind, _Pure), {})(**options)
    pure.build(variables)
    counter, _, *memory = pure.variables
    # Without the optimiser's own name; a variable without a name is named by its position.
    names = [v.path.partition("/")[2] or str(i) for i, v in enumerate(memory)]

    def slots(weights: Tensors) -> dict[str, tf.Tensor]:
        del weights  # those it was built with
        return {name: tf.identity(v.value) for name, v in zip(names, memory, strict=True)}

    def update(weights: Tensors, gradients: Tensors, slots: dict[str, tf.Tensor], step: tf.Tensor) -> Any:
        before = [
            tf.cast(step - 1, counter.dtype),
            tf.convert_to_tensor(_at(learning_rate, step)),
            *(slots[name] for name in names),
        ]
        weights, (_, _, *after) = pure.stateless_apply(before, gradients, weights)
        return weights, dict(zip(names, after, strict=True))

    def cleared(slots: dict[str, tf.Tensor], place: int, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        its = variables[place].path.replace("/", "_") + "_"
        return {name: _without(slot, rows) if name.startswith(its) else slot for name, slot in slots.items()}

    return Optimizer(slots, update, cleared)


def _at(learning_rate: LearningRate, step: tf.Tensor) -> Any:
    return learning_rate(step) if callable(learning_rate) else learning_rate
