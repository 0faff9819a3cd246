"""Convolutions computed otherwise than by their layer: the same function, with the same gradients of both orders."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaecli.backend import convolutions
from vaecli.backend.convolutions import applied, few_channels, rectified
from vaecli.backend.layers import computed_in, convolution

RANDOM = np.random.default_rng(0)


def images(*shape):
    return tf.constant(RANDOM.normal(size=shape))


def with_gradients(function, *at):
    """The value, its gradients, and those of a function of these."""
    with tf.GradientTape() as outer:
        outer.watch(at)
        with tf.GradientTape() as inner:
            inner.watch(at)
            value = function(*at)
            loss = tf.reduce_sum(tf.sin(value))
        first = inner.gradient(loss, at)
        slope = tf.add_n([tf.reduce_sum(tf.cos(gradient)) for gradient in first])
    return [value, *first, *outer.gradient(slope, at)]


@pytest.mark.parametrize(("size", "channels"), [((3, 3), 1), ((3, 3), 3), ((4, 4), 2), ((2, 5), 1)])
def test_a_product_is_the_convolution_with_its_first_and_second_gradients(size, channels):
    at = images(2, 6, 7, 9), images(*size, 9, channels)
    found = with_gradients(few_channels, *at)
    known = with_gradients(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"), *at)
    for one, two in zip(found, known, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-10)


def made(inputs, channels, *, stride=1, transposed=False, kernel=3, activation="relu"):
    options = {"kernel": kernel, "stride": stride, "transposed": transposed, "name": "made", "seed": 1}
    return convolution((5, 4, inputs), channels, activation=activation, **options)


@pytest.mark.parametrize(
    ("layer", "few"),
    [
        (made(9, 1), True),
        (made(8, 1), False),
        (made(27, 3), True),
        (made(26, 3), False),
        (made(9, 1, kernel=1), False),  # a product already
        (made(9, 1, stride=2), False),
        (made(9, 1, transposed=True), False),
    ],
)
def test_a_layer_is_computed_as_a_product_where_its_maps_are_no_more_than_the_channels(layer, few, monkeypatch):
    called = []
    monkeypatch.setattr(convolutions, "few_channels", lambda *of: called.append(of) or few_channels(*of))
    layer.bias.assign(RANDOM.normal(size=layer.bias.shape))
    x = tf.cast(images(2, 5, 4, layer.kernel.shape[3 if "Transpose" in type(layer).__name__ else 2]), tf.float32)
    np.testing.assert_allclose(applied(layer, x), layer(x), rtol=1e-4, atol=1e-5)
    assert bool(called) == few


def test_a_model_to_export_has_the_layer_itself():
    inputs = keras.Input((5, 4, 9))
    model = keras.Model(inputs, applied(made(9, 1), inputs))
    assert isinstance(model.layers[-1], keras.layers.Conv2D)


def test_bias_and_relu_in_one_have_the_gradients_of_both():
    at = images(2, 5, 4, 3), images(3)
    found, known = (with_gradients(f, *at) for f in (rectified, lambda y, bias: tf.nn.relu(tf.nn.bias_add(y, bias))))
    for one, two in zip(found, known, strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("inside", [tf.function, lambda function: function])
@pytest.mark.parametrize(
    ("transposed", "activation", "other"), [(True, "relu", True), (True, "tanh", False), (False, "relu", False)]
)
def test_in_bfloat16_bits_are_those_of_the_layer(transposed, activation, other, inside, monkeypatch):
    called = []
    monkeypatch.setattr(convolutions, "rectified", lambda *of: called.append(of) or rectified(*of))
    with computed_in("mixed_bfloat16"):
        layer = made(32, 3, transposed=transposed, stride=2 if transposed else 1, activation=activation)
    layer.bias.assign([0.3, 0.0, -0.3])
    x = tf.cast(images(2, 5, 4, 32), tf.float32)
    weights = layer.kernel.value, layer.bias.value

    def value_and_gradients(call):
        with tf.GradientTape() as tape:
            tape.watch([x, *weights])
            y = call(x)
        return [y, *tape.gradient(y, [x, *weights], output_gradients=tf.sin(y))]

    found = inside(lambda: value_and_gradients(lambda x: applied(layer, x)))()
    known = inside(lambda: value_and_gradients(layer))()
    assert found[0].dtype == tf.bfloat16
    assert bool(called) == other
    for one, two in zip(found, known, strict=True):
        assert np.array_equal(one, two)


def test_the_weights_are_those_of_a_stateless_scope():
    layer, x = made(9, 1), tf.cast(images(2, 5, 4, 9), tf.float32)
    with keras.StatelessScope([(layer.kernel, tf.zeros_like(layer.kernel.value)), (layer.bias, tf.constant([2.0]))]):
        assert np.array_equal(applied(layer, x), np.full((2, 5, 4, 1), 2.0))
