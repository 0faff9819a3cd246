import json
import re
import shlex

import pytest

from helpers import forge, made_up, reseal, session, small_config
from vaecli.errors import ConfigError
from vaecli.reports.columns import aligned, flat, plain
from vaecli.reports.run.listing import (
    COLUMNS,
    cells,
    chosen,
    difference_lines,
    differences,
    duration,
    entry,
    ordered,
    show_lines,
    table,
)
from vaecli.runs import Run


@pytest.fixture
def half_done(tmp_path):
    """A run that a crash ended in its fourth epoch."""
    run = Run(tmp_path / "gumbel-digits-00000000-s3")
    run.begin(small_config("gumbel", epochs=9, seed=3), session())
    row = dict.fromkeys(("test_mse_sampled", "test_mse_mode", "loss", "seconds"), 0.25)
    row |= dict.fromkeys(("test_mse_relaxed", "validation_mse_sampled", "test_perplexity"))
    for epoch in (1, 2, 3):
        run.append_metrics({"epoch": epoch, **row})
    return run


def test_a_finished_run_is_listed_with_its_figures(finished):
    run = finished("vqvae")
    found = cells(entry(run))
    mse = run.summary["test"]["mse"]
    assert found[:6] == [run.name, "finished", "digits", "vqvae", "0", "2"]
    assert found[6:9] == [f"{mse['sampled']:.4f}", f"{mse['mode']:.4f}", ""]


def test_an_interrupted_run_is_listed_with_how_far_it_came(half_done):
    found = cells(entry(half_done))
    assert found[:6] == [half_done.name, "interrupted", "digits", "gumbel", "3", "3/9"]
    assert found[6:] == [*[""] * 5, "2026-01-01 00:00", "", "hidden=[16], compile=graph"]


def test_a_run_at_work_is_running_and_a_diverged_one_failed(half_done):
    with half_done.lock():
        assert entry(half_done)["status"] == "running"
    half_done.fail("diverged in epoch 4")
    assert entry(half_done)["status"] == "failed"
    assert "  diverged in epoch 4" in list(show_lines(half_done))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}', '{"config": 1, "data": {}}', "\xff"])
def test_what_cannot_be_read_is_listed_with_the_reason(half_done, content):
    half_done.run_json.write_text(content, encoding="latin-1")
    found = entry(Run(half_done.path))
    assert found["status"] == "unreadable"
    assert found["reason"].startswith(str(half_done.run_json))
    assert cells(found)[:2] == [half_done.name, "unreadable"]


def test_a_summary_without_its_figures_is_a_damaged_one(tmp_path):
    run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
    assert entry(Run(run.path))["status"] == "finished"
    reseal(run.summary_json, lambda summary: summary["test"]["mse"].pop("sampled"))
    found = entry(Run(run.path))
    assert found["status"] == "unreadable"
    assert found["reason"].startswith(f"{run.summary_json}: damaged, test.mse.sampled: ")


def test_show_says_where_an_unfinished_run_stands(half_done):
    said = "\n".join(show_lines(half_done))
    assert "(interrupted, started 2026-01-01T00:00:00Z)" in said
    assert re.search(r"\n +epoch +loss .*\n +3/9  0.2500 ", said)
    assert "the command that started it resumes it" in said
    assert "made with           keras 3.15\n" in said


def test_the_command_that_show_prints_can_be_typed_again(half_done):
    argv = ["vaecli", "train", "vqvae", "--set", "data={name: folder, path: my pictures}"]
    reseal(half_done.run_json, lambda info: info.update(argv=argv))
    (line,) = (line for line in show_lines(Run(half_done.path)) if line.startswith("  command "))
    assert shlex.split(line) == ["command", *argv]


def test_of_a_run_that_failed_nobody_says_that_the_same_command_will_do(half_done):
    half_done.fail("diverged in epoch 1, step 2")
    said = "\n".join(show_lines(half_done))
    assert "once the reason of its failure is mended, the command that started it resumes it" in said


def test_differences_are_only_what_differs(finished, half_done):
    one, two = finished("gumbel"), finished("straight_through")
    found = differences(one, two)
    assert found["config"] == {
        "model.name": ["gumbel", "straight_through"],
        "model.temperature": [1.0, None],
        "model.backward_temperature": [None, 1.0],
    }
    assert found["environment"] == {}
    assert found["figures"]["test.mse.relaxed"] == [one.summary["test"]["mse"]["relaxed"], None]
    assert "parameters" not in found["figures"]
    against_unfinished = differences(one, half_done)
    assert against_unfinished["figures"]["test.mse.sampled"][1] is None
    assert against_unfinished["environment"]["host"][1] == "here"
    assert differences(one, one) == {"config": {}, "environment": {}, "figures": {}}


