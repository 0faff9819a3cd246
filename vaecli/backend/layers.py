"""Layers whose first weights depend on the run's seed and the layer's name alone."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras


def layer_seed(seed: int, name: str) -> int:
    """31 bits for one layer; equal layers of different methods start equal, so that seeds pair."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big") >> 1


INITIALIZERS: Mapping[str, Callable[[int], keras.initializers.Initializer]] = {
    "glorot": keras.initializers.GlorotUniform,  # uniform in +- sqrt(6 / (inputs + units))
    "he": keras.initializers.HeNormal,  # a truncated normal of variance 2 / inputs
    "lecun_normal": keras.initializers.LecunNormal,  # a truncated normal of variance 1 / inputs
}


_weights: ContextVar[str] = ContextVar("_weights", default="glorot")


@contextlib.contextmanager
def drawn_as(weights: str) -> Iterator[None]:
    """A context in which layers draw their initial weights in this way.

    Args:
        weights: a name of INITIALIZERS, with zero biases; or "torch": weights and biases uniform in
            +- 1 / sqrt(inputs), as in torch.nn.Linear.
    """
    token = _weights.set(weights)
    try:
        yield
    finally:
        _weights.reset(token)


@contextlib.contextmanager
def computed_in(precision: str) -> Iterator[None]:
    """A context in which layers are made with a dtype policy of Keras, "float32" or "mixed_bfloat16".

    In the second, weights are float32, and a layer's products, sums and outputs bfloat16.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def dense(inputs: int, units: int, *, name: str, seed: int, activation: str | None = None) -> keras.layers.Dense:
    """A built Dense layer, with initial weights as set by `drawn_as`."""
    layer = keras.layers.Dense(units, activation, name=name, **_initial(name, seed, inputs))
    layer.build((None, inputs))
    return layer


def convolution(
    inputs: tuple[int, int, int],
    channels: int,
    *,
    kernel: int,
    stride: int,
    transposed: bool,
    name: str,
    seed: int,
    activation: str | None = None,
) -> keras.layers.Layer:
    """A built convolution of [H, W, C] padded with zeros, or a transposed one, with initial weights as `dense`.

    torch's rule counts as inputs of a transposed convolution what its weights' second axis counts: the outputs.
    """
    kind = keras.layers.Conv2DTranspose if transposed else keras.layers.Conv2D
    fan = kernel**2 * (channels if transposed else inputs[-1])
    layer = kind(
        channels, kernel, stride, padding="same", activation=activation, name=name, **_initial(name, seed, fan)
    )
    layer.build((None, *inputs))
    return layer


def largest(scores: Any) -> Any:
    """The index [B, N] int32 of the largest of scores [B, N, K], the first of equal ones, in layers that ONNX has too.

    Keras' own argmax looks at bits, which ONNX' converter does not know.
    """
    return keras.layers.Reshape(scores.shape[1:-1])(keras.ops.top_k(scores, 1)[1])


def _initial(name: str, seed: int, inputs: int) -> dict[str, keras.initializers.Initializer]:
    weights = _weights.get()
    if weights == "torch":
        bound = max(1, inputs) ** -0.5
        kernel, bias = (
            keras.initializers.RandomUniform(-bound, bound, layer_seed(seed, key)) for key in (name, f"{name} bias")
        )
    else:
        kernel, bias = INITIALIZERS[weights](layer_seed(seed, name)), keras.initializers.Zeros()
    return {"kernel_initializer": kernel, "bias_initializer": bias}
