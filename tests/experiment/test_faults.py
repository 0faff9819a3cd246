"""Whatever happens while training: one clear line, nothing saved is lost, the same command ends with the same bits."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import OFTEN, Silent, metrics, place_of, small_config, train, weights
from vaecli.data.digits import digits
from vaecli.errors import Interrupted, RunFailed
from vaecli.experiment import memory
from vaecli.runs import Run
from vaecli.runs.files import PART
from vaecli.training import trainer

CRASH = Path(__file__).parents[1] / "crash.py"


def test_killed_between_any_two_writes_a_run_ends_with_the_bits_of_one_that_was_not(finished, tmp_path):
    """A real SIGKILL at every twelfth new place; `tests/benchmarks/kills.py` does it at random moments."""
    command = [sys.executable, str(CRASH), str(tmp_path), "gumbel", "12"]
    deaths = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(deaths) >= 4
    assert len({place.split()[0] for place in deaths}) >= 2
    (path,) = tmp_path.iterdir()
    run = Run(path)
    assert run.status == "finished"
    assert weights(run) == weights(finished("gumbel"))
    assert metrics(run) == metrics(finished("gumbel"))
    assert len(run.info["history"]) >= len(deaths) - 3  # a death before run.json is written leaves no session
    assert not list(path.rglob(f"{PART}*"))


@pytest.fixture
def full_disk(monkeypatch):
    """Every write fails once: the first time at each place, after which there is room."""
    refused = []

    def refuse(call, path):
        place = place_of(call, path)
        if place not in refused:
            refused.append(place)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def path_of(handle):
        return os.readlink(f"/proc/self/fd/{handle}")

    fsync, replace, write = os.fsync, os.replace, os.write
    monkeypatch.setattr(os, "fsync", lambda handle: refuse("fsync", path_of(handle)) or fsync(handle))
    monkeypatch.setattr(os, "replace", lambda part, path: refuse("replace", path) or replace(part, path))
    monkeypatch.setattr(os, "write", lambda handle, raw: refuse("write", path_of(handle)) or write(handle, raw))
    return refused


@pytest.mark.drawn
def test_a_disk_that_is_full_at_every_write_one_after_another(finished, tmp_path, request):
    """Each time it is one line and a failed run; each time the same command goes on once there is room."""
    finished("vae")  # which other tests read: trained while there is room
    full_disk = request.getfixturevalue("full_disk")
    lines, run = [], None
    while run is None:
        try:
            run = train(small_config("vae"), tmp_path)
        except RunFailed as error:
            lines.append(error.lines)
            assert Run(next(tmp_path.iterdir())).status in ("failed", "interrupted")
    assert all(len(line) == 1 for line in lines)
    assert {line.rpartition(": ")[2] for (line,) in lines} == {"cannot be written (No space left on device)"}
    files = {name for _, name in full_disk}
    assert {"config.yaml", "run.json", "metrics.csv", "train.log", "last.npz", "model.keras", "loss.png"} <= files
    assert weights(run) == weights(finished("vae"))
    assert metrics(run) == metrics(finished("vae"))
    assert not list(run.path.rglob(f"{PART}*"))
    assert run.failure is None


def test_a_disk_that_is_full_while_a_run_is_extended_is_one_line(finished, tmp_path, request):
    short = finished("vae").path
    shutil.copytree(short, tmp_path / short.name)
    request.getfixturevalue("full_disk")  # not while the short one was trained
    with pytest.raises(RunFailed, match=r"/weights/epoch-00000\.npz: cannot be written \(No space left on device\)$"):
        train(small_config("vae", epochs=3), tmp_path)
    assert weights(Run(tmp_path / short.name)) == weights(finished("vae"))


def test_a_limit_on_the_size_of_files_is_one_line_and_exit_code_1(finished, tmp_path):
    """The system's own refusal, also to libraries that write by themselves."""
    config = finished("gumbel").config_yaml
    command = [sys.executable, "-m", "vaecli", "train", "--config", str(config), "--output-dir", str(tmp_path), "-q"]
    size = max(path.stat().st_size for path in finished("gumbel").checkpoints.iterdir())
    assert size > 4 * finished("gumbel").run_json.stat().st_size

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    failed = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.endswith(": cannot be written (File too large)\n")
    (path,) = tmp_path.iterdir()
    assert Run(path).status == "failed"
    assert Run(path).failure + "\n" == failed.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    assert weights(Run(path)) == weights(finished("gumbel"))