def entries(folder):
    """Runs of invented figures, by their seeds."""
    made = [("gumbel", 0, 0.05, {}), ("gumbel", 1, 0.03, {"temperature": 0.5}), ("vae", 2, 0.04, {"epochs": 20})]
    return [entry(made_up(folder, name, seed, mse, **more)) for name, seed, mse, more in made]


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ([], [0, 1, 2]),
        (["gumbel"], [0, 1]),
        (["gumbel", "seed=1"], [1]),
        (["temperature=0.5"], [1]),
        (["model.temperature=0.5"], [1]),
        (["epochs=20"], [2]),
        (["mnist", "finished"], [0, 1, 2]),
        (["model=gum"], []),
        (["2026-01-01"], [0, 1, 2]),
        (["batch_size=3"], []),
    ],
)
def test_words_choose_runs_by_their_cells_and_settings(tmp_path, words, seeds):
    assert [found["seed"] for found in chosen(entries(tmp_path), words)] == seeds


@pytest.mark.parametrize(
    ("column", "seeds"),
    [
        ("mse sampled", [1, 2, 0]),
        ("model", [0, 1, 2]),
        ("epochs", [0, 1, 2]),
        ("differs", [1, 0, 2]),
        ("seed", [0, 1, 2]),
    ],
)
def test_runs_are_sorted_by_a_column_and_figures_the_best_first(tmp_path, column, seeds):
    assert [found["seed"] for found in ordered(entries(tmp_path), column)] == seeds


def test_an_unknown_column_is_refused():
    with pytest.raises(ConfigError, match=r"--sort-by mse samplde: no such column, did you mean 'mse sampled'\?"):
        ordered([], "mse samplde")


def test_what_differs_are_settings_that_are_no_defaults(tmp_path, finished):
    assert [found["differs"] for found in entries(tmp_path)] == [{}, {"model.temperature": 0.5}, {}]
    assert entry(finished("gumbel"))["differs"] == {"network.hidden": [16], "training.compile": "graph"}
    scheduled = small_config("{name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}", epochs=1)
    run = Run(tmp_path / "gumbel-digits-00000000-s0")
    run.begin(scheduled, session())
    assert entry(run)["differs"]["model.temperature"] == "linear"


def test_a_run_of_a_method_that_is_no_more_is_listed(tmp_path):
    run = forge(made_up(tmp_path, "gumbel", 0, 0.05), lambda info: info["config"]["model"].update(name="elsewhere"))
    found = entry(run)
    assert (found["status"], found["model"], found["differs"]) == ("finished", "elsewhere", {})


def test_a_table_has_no_column_of_code_lengths_or_differences_without_any(tmp_path):
    header, *rows = table(entries(tmp_path)[:1])
    assert [name for name in COLUMNS if name not in header] == ["code length", "differs"]
    assert len(rows[0]) == len(header)


def test_figures_that_differ_have_a_difference_and_its_share(finished):
    found = differences(finished("gumbel"), finished("straight_through"))
    one, two = found["figures"]["test.mse.sampled"]
    (line,) = [line for line in difference_lines(found, None) if line.startswith("test.mse.sampled")]
    assert line.split() == [
        "test.mse.sampled",
        plain(one),
        plain(two),
        f"{two - one:+.4g}",
        f"{(two - one) / one:+.0%}",
    ]
    (relaxed,) = [line for line in difference_lines(found, None) if line.startswith("test.mse.relaxed")]
    assert len(relaxed.split()) == 2  # the second run has none
    narrow = list(difference_lines(found, 60))
    assert max(map(len, narrow)) <= 60
    assert not any(line.endswith("%") for line in narrow)


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (4.79, "4.8 s"), (150.0, "2.5 min"), (9000.0, "2.5 h")])
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


def test_small_helpers():
    assert flat({"a": {"b": 1, "c": {"d": []}}, "e": None}) == {"a.b": 1, "a.c.d": [], "e": None}
    assert [plain(x) for x in (0.123456789, 3, None, [1])] == ["0.123457", "3", "", "[1]"]
    assert list(aligned([["a", "bb"], ["ccc", ""]])) == ["a    bb", "ccc"]


def test_entries_are_json(finished, half_done):
    assert json.loads(json.dumps([entry(finished("vae")), entry(half_done)], allow_nan=False))
