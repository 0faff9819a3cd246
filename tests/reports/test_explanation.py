"""What `vaecli explain` says is what registry, tables and docstrings have, and fits a narrow terminal."""

import re
from pathlib import Path

import pytest

from vaecli.config import Config, config_from_text
from vaecli.config.schema import VARIANTS
from vaecli.errors import ConfigError
from vaecli.metrics.metric import METRICS
from vaecli.registry import BUILT_IN, METHODS
from vaecli.reports import diagram, explanation
from vaecli.reports.explanation import promised
from vaecli.reports.style import styled

WIDTH = 60


def lines(name, width=WIDTH):
    return list(explanation.explanation(name, width))


def words(found):
    return " ".join(" ".join(found).split())


def too_wide(found):
    """The lines that could have been folded: a path is one word, and stays whole."""
    return [line for line in found if len(line) >= WIDTH and len(line.split()) > 2]


@pytest.fixture
def without_tensorflow(monkeypatch):
    def loaded(component):
        raise AssertionError(f"{component.target} is loaded")

    monkeypatch.setattr(explanation, "_loaded", loaded)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_explained_by_its_entry_its_promises_and_its_docstring(name):
    found, method = lines(name), METHODS[name]
    assert too_wide(found) == []
    text = words(found)
    part = method.estimator or method.bottleneck
    loaded = part.load()
    function = (loaded.path or loaded.estimate) if method.estimator else loaded
    said = re.split(r"\n\s*(?:Args|Returns):", function.__doc__)[0]
    assert set(said.split()) <= set(text.split())
    assert method.when in text
    for paper in re.findall(r"\d{4}\.\d{5}", method.help):
        assert paper in text
    (code,) = re.findall(r"code\s+(\S+\.py)", text)
    assert Path(code).parts[-3:] == ("vaecli", *part.target.partition(":")[0].split(".")[1:-1], f"{Path(code).stem}.py")
    for option, value in config_from_text(f"model: {name}").model.options().items():
        assert f"model.{option} " in text
        assert f"[default: {list(value) if isinstance(value, tuple) else value}]" in text
    if method.estimator:
        assert f"exact in expectation for {promised(name)['exact_for']} " in text


@pytest.mark.parametrize("name", METHODS)
def test_the_gradient_is_drawn_to_where_it_comes(name):
    found, method = lines(name), METHODS[name]
    (drawn,) = [line for line in found if re.match(r"    \|  \w", line)]
    (encoder,) = [line for line in found if line.startswith("  encoder")]
    if method.estimator:
        through = method.learns and method.estimator.load().promises.learns_from in ("slope", "both")
    else:
        through = not method.enumerates
    assert drawn[28] == ("|" if through else "X")
    assert encoder[28:].strip() == ("^  learns" if method.learns else "learns nothing")
    assert max(len(line) for line in found[found.index("  forward                   gradient") :][:13]) <= WIDTH


def test_every_method_says_when_to_use_it():
    assert [name for name, method in BUILT_IN.items() if not re.fullmatch(r"[A-Z].*\.", method.when)] == []


@pytest.mark.parametrize("metric", METRICS, ids=[metric.key for metric in METRICS])
def test_a_metric_is_found_by_its_key_and_its_columns(metric, without_tensorflow):
    for name in (metric.key, metric.column, metric.of_epoch and f"test_{metric.of_epoch}"):
        if name:
            found = lines(name)
            assert f"{metric.key}: a metric" in found
            assert metric.meaning in words(found)
            assert too_wide(found) == []


def test_every_key_of_a_config_is_explained(without_tensorflow):
    blocks = {block: ("", {"": type(field.default)}) for block, field in Config.model_fields.items()} | VARIANTS
    meanings = {}
    for block, (_, variants) in blocks.items():
        for variant in variants.values():
            for key, field in variant.model_fields.items():
                meanings.setdefault(f"{block}.{key}", set()).add(field.description or "")
    assert len(meanings) > 70
    for key, texts in meanings.items():
        found = lines(key)
        assert f"{key}: a key of a config" in found
        assert all(text in words(found) for text in texts)
        assert "what" not in map(str.strip, found)
        assert too_wide(found) == []


def test_a_key_says_which_methods_have_it_and_whose_default_is_another(without_tensorflow):
    text = words(lines("temperature"))
    assert "default 1.0 1.3 (reinmax) 0.5 (reinmax_cv) " in text
    assert "exists for model.name: gumbel, gumbel_st, gumbel_rao, gst, reinmax, reinmax_rao and 3 more " in text
    assert "--set model.temperature=VALUE" in text


def test_a_name_that_has_two_meanings_has_both(without_tensorflow):
    assert [line for line in lines("bits") if ": a " in line] == [
        "test.bits: a metric",
        "model.bits: a key of a config",
    ]


@pytest.mark.parametrize(("name", "meant"), [("gumble", "gumbel"), ("perplexty", "perplexity"), ("epocs", "epochs")])
def test_an_unknown_name_is_a_line_with_what_may_be_meant(name, meant, without_tensorflow):
    with pytest.raises(ConfigError) as error:
        lines(name)
    assert error.value.lines == (f"{name}: no such method, column or key, did you mean '{meant}'?",)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_drawn_as_it_is_told(name):
    found, method = explanation.drawing(name), METHODS[name]
    text = words(lines(name))
    assert all(part in text for part in (found.encoded, found.drawn, found.read))
    assert found.learns == method.learns
    assert found.passes or found.around or not found.learns  # what learns, learns from something
    for line in found.rule:
        assert " ".join(line.split()) in text
    if method.estimator:
        assert f"for {promised(name)['exact_for']}; {promised(name)['decodings']} decoding" in found.promises


@pytest.mark.parametrize("name", ["categorical", "gumbel", "rebar", "hard_em", "redge"])
def test_the_figure_holds_what_is_drawn_and_no_text_leaves_it(name):
    with styled():
        figure = diagram.draw(explanation.drawing(name))
        figure.draw_without_rendering()
        whole = figure.bbox
        texts = [text for axis in figure.axes for text in axis.texts] + figure.texts
        said = " ".join(text.get_text() for text in texts).replace("\n", " ")
        for text in filter(lambda text: text.get_text(), texts):
            box = text.get_window_extent()
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1, text.get_text()
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1, text.get_text()
    assert all(word in said for word in (name, "encoder", "decoder", "loss", "begins here"))
    assert ("learns nothing" in said) == (name == "categorical")


def test_methods_stand_in_the_families_of_their_promises():
    found, family = {}, None
    for line in list(explanation.method_lines(None))[1:]:
        family = line if line in explanation.FAMILIES.values() else family
        if line and line != family:
            found[line.split()[0]] = family
    assert list(found) == sorted(found, key=lambda name: list(explanation.FAMILIES.values()).index(found[name]))
    assert set(found) == set(METHODS)
    exact = {name for name in METHODS if promised(name)["exact_for"] in ("every loss", explanation.OF_BOUND)}
    assert {name for name, family in found.items() if family == explanation.FAMILIES["exact"]} == exact
    assert found["vae"] == explanation.FAMILIES["vector"]
    assert found["hard_em"] == found["fsq"] == explanation.FAMILIES["chosen"]
