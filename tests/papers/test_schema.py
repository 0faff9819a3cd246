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
  objective: {likelihood: bernoulli}
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


def test_no_protocol_leaves_open_what_our_defaults_decide():
    """They may change, and a published figure has one protocol."""
    for cell in EVERY:
        if isinstance(cell.protocol, Config):
            training = cell.protocol.training
            assert "auto" not in (training.learning_rate, training.output_bias), cell.name


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


def refused(text, tmp_path):
    with pytest.raises(ConfigError) as error:
        read(text, tmp_path)
    return error.value.lines


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("address: arXiv 2601.00000\n", "", "1:1", "address: missing"),
        ("arXiv 2601.00000", "a drawer", "4:1", "address: should begin with https:// or be an arXiv number"),
        ("train -elbo", "train elbow", "14:23", "unknown metric 'train elbow', did you mean 'train -elbo'?"),
        ("1: 120.5", "one: 120.5", "14:53", "an epoch or a step is a count, received 'one'"),
        ("[100.25, 0.5]", "[100.25, 0.5, 3]", "14:63", "should be a number, or [a number, its standard deviation]"),
        ("of: {size: small}", "of: {size: smal}", "14:9", "size 'smal' has no meaning under `words`, did you mean"),
        ("over: 100", "ever: 100", "15:60", "unknown key, did you mean 'over'?"),
        ("temperature: 0.5", "temprature: 0.5", "9:25", "model.temprature: unknown key, did you mean 'temperature'?"),
        ("model.num_latents: 2", "model.num_latents: no", "12:24", "model.num_latents: should be a whole number"),
        ("year: 2026", "year: 2026\nyear: 2025", "4:1", "year: given twice"),
        ("steps: {500: 9.5}", "steps: {}", "15:3", "no figure"),
        ("steps: {500: 9.5}", "steps: {500: 9.5}, epochs: {1: 9}", "15:3", "a row is by epochs or by steps, not both"),
        ("over: 100", "over: 100, times: 0", "15:71", "cells.1.times: should not be 0, received 0"),
        ("{size: small}", "{size: true}", "14:9", "cells.0.of.size: should be a word or a number, received True"),
        ("words:\n", "toy: {exponent: 2.0}\nwords:\n", "11:1", "a source has a `config` or a `toy`, not both"),
    ],
)
def test_a_mistake_in_a_source_is_refused_with_its_place(old, new, place, said, tmp_path):
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        read(GOOD.replace(old, new, 1), tmp_path)
    line = next(line for line in error.value.lines if said in line)
    assert line.startswith(f"{tmp_path}/mine.yaml:{place}: ")


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("1: 120.5", "0: 120.5", "14:53", "epochs and steps are counted from 1"),
        ("1: 120.5", f"{10**7}: 120.5", "14:53", "there are at most 1,000,000 epochs"),
        ("epochs: {1: 120.5", "steps: {2000000000: 120.5", "14:52", "there are at most 1,000,000,000 steps"),
        ("epochs: {1: 120.5", "over: 9, steps: {8: 120.5", "14:61", "over 9: there are 8 steps before it"),
        (
            *("train -elbo, epochs", "test mse, over: 9, epochs", "14:59"),
            "over 9: has no effect with 'test mse', which is no mean over steps",
        ),
        ("train -elbo", "loss", "14:46", "'loss' is a measure of a toy, and the source has a `config`"),
        (
            *("train -elbo", "train mse", "14:51"),
            "'train mse' is measured with objective.likelihood: mse, received bernoulli",
        ),
        (
            *("likelihood: bernoulli", "likelihood: mse", "14:53"),
            "'train -elbo' is measured with objective.likelihood: bernoulli or gaussian, received mse",
        ),
        (
            *("train -elbo", "validation -elbo", "14:58"),
            "'validation -elbo' is measured on images that data.validation holds out, received 0",
        ),
        (
            *("temperature: 0.5}", "temperature: {schedule: linear, start: 1.0, end: 0.5}}", "9:25"),
            "model.temperature: needs a `horizon`: a run is as long as its cells ask",
        ),
        (
            *("likelihood: bernoulli}", "likelihood: bernoulli}\n  training: {seed: 3}", "11:14"),
            "training.seed: `--seeds` says which seeds are trained",
        ),
        (
            *("likelihood: bernoulli}", "likelihood: bernoulli}\n  data: {fallback: digits}", "11:10"),
            "data.fallback: a published figure is of its own data",
        ),
        (
            *("model.num_latents: 2", "model.num_latents: 2, training.seed: 3", "12:46"),
            "training.seed: `--seeds` says which seeds are trained",
        ),
        (
            *("model.num_latents: 2", "model.num_latents: 2, training.evaluate_at: [5]", "12:46"),
            "training.evaluate_at: the cells say after which steps there is a row",
        ),
    ],
)
def test_a_figure_that_no_training_of_its_protocol_has_is_refused_with_its_place(old, new, place, said, tmp_path):
    assert old in GOOD
    assert refused(GOOD.replace(old, new, 1), tmp_path)[0] == f"{tmp_path}/mine.yaml:{place}: {said}"


