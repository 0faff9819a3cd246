import inspect

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled
from vaecli.config.options import OPTIONS
from vaecli.registry import METHODS, suggest

SEED = tf.constant([1, 2])


@pytest.mark.parametrize("name", METHODS)
def test_the_options_of_a_method_are_the_keyword_parameters_of_its_parts(name):
    method = METHODS[name]
    parameters = inspect.signature(method.bottleneck.load()).parameters.values()
    own = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("seed", "prior")]
    assert tuple(own) == method.bottleneck.options
    estimator = method.estimator.load().options if method.estimator else ()
    assert estimator == (method.estimator.options if method.estimator else ())


def test_every_option_is_described_once():
    assert {option for method in METHODS.values() for option in method.options} == set(OPTIONS)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.estimator])
def test_the_decodings_of_a_method_are_those_it_asks_for(name):
    """Uses one image, so that what is decoded once for the whole batch counts too."""
    method = METHODS[name]
    options = {key: OPTIONS[key].default for key in method.estimator.options}
    estimator, asked = method.estimator.load(), []

    def objective(z, codes=None):
        asked.append(int(np.prod(z.shape[:-2])))
        return tf.reduce_sum(z, (-2, -1))

    @compiled
    def run(logits):
        state = estimator.initial_state(2, 4, SEED)
        return estimator(objective, logits, state=state, seed=SEED, **options).surrogate

    run(tf.zeros((1, 2, 4)))
    assert sum(asked) == estimator.promises.decodings(2, 4, **options)


def test_a_near_miss_is_suggested_and_else_what_is_known():
    assert suggest("gumble", METHODS) == ", did you mean 'gumbel'?"
    assert suggest("zzz", ["a", "b"]) == " (known: a, b)"
    assert suggest("zzz", map(str, range(100))).endswith("17, 18, 19 and 80 more)")


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.estimator])
def test_what_the_decoder_reads_is_known_before_tensorflow_is(name):
    method = METHODS[name]
    assert method.enumerates == (method.estimator.load().promises.reads == "every code")
    assert method.relaxes == method.estimator.load().relaxed