class Meddling(Silent):
    """A reporter that does something at the end of the first epoch."""

    def __init__(self, meddle):
        super().__init__()
        self.meddle = meddle

    def epoch(self, row, epochs):
        super().epoch(row, epochs)
        if len(self.rows) == 1:
            self.meddle()


def test_a_folder_removed_while_training_is_one_line_and_stays_removed(tmp_path):
    reporter = Meddling(lambda: shutil.rmtree(next(tmp_path.iterdir())))
    with pytest.raises(RunFailed, match=r"cannot be written any more \(No such file or directory\)"):
        train(small_config("vae", extra_training=OFTEN), tmp_path, reporter=reporter)
    assert list(tmp_path.iterdir()) == []


def test_a_permission_lost_while_training_is_one_line_and_loses_nothing(finished, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as lost:
        reporter = Meddling(lambda: lost.setattr("vaecli.runs.files._new_part", denied))
        with pytest.raises(RunFailed, match=r"step-\d+\.npz: cannot be written \(Permission denied\)"):
            train(small_config("vae", extra_training=OFTEN), tmp_path, reporter=reporter)
    run = train(small_config("vae"), tmp_path)
    assert weights(run) == weights(finished("vae"))
    assert metrics(run) == metrics(finished("vae"))


@pytest.mark.parametrize("error", [MemoryError(), type("ResourceExhaustedError", (Exception,), {})("OOM when ...")])
def test_memory_that_runs_out_is_one_line(error, tmp_path, monkeypatch):
    def exhausted(*_):
        raise error

    monkeypatch.setattr(trainer.Trainer, "_call", exhausted)
    with pytest.raises(RunFailed) as failed:
        train(small_config("vae"), tmp_path)
    (path,) = tmp_path.iterdir()
    assert failed.value.lines == (f"{path}: out of memory; {memory.way_out(small_config('vae'), digits())}",)
    assert Run(path).failure == failed.value.lines[0]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(5, "Input/output error", "/data/x"), "/data/x: Input/output error"),
        (OSError(5, "Input/output error"), "RUN: Input/output error"),
        (OSError("something else"), "RUN: something else"),
    ],
)
def test_what_the_system_refuses_is_one_line(error, line, tmp_path, monkeypatch):
    def refused(*_):
        raise error

    monkeypatch.setattr(trainer.Trainer, "_call", refused)
    with pytest.raises(RunFailed) as failed:
        train(small_config("vae"), tmp_path)
    (path,) = tmp_path.iterdir()
    assert failed.value.lines == (line.replace("RUN", str(path)),)


def test_our_own_mistakes_keep_their_traceback_in_the_log(tmp_path, monkeypatch):
    def wrong(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(trainer.Trainer, "_call", wrong)
    with pytest.raises(ZeroDivisionError):
        train(small_config("vae"), tmp_path)
    (path,) = tmp_path.iterdir()
    assert "Traceback (most recent call last)" in Run(path).train_log.read_text()
    assert Run(path).failure == "ZeroDivisionError: ours; see train.log"


def test_a_run_that_failed_and_is_stopped_later_is_interrupted(tmp_path, monkeypatch):
    with monkeypatch.context() as once:
        once.setattr(trainer.Trainer, "_call", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(RunFailed):
            train(small_config("vae"), tmp_path)
    (path,) = tmp_path.iterdir()
    assert Run(path).status == "failed"
    with pytest.raises(Interrupted):
        train(small_config("vae"), tmp_path, stop=lambda: 130)
    assert Run(path).status == "interrupted"
