import keras
import numpy as np
import pytest
import tensorflow as tf

from vaecli.backend.optimizers import SMALL, Together, adam, sgd

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


SHAPES = [(SMALL, 2), (3, 4), (SMALL - 1,), (), (2, SMALL // 2), (5,)]  # the third is the longest that is joined


@pytest.mark.parametrize("name", PAIRS)
def test_small_weights_that_are_updated_together_have_the_bits_of_each_alone(name):
    optimizer, together = PAIRS[name][0], Together(SHAPES, elementwise=True)
    rng = np.random.default_rng(0)
    alone = [tf.constant(rng.normal(size=shape), tf.float32) for shape in SHAPES]
    assert [tuple(w.shape) for w in together.joined(alone)] == [(SMALL, 2), (2, SMALL // 2), (12 + SMALL - 1 + 1 + 5,)]
    slots = optimizer.slots(alone)
    joined, of_joined = together.joined(alone), [together.joined(of_kind) for of_kind in slots]
    for step in range(1, 4):
        gradients = [tf.constant(rng.normal(size=shape), tf.float32) for shape in SHAPES]
        alone, slots = optimizer.update(alone, gradients, slots, tf.constant(step))
        joined, of_joined = optimizer.update(joined, together.joined(gradients), of_joined, tf.constant(step))
    for found, true in zip([joined, *of_joined], [alone, *slots], strict=True):
        for one, other in zip(together.apart(found), true, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("shapes", "elementwise"), [(SHAPES, False), ([(SMALL, 2), (3,)], True), ([], True)])
def test_nothing_is_joined_where_that_would_change_an_update_or_join_one_weight_alone(shapes, elementwise):
    together, weights = Together(shapes, elementwise=elementwise), [tf.zeros(shape) for shape in shapes]
    assert together.joined(weights) == weights
    assert together.apart(weights) == weights
