import inspect
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled
from vaecli.config import config_from_text
from vaecli.config.options import OPTIONS
from vaecli.errors import ConfigError
from vaecli.registry import CATEGORICAL, METHODS, Component, Method, suggest

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


NOWHERE = Component("foreign:nowhere", ("force",))
FOREIGN = {
    "twice": (["number", "text"], "of foreign:number and foreign:text cannot be used: only one may declare it"),
    "a-b": (["number"], "of foreign:number cannot be used: a name may have only letters, digits and _"),
    "gone": (
        ["gone"],
        "of foreign:gone cannot be used: AttributeError: module 'foreign' has no attribute 'gone'",
    ),
    "number": (
        ["number"],
        "of foreign:number cannot be used: foreign:number is not a vaecli.registry.Method of CATEGORICAL and an "
        "estimator",
    ),
    "careless": (["careless"], "of foreign:careless cannot be used: its option force has no description"),
    "odd": (
        ["odd"],
        "cannot be used: its options do not form a schema (AttributeError(\"'NoneType' object has no attribute "
        "'type'\"))",
    ),
}


@pytest.fixture
def foreign(monkeypatch):
    """A module of another package, whose methods are known by the names of FOREIGN."""
    module = ModuleType("foreign")
    module.number, module.text = 1, "x"
    module.careless = Method("has an option that nobody describes", CATEGORICAL, NOWHERE)
    module.odd = Method("its option is no type", CATEGORICAL, NOWHERE, described={"force": None})
    entries = {name: [EntryPoint(name, f"foreign:{a}", "") for a in found] for name, (found, _) in FOREIGN.items()}
    monkeypatch.setitem(sys.modules, "foreign", module)
    monkeypatch.setattr(METHODS, "_entries", entries)
    monkeypatch.setattr(METHODS, "_found", {})


@pytest.mark.parametrize("name", FOREIGN)
def test_a_method_of_another_package_that_cannot_be_used_says_why(foreign, name):
    with pytest.raises(ConfigError) as error:
        config_from_text(f"model: {name}")
    assert error.value.lines == (f"config:1:1: model '{name}' {FOREIGN[name][1]}",)


@pytest.mark.parametrize(
    ("attribute", "line"),
    [
        (
            "nowhere",
            "foreign:nowhere: cannot be imported (AttributeError: module 'foreign' has no attribute 'nowhere')",
        ),
        ("number", "foreign:number: not an estimator with the options that it declares ('force',)"),
    ],
)
def test_an_estimator_of_another_package_is_what_it_is_declared_to_be(foreign, attribute, line):
    with pytest.raises(ConfigError) as error:
        Component(f"foreign:{attribute}", ("force",)).load()
    assert error.value.lines == (line,)
