import keras
import numpy as np
import pytest
import tensorflow as tf

from vaecli.backend.optimizers import adam, sgd

PAIRS = {
    "adam": (adam(0.01), lambda: keras.optimizers.Adam(0.01)),
    "sgd": (sgd(0.1, 0.0), lambda: keras.optimizers.SGD(0.1)),
    "momentum": (sgd(0.1, 0.9), lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_ours_are_those_of_keras(name):
    ours, theirs = PAIRS[name][0], PAIRS[name][1]()
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4,))]
    variables = [keras.Variable(w) for w in start]
    weights = [tf.constant(w) for w in start]
    slots = ours.slots(weights)
    for step in range(1, 31):
        gradients = [tf.constant(rng.normal(size=w.shape) * 10.0 ** -(step % 5), tf.float32) for w in start]
        theirs.apply(gradients, variables)
        weights, slots = ours.update(weights, gradients, slots, tf.constant(step))
    for weight, variable in zip(weights, variables, strict=True):
        # thirty steps, each rounded in another order
        np.testing.assert_allclose(weight, variable.numpy(), rtol=1e-5, atol=1e-6)
