"""`vaecli compare` with worker processes: killed, interrupted, and those of a cluster that was started by hand."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from vaecli.config import read_config
from vaecli.runs import Run, all_runs

VAECLI = [sys.executable, "-m", "vaecli"]
SMALL = ["--set", "data=digits", "--set", "network.hidden=[16]", "--set", "training.compile=graph"]
COMPARE = [*VAECLI, "compare", "gumbel", "vqvae", *SMALL, "--format", "json"]
EPOCHS = 150


def start(command, folder, **environment):
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def beats(folder):
    """What the running tasks have told: (run, its process), of those that are in their training."""
    found = {}
    for path in folder.glob("outputs/.launch-*/*.json"):
        beat = json.loads(path.read_text())
        if beat["loss"] is not None:
            found[path.stem] = beat["pid"]
    return found


def until(found, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"never came: {process.communicate()}")


def weights(run):
    return {name: array.tobytes() for name, array in run.load_weights().items()}


@pytest.fixture(scope="module")
def alone(once):
    """The weights of both runs, each trained in one go in a process of the tests."""
    settings = [*SMALL[1::2], f"training.epochs={EPOCHS}"]
    runs = [once(read_config(method, settings)) for method in ("gumbel", "vqvae")]
    return {run.name: weights(run) for run in runs}


def test_a_killed_worker_loses_nothing(tmp_path, alone):
    process = start([*COMPARE, "--epochs", str(EPOCHS), "--jobs", "2"], tmp_path)
    name, pid = next(iter(until(lambda: beats(tmp_path), process).items()))
    os.kill(pid, signal.SIGKILL)
    stdout, said = process.communicate()
    assert process.returncode == 0
    assert f"{name}: its worker is gone" in said
    assert [row["runs"] for row in json.loads(stdout)] == [1, 1]
    assert {run.name: weights(run) for run in all_runs(tmp_path / "outputs")} == alone
    assert not list(tmp_path.glob("outputs/.launch-*"))


def test_ctrl_c_saves_what_runs_and_the_same_command_goes_on(tmp_path, alone):
    command = [*COMPARE, "--epochs", str(EPOCHS), "--jobs", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: beats(tmp_path), process)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to every process of the group
    stdout, said = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    assert said.splitlines()[-1] == "stopped and saved; the same command resumes"
    assert "Traceback" not in said
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    assert {run.name: weights(run) for run in all_runs(tmp_path / "outputs")} == alone


def test_a_cluster_started_by_hand_gives_the_same_bits_whatever_warnings_are_there(tmp_path, alone):
    dask = [sys.executable, "-m", "dask"]
    file = tmp_path / "scheduler.json"
    scheduler = start([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                       "--scheduler-file", str(file)], tmp_path)  # fmt: skip
    until(file.exists, scheduler)
    worker = start([*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"], tmp_path,
                   PYTHONWARNINGS="error")  # fmt: skip
    try:
        command = [*COMPARE, "--epochs", str(EPOCHS), "--scheduler", str(file)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.communicate()
    assert done.returncode == 0, done.stderr
    assert {run.name: weights(run) for run in all_runs(tmp_path / "outputs")} == alone
    hosts = {run.info["host"] for run in all_runs(tmp_path / "outputs")}
    assert len(hosts) == 1


def test_a_run_that_another_process_trains_is_waited_for_and_taken_over(tmp_path, alone):
    name = next(name for name in alone if name.startswith("vqvae"))
    run = Run(tmp_path / "outputs" / name)
    command = [*VAECLI, "compare", "vqvae", *SMALL, "--epochs", str(EPOCHS), "--format", "json"]
    waits = f"{name}: is being trained by pid {os.getpid()} on "
    with run.lock():
        stopped = start(command, tmp_path)
        until(lambda: waits in (stopped.stderr.readline()), stopped)
        stopped.send_signal(signal.SIGINT)
        assert stopped.wait(10) == 130
        taking = start(command, tmp_path)
        until(lambda: waits in (taking.stderr.readline()), taking)
    stdout, said = taking.communicate()
    assert taking.returncode == 0, said
    assert [row["runs"] for row in json.loads(stdout)] == [1]
    assert weights(run) == alone[name]


def test_a_signal_ends_the_wait_for_workers_that_never_come(tmp_path):
    file = tmp_path / "scheduler.json"
    scheduler = start([sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0",
                       "--no-dashboard", "--scheduler-file", str(file)], tmp_path)  # fmt: skip
    until(file.exists, scheduler)
    try:
        process = start([*COMPARE, "--epochs", "2", "--scheduler", str(file)], tmp_path)
        until(lambda: "waiting for workers at tcp://127.0.0.1:" in process.stderr.readline(), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
        said = process.stderr.read()
    finally:
        scheduler.terminate()
        scheduler.communicate()
    assert said == "stopped and saved; the same command resumes\n"
    assert not list(tmp_path.glob("outputs/*"))
