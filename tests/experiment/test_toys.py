"""Toys: what is refused, and that a training of one repeats and stays above the optimum."""

import pytest

from vaecli.api.toys import train_toys
from vaecli.config.source import parse, shown
from vaecli.config.toys import Polynomial, Tied, toy_of
from vaecli.errors import ConfigError, Damaged, Interrupted
from vaecli.experiment.toys import train_toy
from vaecli.runs.toys import toy_run
from vaecli.terminal.console import Console

TEXT = """\
model: {name: reinmax, temperature: 1.0, num_latents: 8, num_classes: 4}
codes: [1.0, 0.5069, 0.0, 0.7385]
exponent: 2.0
batch_size: 4
steps_per_epoch: 30
epochs: 3
learning_rate: 0.05
"""


def toy(text=TEXT):
    return toy_of(parse(text, name="toy.yaml"))


def test_the_optimum_is_the_code_nearest_to_the_target():
    assert toy().optimum == pytest.approx((0.5069 - 0.45) ** 2)


def test_a_training_repeats_falls_and_never_undercuts_the_optimum():
    one, again = train_toy(toy()), train_toy(toy())
    assert one == again
    assert one.losses[0] > one.losses[-1] >= toy().optimum
    assert toy().start > one.expected[0] > one.expected[-1] >= toy().optimum


def test_a_relaxed_sample_may_be_below_the_optimum_but_what_is_expected_of_codes_never_is():
    relaxed = toy(TEXT.replace("reinmax", "gumbel").replace("0.5069, 0.0, 0.7385", "0.9, 0.0, 0.1"))
    found = train_toy(relaxed)
    assert found.losses[-1] < relaxed.optimum <= min(found.expected)


def test_another_seed_has_other_losses():
    one = train_toy(toy())
    assert train_toy(toy().model_copy(update={"seed": 1})) != one


def test_a_training_stops_between_epochs():
    asked = iter([None, 130])
    assert train_toy(toy(), lambda: next(asked)) is None


def test_a_stop_keeps_the_toys_that_are_finished(tmp_path):
    with pytest.raises(Interrupted) as stopped:
        train_toys([toy()], tmp_path, Console(quiet=True), lambda: 130)
    assert stopped.value.lines == ("stopped; finished toys are kept, and the same command resumes",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1.0, 0.5069, 0.0, 0.7385]", "[1.0, 0.5]", "toy.yaml:2:1: codes: 2 values for 4 classes"),
        ("reinmax, temperature: 1.0", "exact", "toy.yaml:1:9: model: a toy needs an estimator that draws codes"),
        ("exponent: 2.0", "exponent: -1.0", "toy.yaml:3:1: exponent: should be greater than 0, received -1.0"),
        ("exponent: 2.0", "exponent: 2.0\nexponent: 3.0", "toy.yaml:4:1: exponent: given twice"),
        ("exponent", "exponents", "toy.yaml:3:1: exponents: unknown key, did you mean 'exponent'?"),
        ("temperature", "temprature", "toy.yaml:1:24: model.temprature: unknown key, did you mean 'temperature'?"),
        ("exponent: 2.0", "exponent: 2.0\nkind: polynom", "toy.yaml:4:1: unknown toy 'polynom', did you mean"),
        ("exponent: 2.0", "exponent: 2.0\nkind: [tied]", "toy.yaml:4:1: unknown toy ['tied']"),
        ("exponent: 2.0", "exponent: 2.0\nkind: {a: 1}", "toy.yaml:4:1: unknown toy {'a': 1}"),
    ],
)
def test_a_mistake_in_a_toy_names_its_place(old, new, said):
    assert old in TEXT
    with pytest.raises(ConfigError) as error:
        toy(TEXT.replace(old, new, 1).replace("num_latents: 8", "num_latents: 2"))
    assert any(line.startswith(said) for line in error.value.lines), error.value.lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[1, 2]", "toy.yaml:1:1: a toy is a mapping such as `exponent: 2.0`"),
        (
            f"kind: tied\ntargets: {[0.5] * 17}",
            "toy.yaml:2:1: targets: should be at most 16 values, whose states are enumerated, received "
            f"{shown([0.5] * 17)}",
        ),
    ],
)
def test_what_is_no_toy_is_told(text, line):
    with pytest.raises(ConfigError) as error:
        toy(text)
    assert error.value.lines == (line,)


def test_tied_variables_are_another_kind():
    assert toy("kind: tied\ntargets: [0.6, 0.51]") == Tied(kind="tied", targets=(0.6, 0.51))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("temperature: 1.0", "temperature: 1.1"),
        ("reinmax, temperature: 1.0", "mve, embedding: integer"),
        ("2.0", "3.0"),
    ],
)
def test_toys_that_differ_in_anything_are_kept_apart(old, new, tmp_path):
    """An option of an estimator is no field of the block that all methods share."""
    one, other = toy(), toy(TEXT.replace(old, new))
    again = toy(TEXT.replace(old, new).replace("embedding: integer", "embedding: one_hot"))
    assert len({toy_run(each, tmp_path).path for each in (one, other, again)}) == 2 + ("mve" in new)


def test_a_trained_toy_is_kept_and_a_changed_file_is_noticed(tmp_path):
    asked = toy()
    assert isinstance(asked, Polynomial)
    kept = toy_run(asked, tmp_path)
    assert not kept.finished
    kept.write(asked, [0.5, 0.25, 0.125], [0.4, 0.2, 0.1])
    assert toy_run(asked, tmp_path).losses == [0.5, 0.25, 0.125]
    assert toy_run(asked, tmp_path).expected == [0.4, 0.2, 0.1]
    assert toy_run(asked.model_copy(update={"seed": 1}), tmp_path).path != kept.path
    kept.toy_json.write_text(kept.toy_json.read_text(encoding="utf-8").replace("0.125", "0.001"), encoding="utf-8")
    with pytest.raises(Damaged, match="was changed after it was written"):
        _ = toy_run(asked, tmp_path).losses
