import inspect

import pytest

from vaecli.config.options import OPTIONS
from vaecli.registry import METHODS, suggest


@pytest.mark.parametrize("name", METHODS)
def test_the_options_of_a_method_are_the_keyword_parameters_of_its_parts(name):
    method = METHODS[name]
    parameters = inspect.signature(method.bottleneck.load()).parameters.values()
    own = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"]
    assert tuple(own) == method.bottleneck.options
    estimator = method.estimator.load().options if method.estimator else ()
    assert estimator == (method.estimator.options if method.estimator else ())


def test_every_option_is_described_once():
    assert {option for method in METHODS.values() for option in method.options} == set(OPTIONS)


def test_a_near_miss_is_suggested_and_else_what_is_known():
    assert suggest("gumble", METHODS) == ", did you mean 'gumbel'?"
    assert suggest("zzz", ["a", "b"]) == " (known: a, b)"
    assert suggest("zzz", map(str, range(100))).endswith("7, 8, 9 and 90 more)")
