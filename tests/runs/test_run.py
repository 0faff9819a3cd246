import json
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import small_config
from vaecli.errors import RunError
from vaecli.runs import Run


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "gumbel-digits-00000000-s0")
    run.begin(small_config("gumbel"), {"data": {"name": "digits"}})
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


def test_two_checkpoints_are_kept_and_the_newest_is_loaded(run):
    for step in (5, 10, 15):
        run.save_checkpoint({"step": np.int64(step)}, step=step)
    assert sorted(os.listdir(run.checkpoints)) == ["step-000000010.npz", "step-000000015.npz"]
    arrays, damaged = run.load_checkpoint()
    assert arrays["step"] == 15
    assert damaged == []


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(run, damage):
    for step in (5, 10):
        run.save_checkpoint({"weights": np.full(100, step, np.float32)}, step=step)
    newest = run.checkpoints / "step-000000010.npz"
    raw = bytearray(newest.read_bytes())
    raw[200] ^= 1
    contents = {"truncated": newest.read_bytes()[:-30], "empty": b"", "flipped": bytes(raw), "text": b"hello"}
    newest.write_bytes(contents[damage])
    arrays, damaged = run.load_checkpoint()
    assert arrays["weights"][0] == 5
    assert damaged == [newest]


def test_status_is_derived_from_files(run):
    assert run.status == "interrupted"
    run.fail("diverged")
    assert run.status == "failed"
    with run.lock():
        assert run.status == "running"
    for path in (run.metrics_csv, run.reconstructions_npz, run.weights / "last.npz"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run.finish({"format": 1})
    assert run.status == "finished"
    assert not run.failure_json.exists()


def test_one_process_at_a_time(run):
    with run.lock(), pytest.raises(RunError, match="another process is training this run"), run.lock():
        pass
    with run.lock():
        pass  # it was given back


def test_the_lock_of_a_killed_process_is_free(run):
    code = f"""
import os, signal
from pathlib import Path
from vaecli.runs import Run
with Run(Path({str(run.path)!r})).lock():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert run.status == "interrupted"
    with run.lock():
        pass


def test_an_unfinished_run_has_no_summary_and_no_figures(run):
    for ask in (lambda: run.summary, run.reconstructions):
        with pytest.raises(RunError, match=r"not finished \(interrupted\)"):
            ask()


def test_a_run_of_a_newer_format_is_refused(run):
    info = json.loads(run.run_json.read_text())
    run.run_json.write_text(json.dumps(info | {"format": 2}))
    with pytest.raises(RunError, match="not of this version"):
        _ = run.info


def test_clear_keeps_the_lock_alone(run):
    run.save_checkpoint({"x": np.zeros(1)}, step=1)
    with run.lock():
        run.clear()
        assert os.listdir(run.path) == [".lock"]


def test_summary_holds_the_digests_of_its_files(finished_run):
    import hashlib

    files = finished_run.summary["files"]
    assert files.keys() == {"config.yaml", "metrics.csv", "reconstructions.npz", "weights/last.npz"}
    for name, digest in files.items():
        assert hashlib.sha256((finished_run.path / name).read_bytes()).hexdigest() == digest
