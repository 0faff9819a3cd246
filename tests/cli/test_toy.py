"""`vaecli toy`: estimators on a loss of known optimum."""

import csv
import io
import json

import pytest

import vaecli as package
from vaecli.errors import ConfigError

SMALL = (
    "--set",
    "epochs=3",
    "--set",
    "steps_per_epoch=40",
    "--set",
    "learning_rate=0.05",
    "--set",
    "model.num_latents=4",
)


def test_estimators_are_ranked_by_what_they_leave_above_the_optimum(vaecli, tmp_path):
    first = vaecli("toy", "straight_through", "zgr", *SMALL, "--set", "exponent=2", "--seeds", "2")
    assert first.exit_code == 0
    title, header, *rows = first.stdout.splitlines()
    assert title.startswith(
        "mean |c(z) - 0.45|^2 of 4 codes with the values 0, 1; 120 steps of 64 draws; 0.2525 at the"
    )
    assert header.split() == ["estimator", "loss", "above", "the", "optimum", "seeds"]
    assert [row.split()[0] for row in rows[:2]] == ["zgr", "straight_through"]  # which is exact for no square
    folders = sorted(path.name.partition("-")[0] for path in (tmp_path / "outputs").iterdir())
    assert folders == ["toy"] * 4 + ["toys"]
    (report,) = (tmp_path / "outputs").glob("toys-*")
    assert {path.name for path in report.iterdir()} == {"loss.png", "toys.csv", "toys.json"}
    shown = vaecli("show", report.name).stdout
    assert first.stdout.splitlines() == shown.splitlines()[1:-1]  # between the folder and the picture
    assert "2 estimators on toys of exponent 2: zgr, straight_through" in vaecli("list").stdout
    again = vaecli("toy", "straight_through", "zgr", *SMALL, "--set", "exponent=2", "--seeds", "2")
    assert again.stdout == first.stdout
    assert "4/4" in first.stderr
    assert "4/4" not in again.stderr


def test_a_sweep_has_a_table_for_each_value_and_a_record_for_each_row(vaecli):
    asked = ("toy", "zgr", "gumbel_st", *SMALL, "--sweep", "exponent=1.5,2", "--quiet")
    found = json.loads(vaecli(*asked, "--format", "json").stdout)
    assert [(row["exponent"], row["estimator"]) for row in found[:2]] != [(2.0, "zgr")] * 2
    assert sorted({(row["exponent"], row["optimum"]) for row in found}) == [
        (1.5, pytest.approx(0.45**1.5)),
        (2.0, pytest.approx(0.45**2)),
    ]
    assert all(len(row["losses"][0]) == 3 and row["loss"] >= row["optimum"] for row in found)
    table = list(csv.DictReader(io.StringIO(vaecli(*asked, "--format", "csv").stdout)))
    assert [row["estimator"] for row in table] == [row["estimator"] for row in found]
    assert vaecli(*asked, "--format", "latex").stdout.splitlines()[-1] == r"\end{tabular}"
    assert vaecli(*asked, "--format", "md").stdout.count("| ") >= 6


def test_toys_that_differ_in_any_key_have_a_table_each(vaecli, tmp_path):
    asked = ("toy", "zgr", *SMALL[:4], "--sweep", "learning_rate=0.05,0.1", "--sweep", "epsilon=1e-7,1e-3")
    done = vaecli(*asked, "--set", "model.num_latents=2")
    titles = [line for line in done.stdout.splitlines() if line.startswith("mean ")]
    assert [title.rpartition("; ")[2] for title in titles] == [
        *["learning rate 0.05"] * 2,
        *["learning rate 0.1"] * 2,
    ]
    (report,) = (tmp_path / "outputs").glob("toys-*")
    assert vaecli("show", report.name).stdout.splitlines()[1:-1] == done.stdout.splitlines()


