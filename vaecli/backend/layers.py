"""Layers whose first weights depend on the run's seed and the layer's name alone."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf


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


def applied(layer: keras.layers.Layer, x: Any) -> Any:
    """layer(x), for tensors and Keras' symbolic inputs; a convolution to few channels is computed by `few_channels`.

    Few are F channels whose K * K * F maps are not more than the channels that the layer reads. A layer that computes
    in bfloat16 is left alone: it would round each map, and not their sum.
    """
    if keras.utils.is_keras_tensor(x) or not isinstance(layer, keras.layers.Conv2D):
        return layer(x)
    places = math.prod(layer.kernel_size)
    few = 1 < places <= x.shape[-1] // layer.filters
    if not few or layer.strides != (1, 1) or layer.compute_dtype != "float32":
        return layer(x)
    y = few_channels(x, tf.convert_to_tensor(layer.kernel.value)) + tf.convert_to_tensor(layer.bias.value)
    return layer.activation(y)


@tf.custom_gradient
def few_channels(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """The convolution of stride 1, padded with zeros, of x [B, H, W, C] with a kernel [K, K, C, F]: [B, H, W, F].

    One product gives the K * K * F maps that the C channels make, and y is their sum, each moved to its place. The
    gradients are one product each. Libraries pad F to the width of a vector; so the last layer, which draws one channel
    from 32, took a fifth of a step with oneDNN, and takes 0.42 of that (two cores with AVX2, 128 images of 28x28; with
    TensorFlow's own convolutions a half, and 0.14 of it).
    """
    rows, columns, channels, filters = kernel.shape
    _, height, width, _ = x.shape
    top, left = (rows - 1) // 2, (columns - 1) // 2
    places = [(u, v) for u in range(rows) for v in range(columns)]

    def per_map(kernel: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(kernel, (0, 1, 3, 2)), (-1, channels))

    def per_pixel(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, (-1, channels))

    maps = tf.matmul(per_map(kernel), per_pixel(x), transpose_b=True)
    maps = tf.reshape(maps, (len(places), filters, -1, height, width))
    maps = tf.pad(maps, ((0, 0), (0, 0), (0, 0), (top, rows - 1 - top), (left, columns - 1 - left)))
    moved = [maps[i, ..., u : u + height, v : v + width] for i, (u, v) in enumerate(places)]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        g = tf.transpose(upstream, (3, 0, 1, 2))
        g = tf.pad(g, ((0, 0), (0, 0), (rows - 1 - top, top), (columns - 1 - left, left)))
        back = [g[..., rows - 1 - u :, columns - 1 - v :][..., :height, :width] for u, v in places]
        of_maps = tf.reshape(tf.stack(back), (len(places) * filters, -1))
        of_kernel = tf.reshape(tf.matmul(of_maps, per_pixel(x)), (rows, columns, filters, channels))
        return (
            tf.reshape(tf.matmul(of_maps, per_map(kernel), transpose_a=True), tf.shape(x)),
            tf.transpose(of_kernel, (0, 1, 3, 2)),
        )

    return tf.transpose(tf.add_n(moved), (1, 2, 3, 0)), gradient


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
