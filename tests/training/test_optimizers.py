"""Whatever a config names takes the steps that Keras' own `apply` takes, inside one compiled program."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import METHOD_NAMES, compiled, small_config
from vaecli.backend.radam import RAdam
from vaecli.config.schema import VARIANTS
from vaecli.models.autoencoder import build
from vaecli.training.optimizers import optimizer

STEPS = 12
RATE = 0.02
theirs = keras.optimizers
# Keys of a config, and the same by Keras: at their defaults and elsewhere
SAME = {
    "adam": lambda: theirs.Adam(RATE),
    "adam, epsilon: 0.01, beta_1: 0.8, beta_2: 0.9": lambda: theirs.Adam(RATE, 0.8, 0.9, 0.01),
    "adamw": lambda: theirs.AdamW(RATE),
    "adamw, weight_decay: 0.5": lambda: theirs.AdamW(RATE, 0.5),
    "lion": lambda: theirs.Lion(RATE),
    "lion, beta_1: 0.5, beta_2: 0.6, weight_decay: 0.5": lambda: theirs.Lion(RATE, 0.5, 0.6, weight_decay=0.5),
    "muon": lambda: theirs.Muon(RATE, exclude_embeddings=False),
    "muon, momentum: 0.5, weight_decay: 0.5, beta_1: 0.8, beta_2: 0.9, epsilon: 0.01": lambda: theirs.Muon(
        RATE, 0.8, 0.9, 0.5, 0.01, 0.5, momentum=0.5, exclude_embeddings=False
    ),
    "nadam": lambda: theirs.Nadam(RATE),
    "nadam, epsilon: 0.01, beta_1: 0.8, beta_2: 0.9": lambda: theirs.Nadam(RATE, 0.8, 0.9, 0.01),
    "radam": lambda: RAdam(RATE),
    "rmsprop": lambda: theirs.RMSprop(RATE),
    "rmsprop, rho: 0.99, centered: true": lambda: theirs.RMSprop(RATE, rho=0.99, centered=True),
    "rmsprop, epsilon: 0.01, momentum: 0.5": lambda: theirs.RMSprop(RATE, momentum=0.5, epsilon=0.01),
    "sgd": lambda: theirs.SGD(RATE),
    "sgd, momentum: 0.5": lambda: theirs.SGD(RATE, 0.5),
}
SHAPES = {"kernel": (5, 3), "bias": (3,), "embeddings": (2, 3)}


def training(keys):
    return small_config("vae", extra_training=f", learning_rate: {RATE}, optimizer: {keys}").training


def start():
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.normal(size=shape), dtype="float32", name=name) for name, shape in SHAPES.items()]


def test_every_optimizer_of_a_config_is_here():
    assert {keys.partition(",")[0] for keys in SAME} == set(VARIANTS["training"][1])


@pytest.mark.parametrize("keys", SAME)
def test_an_optimizer_takes_the_steps_of_keras_and_changes_no_variable(keys):
    expected, variables = SAME[keys](), start()
    rng = np.random.default_rng(1)
    gradients = [[tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables] for _ in range(STEPS)]
    chosen = optimizer(training(keys), variables, RATE)
    update = compiled(chosen.update)
    weights = [tf.identity(v.value) for v in variables]
    slots = chosen.slots(weights)
    for step, gradient in enumerate(gradients, start=1):
        weights, slots = update(weights, gradient, slots, tf.constant(step))
    for variable, unchanged in zip(variables, start(), strict=True):
        assert np.array_equal(variable.numpy(), unchanged.numpy())
    for gradient in gradients:
        expected.apply(gradient, variables)
    for weight, variable in zip(weights, variables, strict=True):
        # twelve steps, each rounded in another order
        np.testing.assert_allclose(weight, variable.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", VARIANTS["training"][1])
def test_a_learning_rate_may_be_a_function_of_the_number_of_the_step(name):
    def weights(rate, steps):
        variables = start()
        chosen = optimizer(training(name), variables, rate)
        weights = [tf.identity(v.value) for v in variables]
        slots, ones = chosen.slots(weights), [tf.ones(shape) for shape in SHAPES.values()]
        for step in range(1, steps + 1):
            weights, slots = chosen.update(weights, ones, slots, tf.constant(step))
        return [w.numpy().tobytes() for w in weights]

    def only_once(step):
        return tf.where(step == 1, RATE, 0.0)

    assert weights(only_once, 1) == weights(RATE, 1) != weights(RATE, 2)
    assert weights(only_once, 2) == weights(RATE, 1)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_slot_of_keras_is_named_by_its_weight(method):
    config = small_config(method, extra_training=", optimizer: lion")
    weights = build(config, (8, 8)).weights
    slots = optimizer(config.training, list(weights.values()), RATE).slots([])
    assert set(slots) == {f"{name.partition('/')[2].replace('/', '_')}_momentum" for name in weights}
