"""Convolutions that are faster than as one call of what libraries have for them."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def applied(layer: Callable[[Any], Any], x: Any) -> Any:
    """layer(x), for tensors and Keras' symbolic inputs.

    A convolution in float32 to few channels is computed by `few_channels`. Few are F channels whose K * K * F maps are
    not more than the channels that the layer reads. In bfloat16 it is left alone: that would round each map, and not
    their sum, and is no faster where AMX multiplies.

    Behind a transposed convolution in bfloat16, bias and ReLU are `rectified`.
    """
    if keras.utils.is_keras_tensor(x):
        return layer(x)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        if layer.compute_dtype == "bfloat16" and layer.activation is keras.activations.relu:
            kernel, bias = (tf.cast(weight.value, "bfloat16") for weight in (layer.kernel, layer.bias))
            y = keras.ops.conv_transpose(tf.cast(x, "bfloat16"), kernel, layer.strides, layer.padding)
            return rectified(y, bias)
    elif isinstance(layer, keras.layers.Conv2D) and layer.compute_dtype == "float32" and layer.strides == (1, 1):
        places = math.prod(layer.kernel_size)
        if 1 < places <= x.shape[-1] // layer.filters:
            kernel, bias = (tf.convert_to_tensor(weight.value) for weight in (layer.kernel, layer.bias))
            return layer.activation(few_channels(x, kernel) + bias)
    return layer(x)


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


@tf.custom_gradient
def rectified(y: tf.Tensor, bias: tf.Tensor) -> Any:
    """relu(y + bias) of y [B, H, W, C] and bias [C], by XLA in one pass, also inside of a graph; the same bits.

    TensorFlow has no convolution with both for the transposed one, and its kernels for bfloat16 are slow where they add
    and compare: a step of the convolutional vqvae takes 0.87 to 0.91 of the time (two cores with AMX; in float32, where
    they are not, 1.04). The gradients are as fast by TensorFlow's own kernels.
    """
    outputs = _rectified(y, bias)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_y = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
        return of_y, tf.raw_ops.BiasAddGrad(out_backprop=of_y)

    return outputs, gradient


@tf.function(jit_compile=True, autograph=False)
def _rectified(y: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(y + bias)
