import tensorflow as tf

from helpers import compiled
from vaecli.backend.random import fold_in, uniform


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
