import json

import pytest

from helpers import made_up, reseal, session, small_config
from vaecli.reports.columns import aligned, flat, plain
from vaecli.reports.run.listing import cells, differences, entry, show_lines
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
    assert cells(entry(half_done)) == [half_done.name, "interrupted", "digits", "gumbel", "3", "3/9", *[""] * 5]


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
    assert "epoch 3/9  loss 0.2500" in said
    assert "the command that started it resumes it" in said
    assert "made with           keras 3.15\n" in said


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
    }
    assert found["environment"] == {}
    assert found["figures"]["test.mse.relaxed"] == [one.summary["test"]["mse"]["relaxed"], None]
    assert "parameters" not in found["figures"]
    against_unfinished = differences(one, half_done)
    assert against_unfinished["figures"]["test.mse.sampled"][1] is None
    assert against_unfinished["environment"]["host"][1] == "here"
    assert differences(one, one) == {"config": {}, "environment": {}, "figures": {}}


def test_small_helpers():
    assert flat({"a": {"b": 1, "c": {"d": []}}, "e": None}) == {"a.b": 1, "a.c.d": [], "e": None}
    assert [plain(x) for x in (0.123456789, 3, None, [1])] == ["0.123457", "3", "", "[1]"]
    assert list(aligned([["a", "bb"], ["ccc", ""]])) == ["a    bb", "ccc"]


def test_entries_are_json(finished, half_done):
    assert json.loads(json.dumps([entry(finished("vae")), entry(half_done)], allow_nan=False))