TOY = (
    GOOD[: GOOD.index("config:")]
    + """\
toy: {model: {name: mve, num_classes: 2}, codes: [0.0, 1.0], exponent: 2.0, epochs: 5}
cells:
- {metric: loss, epochs: {1: 0.2, 5: 0.1}}
"""
)
TIED = TOY.replace(TOY[TOY.index("toy:") : TOY.index("cells:")], "toy: {kind: tied, targets: [0.6]}\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("5: 0.1", "6: 0.1", "a toy has a figure for each of its epochs, 1 to 5"),
        ("epochs: {1:", "steps: {1:", "a toy has a figure for each of its epochs, 1 to 5"),
        ("metric: loss", "metric: loss, over: 10", "over 10: has no effect with a toy"),
        ("metric: loss", "metric: train mse", "'train mse' is no measure of a toy of kind polynomial"),
        ("epochs: 5}", "epochs: 5, seed: 3}", "seed: `--seeds` says which seeds are trained"),
    ],
)
def test_a_figure_that_a_toy_does_not_have_is_refused(old, new, said, tmp_path):
    assert len(read(TOY, tmp_path)) == 2
    assert refused(TOY.replace(old, new, 1), tmp_path)[0].endswith(f": {said}")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("loss", "'loss' is no measure of a toy of kind tied"),
        ("exact loss", "a toy of kind tied is not trained, so its figure is of epoch 0"),
    ],
)
def test_a_toy_that_is_not_trained_has_one_figure(metric, said, tmp_path):
    assert refused(TIED.replace("metric: loss", f"metric: {metric}"), tmp_path)[0].endswith(f": {said}")


def test_a_word_is_the_same_however_its_number_is_written(tmp_path):
    rate = "  rate: {1e-4: {set: {training.learning_rate: 1e-4}}}\n"
    text = GOOD.replace("words:\n", f"words:\n{rate}").replace("{size: small}", "{size: small, rate: 0.0001}")
    first, *_ = read(text, tmp_path)
    assert first.protocol.training.learning_rate == 1e-4
    assert first.name == "mine/small, 0.0001/train -elbo/e1"


def test_rows_of_one_name_have_the_same_words(tmp_path):
    """Not the protocol of whichever came first."""
    other = "words:\n  kind: {small: {set: {model.num_latents: 4}}}\n"
    row = "- {of: {kind: small}, metric: train -elbo, epochs: {2: 110.5}}\n"
    lines = refused(GOOD.replace("words:\n", other) + row, tmp_path)
    assert lines == (f"{tmp_path}/mine.yaml:17:4: another row has other words for 'small' too",)


def test_two_words_of_a_row_do_not_set_the_same_key_to_different_values(tmp_path):
    text = GOOD.replace("words:\n", "words:\n  codes: {many: {set: {model.num_latents: 9}}}\n")
    (line,) = refused(text.replace("{size: small}", "{codes: many, size: small}"), tmp_path)
    assert line.endswith(":13:24: model.num_latents: another word of the same row sets it to 9")


def test_what_has_no_keys_is_not_exchanged_for_a_block(tmp_path):
    text = GOOD.replace("config:\n", "config:\n  training: 7\n")
    (line,) = refused(text.replace("model.num_latents: 2", "training.batch_size: 2"), tmp_path)
    assert line.endswith("training.batch_size: training is 7, and has no keys")


def test_what_is_evaluated_on_a_draw_is_of_a_posterior_that_has_some(tmp_path):
    text = GOOD.replace("{name: gumbel, temperature: 0.5}", "vqvae").replace("{set: {model.num_latents: 2}}", "{}")
    (*_, line) = refused(text.replace("train -elbo", "'train -elbo, evaluated'"), tmp_path)
    assert line.endswith("'train -elbo, evaluated' is measured on a draw of q(z|x), which is a point with vqvae")


def test_a_perplexity_is_of_codes(tmp_path):
    text = GOOD.replace("{name: gumbel, temperature: 0.5}", "vae").replace("{set: {model.num_latents: 2}}", "{}")
    (*_, line) = refused(text.replace("train -elbo", "test perplexity"), tmp_path)
    assert line.endswith("'test perplexity' is measured on codes, and vae has none")


def test_a_source_of_your_own_is_found_as_every_other_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    cells = read(GOOD, tmp_path)
    assert cells_of(tmp_path / "mine.yaml") == cells_of("~/mine.yaml") == cells
    (tmp_path / "without_an_ending").write_text(GOOD, encoding="utf-8")
    assert cells_of(f"{tmp_path}/without_an_ending")[0].source == "without_an_ending"
    with pytest.raises(ConfigError, match="not the name of a file"):
        cells_of("a\0.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a\n- b\n", ":1:1: a source is a mapping with a title, an address and cells"),
        (
            GOOD.replace(GOOD[GOOD.index("config:") : GOOD.index("words:")], ""),
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
