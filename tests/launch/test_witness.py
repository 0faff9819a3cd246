"""What native code says when it ends a process: found in the log, told, and kept as the run's failure."""

import os
import subprocess
import sys

import pytest

from helpers import small_config
from vaecli.backend.process import chatter, last_words, python
from vaecli.data import load
from vaecli.experiment.plan import plan_run
from vaecli.launch.witness import record_death, witnessed
from vaecli.runs import Run

ABSL = "F0000 00:00:1795613433.909176    4849 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --no_such=1"
DEATHS = {
    ABSL: "parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --no_such=1",
    "2026-11-25 13:30:33.90: F external/xla/shape.cc:9] Check failed: a == b (1 vs. 2)": (
        "external/xla/shape.cc:9] Check failed: a == b (1 vs. 2)"
    ),
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    "Fatal Python error: Aborted\n\nThread 0x7f (most recent call first):": "what():  std::bad_alloc",
    "double free or corruption (!prev)\nFatal Python error: Aborted\n": "double free or corruption (!prev)",
    "a library's last line\nI0000 00:00:1 1 a.cc:1] fine\nFatal Python error: Aborted\n": "a library's last line",
    "I0000 00:00:1 1 a.cc:1] fine\nFatal Python error: Segmentation fault\n\nCurrent thread": (
        "Fatal Python error: Segmentation fault"
    ),
    "Fatal Python error: Illegal instruction\n": "Fatal Python error: Illegal instruction",
    "LLVM ERROR: out of \x1b[31mmemory\n": "LLVM ERROR: out of ?[31mmemory",
    "E0000 00:00:1 1 cuda.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n": None,
    "": None,
}


@pytest.mark.parametrize(("written", "words"), DEATHS.items())
def test_the_last_words_of_a_log_are_those_that_native_code_died_with(tmp_path, written, words):
    log = tmp_path / "tensorflow.log"
    log.write_text(f"WARNING: All log messages before absl\n{written}")
    assert last_words(log) == words


def test_last_words_are_of_the_newest_session_and_of_what_is_new(tmp_path):
    log = tmp_path / "tensorflow.log"
    log.write_text(f"{ABSL}\n")
    assert last_words(log)
    assert last_words(log, since=log.stat().st_size) is None
    with chatter(log):
        pass
    assert last_words(log) is None
    assert last_words(tmp_path / "none.log") is None


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("os.abort()", "Fatal Python error: Aborted"),
        ("ctypes.string_at(0)", "Fatal Python error: Segmentation fault"),
        ("os.kill(os.getpid(), signal.SIGILL)", "Fatal Python error: Illegal instruction"),
        ("os.write(2, b'what():  none\\n'); os._exit(1)", "what():  none"),
    ],
)
def test_a_process_that_dies_in_native_code_leaves_its_last_words(tmp_path, end, words):
    log = tmp_path / "log"
    code = (
        "import ctypes, os, pathlib, signal\n"
        "from vaecli.backend.process import chatter\n"
        f"with chatter(pathlib.Path({str(log)!r})): {end}\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode
    assert last_words(log) == words


@pytest.fixture
def begun(tmp_path):
    """A run whose folder is there, and no training in it."""
    config = small_config("gumbel")
    run = plan_run(config, load(config.data), tmp_path).run
    run.path.mkdir()
    return run


def test_a_death_is_the_failure_of_its_run(begun):
    assert record_death(begun) is None
    assert begun.failure is None
    begun.tensorflow_log.write_text(f"{ABSL}\n")
    reason = record_death(begun)
    assert reason == f"{begun.path}: ended outside Python: {DEATHS[ABSL]}"
    assert begun.failure == reason
    assert reason in begun.train_log.read_text()


def test_a_run_that_is_trained_again_is_not_called_failed(begun):
    begun.tensorflow_log.write_text(f"{ABSL}\n")
    with begun.lock():
        record_death(Run(begun.path))
    assert begun.failure is None


def watched(run, end):
    """What a terminal shows of a training that ends in this way."""
    code = (
        "import os, pathlib, sys\n"
        "from vaecli.backend.process import chatter\n"
        "from vaecli.launch.witness import witnessed\n"
        "from vaecli.runs import Run\n"
        f"run = Run(pathlib.Path({str(run.path)!r}))\n"
        "terminal = os.fdopen(os.dup(2), 'w')\n"
        f"with witnessed(run.path, run.tensorflow_log, terminal), chatter(run.tensorflow_log):\n    {end}\n"
    )
    return subprocess.run(python(code), capture_output=True, text=True).stderr


@pytest.mark.parametrize("end", [f"os.write(2, b'{ABSL}\\n'); os._exit(1)", f"os.write(2, b'{ABSL}\\n'); os.abort()"])
def test_a_witness_tells_and_records_what_the_process_could_not(begun, end):
    assert watched(begun, end) == f"{begun.path}: ended outside Python: {DEATHS[ABSL]}\n"
    assert DEATHS[ABSL] in begun.failure


@pytest.mark.parametrize("end", ["pass", "os._exit(130)", "os.kill(os.getpid(), 9)"])
def test_a_witness_of_any_other_end_is_silent(begun, end):
    assert watched(begun, end) == ""
    assert begun.failure is None


def test_where_there_is_no_stream_a_training_goes_on_without_a_witness(begun, capsys):
    with witnessed(begun.path, begun.tensorflow_log, sys.stdout):  # of the tests, which no process can write to
        os.getpid()
    assert capsys.readouterr().err == ""
