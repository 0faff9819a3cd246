import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers import copied, reseal, session, small_config, written
from vaecli.errors import Damaged, RunError, RunFailed
from vaecli.runs import Run

DRAWN_OR_LOGGED = (
    "report.html",
    *(f"figures/{name}.png" for name in ("reconstructions", "loss", "codes", "code_use", "codebook")),
    "train.log",
    "tensorflow.log",
)


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "gumbel-digits-00000000-s0")
    run.begin(small_config("gumbel"), session())
    return run


def row(epoch):
    return {"epoch": epoch, "loss": 1 / 3, "test_mse_relaxed": None}


def test_a_folder_without_run_json_is_no_run(tmp_path):
    assert not Run(tmp_path).exists


def test_the_config_comes_back(run):
    assert run.config == small_config("gumbel")
    assert run.info["config"] == run.config.to_dict()


def test_metrics_come_back_with_every_bit(run):
    run.append_metrics(row(1))
    run.append_metrics(row(2))
    assert run.metrics == [row(1), row(2)]


def test_a_row_that_was_cut_off_is_not_read(run):
    run.append_metrics(row(1))
    whole = run.metrics_csv.read_text()
    run.append_metrics(row(2))
    longer = run.metrics_csv.read_text()
    for end in range(len(whole), len(longer)):
        run.metrics_csv.write_text(longer[:end])
        assert run.metrics == [row(1)]


def test_the_text_of_the_rows_is_that_of_the_file(run):
    assert "".join(run.append_metrics(row(epoch)) for epoch in (1, 2, 3)) == run.metrics_text


def test_a_resume_takes_rows_back(run):
    first = run.append_metrics(row(1))
    run.append_metrics(row(2))
    run.write_metrics(first)
    assert run.metrics == [row(1)]
    run.write_metrics("")
    assert run.metrics == []


def test_metrics_that_are_no_numbers_are_one_line(run):
    run.metrics_csv.write_bytes(b"epoch,loss\n1,\xff\n")
    with pytest.raises(RunError, match=r"metrics\.csv: damaged"):
        _ = run.metrics


def test_a_column_and_a_key_that_are_missing_are_damage_and_named(run):
    """One flipped bit in a name is enough; at any depth, and only what is read is reported."""
    run.append_metrics(row(1))
    run.metrics_csv.write_text(run.metrics_text.replace("loss", "los3"))
    reseal(run.run_json, lambda info: info["config"]["model"].pop("name"))
    assert run.metrics[0]["epoch"] == 1
    with pytest.raises(RunError, match=r"metrics\.csv: damaged, it has no 'loss'"):
        _ = run.metrics[0]["loss"]
    with pytest.raises(
        RunError, match=r"run\.json: damaged, config\.model\.name: .* is missing; the command that made"
    ):
        _ = Run(run.path).config


@pytest.mark.parametrize("content", [b"", b"epoch,loss\n", b"epoch,loss\n1,\xff\n", b"epoch,loss\n1,2\n2,\xe2\x82"])
def test_rows_are_counted_whatever_the_rows_hold(run, content):
    """Also where a write was cut off inside a character."""
    run.metrics_csv.write_bytes(content)
    assert run.rows_done == max(0, content.count(b"\n") - 1)


def test_status_is_derived_from_files(run):
    assert run.status == "interrupted"
    run.fail("diverged")
    assert run.status == "failed"
    with run.lock():
        assert run.status == "running"
    for path in (run.metrics_csv, run.reconstructions_npz, run.weights / "last.npz"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run.finish({}, "epoch\n")
    assert run.status == "finished"
    assert not run.failure_json.exists()


def test_a_resume_is_remembered_and_what_a_crash_left_is_cleared_away(run):
    run.fail("disk full")
    (run.path / "weights").mkdir()
    (run.path / "weights" / ".part.last.npz.x7").touch()
    run.resume(small_config("gumbel"), session(started="later"))
    assert written(run.path) == ["config.yaml", "run.json", "weights"]
    assert Run(run.path).info["history"][0]["started"] == "later"
    assert run.status == "interrupted"


def test_a_resume_mends_the_config(run):
    whole = run.config_yaml.read_text()
    run.config_yaml.write_text(whole[:20])
    run.resume(small_config("gumbel"), session())
    assert run.config_yaml.read_text() == whole


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1, "dat'])
def test_a_damaged_run_json_is_one_line_with_the_way_out(run, damage):
    run.run_json.write_text(damage)
    with pytest.raises(Damaged, match=r"run\.json: damaged, .*; the command that made the run makes the file again"):
        Run(run.path).resume(small_config("gumbel"), session())


def gone(folder):
    shutil.rmtree(folder)


def exchanged(folder):
    shutil.rmtree(folder)
    with Run(folder).lock():
        pass


@pytest.mark.parametrize(("happens", "said"), [(gone, "cannot be written any more"), (exchanged, "removed and made")])
def test_a_folder_that_is_removed_while_training_is_not_made_again(run, happens, said):
    writes = {
        "checkpoint": lambda: run.save_checkpoint({"x": np.zeros(1)}, step=1),
        "metrics": lambda: run.append_metrics(row(1)),
        "weights": lambda: run.save_weights("last", {"x": np.zeros(1)}),
        "model": lambda: run.save_model(Path.touch),
        "log": lambda: run.log("line"),
        "failure": lambda: run.fail("reason"),
    }
    with run.lock():
        happens(run.path)
        for write in writes.values():
            with pytest.raises(RunFailed, match=said):
                write()
    assert not run.run_json.exists()


def test_an_unfinished_run_has_no_summary_and_no_figures(run):
    for ask in (lambda: run.summary, run.reconstructions):
        with pytest.raises(RunError, match=r"not finished \(interrupted\)"):
            ask()


def test_a_run_of_a_newer_format_is_refused(run):
    reseal(run.run_json, lambda info: info.update(format=3))
    with pytest.raises(RunError, match="written by a newer version of vaecli"):
        _ = Run(run.path).info


@pytest.mark.drawn
@pytest.mark.parametrize("save", ["save_evaluations", "save_priors", "save_quality", "finish"])
def test_new_results_take_the_page_of_the_old_ones_with_them(finished_run, tmp_path, save):
    run = copied(finished_run, tmp_path)
    assert run.drawn
    with run.lock():
        run.finish({}, run.metrics_text) if save == "finish" else getattr(run, save)([])
    assert not run.drawn


def test_clear_keeps_the_lock_alone(run):
    run.save_checkpoint({"x": np.zeros(1)}, step=1)
    with run.lock():
        run.clear()
        assert os.listdir(run.path) == [".lock"]


def test_a_folder_that_cannot_be_cleared_is_one_line(run, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(RunError) as error:
        run.clear()
    assert error.value.lines == (f"{run.path}: cannot be cleared (Permission denied)",)


def test_summary_holds_the_digests_of_its_files(finished_run):
    import hashlib

    files = finished_run.summary["files"]
    assert set(written(finished_run.path)) - files.keys() - set(DRAWN_OR_LOGGED) == {
        "checkpoints",
        "figures",
        "weights",
        "summary.json",
        ".lock",
    }
    for name, digest in files.items():
        assert hashlib.sha256((finished_run.path / name).read_bytes()).hexdigest() == digest
