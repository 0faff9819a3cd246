"""Converts a TrainState to named arrays and back."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.training.trainer import TrainState


def to_arrays(state: TrainState, names: list[str], learnt: list[str]) -> dict[str, NDArray[Any]]:
    """The state as named arrays: weights/<name>, slots/<name>, estimator/<i>, log, ...

    Args:
        names: the names of all weights.
        learnt: the names of the weights that an optimiser changes.
    """
    arrays = {f"weights/{name}": w.numpy() for name, w in zip(names, state.weights, strict=True)}
    slots = zip(keras.tree.flatten(_slot_names(state.slots, learnt)), keras.tree.flatten(state.slots), strict=True)
    arrays |= {f"slots/{name}": s.numpy() for name, s in slots}
    arrays |= {f"estimator/{i}": x.numpy() for i, x in enumerate(keras.tree.flatten(state.estimator))}
    return arrays | {
        "log": state.log.numpy(),
        "epoch": np.int64(state.epoch),
        "step": np.int64(state.step),
    }


def from_arrays(
    arrays: Mapping[str, NDArray[Any]], like: TrainState, names: list[str], learnt: list[str]
) -> TrainState:
    """The state that `to_arrays` was called on; `like` is one of the same run, e.g. the initial one.

    Raises:
        KeyError, ValueError: the arrays are of another model.
    """

    def take(name: str, like: tf.Tensor) -> tf.Tensor:
        array = arrays[name]
        if array.shape != tuple(like.shape) or array.dtype != like.dtype.as_numpy_dtype:
            raise ValueError(f"{name}: {array.dtype} {array.shape} is not {like.dtype.name} {like.shape}")
        return tf.constant(array)

    estimator = [take(f"estimator/{i}", x) for i, x in enumerate(keras.tree.flatten(like.estimator))]
    return TrainState(
        weights=[take(f"weights/{name}", w) for name, w in zip(names, like.weights, strict=True)],
        slots=keras.tree.map_structure(
            lambda name, s: take(f"slots/{name}", s), _slot_names(like.slots, learnt), like.slots
        ),
        estimator=keras.tree.pack_sequence_as(like.estimator, estimator),
        log=take("log", like.log),
        epoch=int(arrays["epoch"]),
        step=int(arrays["step"]),
    )


def _slot_names(slots: Any, learnt: list[str]) -> Any:
    """The name of each slot: that of Keras, or <i>/<name of the weight> for the i-th list."""
    if isinstance(slots, Mapping):
        return {name: name for name in slots}
    return [[f"{i}/{name}" for name in learnt] for i in range(len(slots))]