def test_a_file_describes_a_toy_and_options_of_one_estimator_tell_rows_apart(vaecli, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "model: {name: gumbel_st, num_latents: 3}\ncodes: [0.0, 0.5, 1.0]\nexponent: 2.0\nepochs: 2\n"
    )
    done = vaecli("toy", "mine.yaml", "--sweep", "model.temperature=0.5,1", "--set", "steps_per_epoch=20")
    assert done.exit_code == 0, done.stderr
    assert "of 3 codes with the values 0, 0.5, 1; 40 steps" in done.stdout
    assert {"gumbel_st, temperature 0.5", "gumbel_st, temperature 1.0"} == {
        row.strip().split("  ")[0] for row in done.stdout.splitlines() if row.strip().startswith("gumbel_st")
    }


def test_a_file_need_not_say_how_many_classes_its_values_are(vaecli, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "model: zgr\ncodes: [0.0, 0.5, 1.0]\nexponent: 2.0\nepochs: 1\nsteps_per_epoch: 5\n"
    )
    assert vaecli("toy", "mine.yaml").stdout.startswith(
        "mean |c(z) - 0.45|^2 of 128 codes with the values 0, 0.5, 1; 5"
    )


def test_a_toy_that_is_only_computed_is_not_trained(vaecli, tmp_path):
    (tmp_path / "tied.yaml").write_text("kind: tied\ntargets: [0.6, 0.51]\n")
    done = vaecli("toy", "tied.yaml")
    line = "tied.yaml: a toy of kind tied is not trained, as it has nothing to choose\n"
    assert (done.exit_code, done.stderr) == (2, line)


def test_a_setting_without_effect_for_some_is_said_and_for_all_is_a_mistake(vaecli):
    some = vaecli("toy", "zgr", "gumbel_st", *SMALL, "--set", "model.temperature=0.5")
    assert some.exit_code == 0
    assert "model.temperature=0.5: no effect with zgr\n" in some.stderr
    part = ("--set", "model.temperature={schedule: linear, start: 1.0}", "--set", "model.temperature.end=0.5")
    assert vaecli("toy", "gumbel_st", *SMALL, *part).exit_code == 0
    nothing = vaecli("toy", "zgr", *SMALL, "--set", "model.temperature=0.5")
    assert (nothing.exit_code, nothing.stderr) == (2, "model.temperature=0.5: has no effect with zgr\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("zgrr",), "zgrr: no such estimator, did you mean 'zgr'?"),
        (("vqvae",), "vqvae: a toy needs an estimator that draws codes"),
        (("exact",), "exact: a toy needs an estimator that draws codes"),
        (("zgr", "--set", "exponnt=2"), "--set exponnt=2: exponnt: unknown key, did you mean 'exponent'?"),
        (("zgr", "--set", "exponent=0"), "--set exponent=0: exponent: should be greater than 0, received 0"),
        (("zgr", "--set", "codes=[1]"), "--set codes=[1]: codes: should have 2 or more values, received [1]"),
        (("zgr", "--set", "seed=3", "--seeds", "2"), "seed=3: --seeds says which seeds; give one of the two"),
        (("zgr", "--set", "model=mve"), "model=mve: estimators are named first, as in `vaecli toy zgr`"),
        (("gumbel", "--set", "model.temprature=1"), "--set model.temprature=1: model.temprature: unknown key, did you"),
        (("zgr", "--set", "model.num_latents=0"), "--set model.num_latents=0: model.num_latents: should be greater"),
        (("nowhere.yaml",), "nowhere.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_mistakes_are_a_line_each(vaecli, arguments, line):
    done = vaecli("toy", *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[0].startswith(line), done.stderr


def test_the_function_gives_the_same(tmp_path):
    small = {"epochs": 2, "steps_per_epoch": 10, "model.num_latents": 2}
    found = package.toy("zgr", set=small, seeds=[3], output_dir=tmp_path, quiet=True)
    assert found.records[0]["seeds"] == [3]
    assert str(found) == found.table
    assert found.folder.parent == tmp_path
    with pytest.raises(ConfigError, match="a number of seeds"):
        package.toy("zgr", set=small, seeds=[], output_dir=tmp_path, quiet=True)
