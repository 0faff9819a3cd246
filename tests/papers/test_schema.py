"""The sources that vaecli has, and what a source of your own is refused for."""

import re

import pytest

from vaecli.config import Config
from vaecli.config.toys import Polynomial
from vaecli.errors import ConfigError
from vaecli.papers.measures import MEASURES
from vaecli.papers.schema import cells_of, source_names

CELLS = {name: cells_of(name) for name in source_names()}
EVERY = [cell for cells in CELLS.values() for cell in cells]
GOOD = """\
title: Mine
authors: [Me]
year: 2026
address: arXiv 2601.00000
table: Table 1
protocol: {data: MNIST}
tolerance: {relative: 0.01, because: two logs}
config:
  model: {name: gumbel, temperature: 0.5}
words:
  size: {small: {set: {model.num_latents: 2}}, odd: {missing: a square latent}}
cells:
- {of: {size: small}, metric: train -elbo, epochs: {1: 120.5, 10: [100.25, 0.5]}}
- {of: {size: odd}, metric: train rate, steps: {500: 9.5}, over: 100}
"""


def read(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return cells_of(str(path))


def test_there_are_a_thousand_figures_of_more_than_eighteen_sources():
    assert len(CELLS) >= 20
    assert len(EVERY) >= 388
    assert len({cell.name for cell in EVERY}) == len(EVERY)


def test_every_figure_says_where_it_stands_and_how_it_was_obtained():
    for cell in EVERY:
        paper = cell.paper
        assert re.match(r"https://|arXiv \d", paper.address), cell.name
        assert paper.table, cell.name
        assert paper.protocol, cell.name
        assert cell.numbers in ("read", "remembered", "plot")


def test_a_cell_that_cannot_be_expressed_says_which_one_thing_is_missing_and_every_other_has_a_protocol():
    for cell in EVERY:
        assert (cell.missing is None) == isinstance(cell.protocol, Config | Polynomial) or cell.unit is None


def test_a_cell_without_a_spread_has_a_tolerance_with_a_reason():
    for cell in EVERY:
        if cell.missing is None and cell.spread is None:
            assert cell.tolerance is not None, cell.name
            assert cell.tolerance.because


def test_a_cell_is_a_setting_a_metric_and_a_place(tmp_path):
    first, second, third = read(GOOD, tmp_path)
    assert first.name == "mine/small/train -elbo/e1"
    assert (first.value, first.spread, first.seeds) == (120.5, None, 1)
    assert (second.value, second.spread, second.at) == (100.25, 0.5, 10)
    assert first.protocol.model.num_latents == 2
    assert first.protocol.model.temperature == 0.5
    assert third.name == "mine/odd/train rate/s500"
    assert (third.missing, third.protocol, third.over) == ("a square latent", None, 100)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("address: arXiv 2601.00000\n", "", "1:1", "address: missing"),
        ("arXiv 2601.00000", "a drawer", "4:1", "address: should begin with https:// or be an arXiv number"),
        ("train -elbo", "train elbow", "13:23", "unknown metric 'train elbow', did you mean 'train -elbo'?"),
        ("1: 120.5", "one: 120.5", "13:53", "an epoch or a step is a count, received 'one'"),
        ("[100.25, 0.5]", "[100.25, 0.5, 3]", "13:63", "should be a number, or [a number, its standard deviation]"),
        ("of: {size: small}", "of: {size: smal}", "13:9", "size 'smal' has no meaning under `words`, did you mean"),
        ("over: 100", "ever: 100", "14:60", "unknown key, did you mean 'over'?"),
        ("temperature: 0.5", "temprature: 0.5", "9:25", "model.temprature: unknown key, did you mean 'temperature'?"),
        ("model.num_latents: 2", "model.num_latents: no", "11:24", "model.num_latents: should be a whole number"),
        ("year: 2026", "year: 2026\nyear: 2025", "4:1", "year: given twice"),
        ("steps: {500: 9.5}", "steps: {}", "14:3", "no figure"),
        ("steps: {500: 9.5}", "steps: {500: 9.5}, epochs: {1: 9}", "14:3", "a row is by epochs or by steps, not both"),
        ("over: 100", "over: 100, times: 0", "14:71", "cells.1.times: should not be 0, received 0"),
    ],
)
def test_a_mistake_in_a_source_is_refused_with_its_place(old, new, place, said, tmp_path):
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        read(GOOD.replace(old, new, 1), tmp_path)
    line = next(line for line in error.value.lines if said in line)
    assert line.startswith(f"{tmp_path}/mine.yaml:{place}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a\n- b\n", ":1:1: a source is a mapping with a title, an address and cells"),
        (
            GOOD.replace("config:\n  model: {name: gumbel, temperature: 0.5}\n", ""),
            ":1:1: a source has a `config`, a `toy`, or says what is `missing`",
        ),
    ],
)
def test_a_source_says_what_its_figures_are_of(text, line, tmp_path):
    with pytest.raises(ConfigError) as error:
        read(text, tmp_path)
    assert error.value.lines == (f"{tmp_path}/mine.yaml{line}",)


def test_a_figure_that_is_given_twice_is_refused(tmp_path):
    row = "- {of: {size: small}, metric: train -elbo, epochs: {10: 99.0}}\n"
    with pytest.raises(ConfigError, match="mine/small/train -elbo/e10: given twice"):
        read(GOOD + row, tmp_path)


def test_an_unknown_source_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean 'yin2019_arsm'"):
        cells_of("yin2019")


def test_every_measure_has_columns_or_is_evaluated_or_says_what_is_missing():
    for name, measure in MEASURES.items():
        assert [bool(measure.columns), bool(measure.evaluated), bool(measure.missing)].count(True) == 1, name
