import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled
from vaecli.backend.random import exponential, fold_in, uniform


def test_uniforms_have_no_zero_and_no_one():
    u = compiled(uniform)(tf.constant([2_000_000]), seed=tf.constant([0, 0])).numpy()
    assert u.min() > 0
    assert u.max() < 1


def test_fold_in_gives_other_draws():
    @compiled
    def draw(data):
        return uniform(tf.constant([4]), seed=fold_in(tf.constant([1, 2]), data))

    draws = {draw(tf.constant(data)).numpy().tobytes() for data in range(50)}
    assert len(draws) == 50


@pytest.mark.parametrize(
    "shape", [(6,), (7, 10), (100, 20, 10), (2, 3, 5), (63, 4, 8), (63, 5, 3), (3, 64, 3, 7), (3, 5, 4, 7)]
)
def test_exponentials_are_of_the_uniforms_of_their_shape(shape):
    """However they are drawn: with an even dimension before the last two, or without."""
    seed = tf.constant([3, 4])
    found = compiled(exponential)(like=tf.zeros(shape), seed=seed).numpy()
    assert np.array_equal(found, compiled(lambda: -tf.math.log(uniform(tf.constant(shape), seed=seed)))().numpy())


def test_exponentials_may_have_a_batch_whose_size_is_not_known():
    seed = tf.constant([3, 4])
    drawn = tf.function(
        lambda like: exponential(like=like, seed=seed), input_signature=[tf.TensorSpec((None, 20, 10))], autograph=False
    )
    np.testing.assert_allclose(
        drawn(tf.zeros((100, 20, 10))), exponential(like=tf.zeros((100, 20, 10)), seed=seed), rtol=1e-6
    )
