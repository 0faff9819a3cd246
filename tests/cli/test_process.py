"""The command as a process of its own: streams, signals, exit codes."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from helpers import copied
from vaecli.runs import all_runs

VAECLI = [sys.executable, "-m", "vaecli"]
SMALL = ["--set", "data=digits", "--set", "network.hidden=[16]", "--set", "training.compile=graph"]
TRAIN = [*VAECLI, "train", "--config", "gumbel", *SMALL]
LONG = [*TRAIN, "--epochs", "100000"]


def start(command, folder, **options):
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, **options
    )


def until(stream, text):
    """Lines of the stream up to the one with the text."""
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"never said {text!r}: {lines}")


def weights(run):
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def test_in_a_pipe_there_is_one_clean_line_per_epoch(tmp_path):
    done = subprocess.run([*TRAIN, "--epochs", "3"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("epoch "))
    assert [line.split()[0] for line in lines[header + 1 : header + 4]] == ["1/3", "2/3", "3/3"]
    assert not {"\x1b", "\r", "\b"} & set(done.stderr)
    assert len(done.stdout.splitlines()) == 1


def test_tensorflow_speaks_into_its_log_alone(tmp_path):
    done = subprocess.run([*TRAIN, "--epochs", "1", "--quiet"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    (run,) = all_runs(tmp_path / "outputs")
    assert run.tensorflow_log.exists()


def test_something_is_said_before_tensorflow_is_imported(tmp_path):
    """The first line comes while the module of TensorFlow is still one that cannot be imported."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tensorflow.py").write_text("raise SystemExit(77)")
    first = {**os.environ, "PYTHONPATH": str(tmp_path / "modules")}
    done = subprocess.run([*TRAIN, "--epochs", "1"], cwd=tmp_path, capture_output=True, text=True, env=first)
    assert done.returncode == 77
    assert done.stderr.startswith("vaecli train: reading gumbel\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number, code):
    with start(LONG, tmp_path) as process:
        until(process.stderr, " 2/")
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == code
    assert "stopped and saved at epoch" in said
    assert "the same command resumes" in said
    (run,) = all_runs(tmp_path / "outputs")
    assert run.status == "interrupted"
    assert any(arrays for _, arrays in run.states())


def test_interrupted_and_resumed_a_run_has_the_bits_of_one_that_was_not(tmp_path, finished):
    command = [*TRAIN, "--epochs", "150"]
    with start(command, tmp_path) as process:
        until(process.stderr, " 1/")
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "resuming after" in again.stderr
    (run,) = all_runs(tmp_path / "outputs")
    assert weights(run) == weights(finished("gumbel", epochs=150))


def test_a_killed_run_is_interrupted_and_not_running(tmp_path):
    with start(LONG, tmp_path) as process:
        until(process.stderr, " 1/")
        (run,) = all_runs(tmp_path / "outputs")
        assert run.status == "running"
        second = subprocess.run(LONG, cwd=tmp_path, capture_output=True, text=True)
        process.kill()
    assert second.returncode == 1
    held = rf"{run.path.name}: another process is training this run: pid {process.pid} on \S+ since \d{{4}}-"
    assert re.search(held, second.stderr)
    assert run.status == "interrupted"


def test_a_reader_that_goes_away_does_not_end_the_training(tmp_path):
    read, write = os.pipe()
    process = subprocess.Popen([*TRAIN, "--epochs", "2"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=write)
    os.close(write)
    os.read(read, 10)
    os.close(read)
    assert process.wait() == 0
    (run,) = all_runs(tmp_path / "outputs")
    assert run.finished


def on_a_terminal(command, folder, **environment):
    """What a terminal would show, and the exit code."""
    terminal, inside = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        command, cwd=folder, stdout=inside, stderr=inside, stdin=inside, env={**inherited, **environment}
    )
    os.close(inside)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # Linux says so when the last writer has closed
            break
    os.close(terminal)
    return shown.decode(os.environ.get("PYTHONIOENCODING") or "utf-8"), process.wait()


def on_screen(shown):
    """The lines that stay: what a carriage return or an escape code has removed is gone."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        *_, last = re.sub(r"\r\x1b\[J", "\r\0", line).split("\r")
        lines.append(last.replace("\0", ""))
    return lines


@pytest.mark.parametrize(
    ("environment", "bar", "coloured"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_gets_a_bar_with_loss_and_speed_that_does_not_stay(tmp_path, environment, bar, coloured):
    shown, code = on_a_terminal([*TRAIN, "--epochs", "200"], tmp_path, **environment)
    assert code == 0
    assert ("images/s" in shown) == bar
    assert "200/200  " in shown
    assert "nan" not in shown
    assert ("\x1b[3" in shown) == coloured  # a foreground colour
    assert ("\x1b" in shown) == coloured
    assert [line for line in on_screen(shown) if "images/s" in line] == []


def test_a_terminal_is_told_of_a_failure_once(tmp_path):
    command = [*VAECLI, "compare", "gumbel", *TRAIN[6:], "--set", "training.learning_rate=1e30", "--epochs", "1"]
    shown, code = on_a_terminal(command, tmp_path, TERM="xterm")
    assert code == 3
    assert shown.count("diverged in epoch 1") == 1


def test_nothing_heavy_is_imported_before_the_first_line(tmp_path):
    code = (
        "import sys\n"
        "from vaecli.terminal.console import Console\n"
        "say = Console.say\n"
        "def first(self, line=''):\n"
        "    print(sorted({'tensorflow', 'keras', 'numpy', 'matplotlib', 'sklearn'} & set(sys.modules)))\n"
        "    raise SystemExit\n"
        "Console.say = first\n"
        "sys.argv = ['vaecli', 'train', '--config', 'gumbel']\n"
        "from vaecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_python_m_vaecli_is_vaecli():
    done = subprocess.run([*VAECLI, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: vaecli ")


def test_a_closed_stderr_does_not_end_the_training(tmp_path):
    command = " ".join(f"'{part}'" for part in [*TRAIN, "--epochs", "1"])
    assert subprocess.run(f"{command} 2>&-", cwd=tmp_path, shell=True, stdout=subprocess.DEVNULL).returncode == 0
    (run,) = all_runs(tmp_path / "outputs")
    assert run.finished


ABORTING = """
import importlib.abc, os, sys

class Aborting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tensorflow":
            os.write(2, b"F0000 00:00:1.5  42 a.cc:1] Check failed: 1 == 2\\n")
            os.abort()

sys.meta_path.insert(0, Aborting())
"""


def test_a_native_abort_is_told_kept_shown_and_told_again_by_the_next_training(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(ABORTING)  # Python imports it in every process
    path = os.pathsep.join([str(tmp_path / "first"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    failed = subprocess.run(
        [*TRAIN, "--epochs", "1"], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300
    )
    words = "a.cc:1] Check failed: 1 == 2"
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-1].endswith(words)
    (run,) = all_runs(tmp_path / "outputs")
    assert "ended outside Python" in run.failure
    shown = subprocess.run([*VAECLI, "show", run.name], cwd=tmp_path, capture_output=True, text=True)
    assert words in shown.stdout
    compared = subprocess.run(
        [*VAECLI, "compare", run.name], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300
    )
    assert compared.returncode == 3
    assert any(
        line.startswith(f"{run.name}: failed: ") and line.endswith(words) for line in compared.stderr.splitlines()
    )
    again = subprocess.run([*TRAIN, "--epochs", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0
    assert "failed before: " in again.stderr
    assert run.failure is None


def test_a_killed_run_whose_log_has_last_words_is_shown_with_them(tmp_path, finished):
    run = copied(finished("gumbel"), tmp_path / "outputs")
    run.summary_json.unlink()
    with run.tensorflow_log.open("a") as log:
        log.write("F0000 00:00:1.5  42 a.cc:1] Check failed: 1 == 2\n")
    shown = subprocess.run([*VAECLI, "show", run.name], cwd=tmp_path, capture_output=True, text=True)
    assert "ended outside Python: a.cc:1] Check failed: 1 == 2" in shown.stdout


@pytest.mark.parametrize("command", ["list", "compare", "train"])
def test_a_working_directory_that_was_removed_is_one_line(tmp_path, command):
    gone = tmp_path / "gone"
    gone.mkdir()
    arguments = {"list": [], "compare": ["gumbel", *TRAIN[6:]], "train": TRAIN[4:]}[command]
    code = f"import os, shutil, sys; shutil.rmtree(os.getcwd()); sys.argv = ['vaecli', *{[command, *arguments]!r}]\n"
    code += "from vaecli.cli import main\nmain()\n"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=gone, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.returncode in ((0,) if command == "list" else (1, 2))


HOSTILE = {
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "koi8-r",
    "XLA_FLAGS": "--xla_no_such_flag=1",
    "TF_XLA_FLAGS": "--no_such_flag=1",
    "KERAS_HOME": "keras-home",
    "MPLBACKEND": "no_such_backend",
}
SHADOWS = ("random", "keras", "typing", "numpy", "tensorflow", "yaml", "matplotlib", "secrets", "tempfile")


@pytest.mark.parametrize("command", [["compare", "gumbel", "vae", "--jobs", "2"], ["train", "--config", "gumbel"]])
def test_nothing_of_the_users_environment_has_a_say(tmp_path, command):
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"open('{name} was executed', 'w')\n")
    (tmp_path / "matplotlibrc").write_text("image.origin: lower\naxes.facecolor: black\n")
    (tmp_path / "keras-home").mkdir()
    (tmp_path / "keras-home" / "keras.json").write_text('{"floatx": "float16", "image_data_format": "channels_first"}')
    environment = {name: value for name, value in os.environ.items() if name != "HOME"} | HOSTILE
    done = subprocess.run(
        [*VAECLI, *command, *SMALL, "--epochs", "1"], cwd=tmp_path, capture_output=True, env=environment, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert not list(tmp_path.glob("*executed"))
    runs = all_runs(tmp_path / "outputs")
    assert all(run.finished for run in runs)
    assert {array.dtype.name for array in runs[0].load_weights().values()} == {"float32"}


@pytest.mark.parametrize("arguments", [["methods"], ["check", "gumbel"], ["--help"], ["--version"], ["data"]])
def test_a_full_stdout_is_one_line_and_a_closed_one_none(tmp_path, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*VAECLI, *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "standard output: cannot be written (No space left on device)"
    assert "Traceback" not in done.stderr
    command = " ".join(f"'{part}'" for part in [*VAECLI, *arguments])
    closed = subprocess.run(f"{command} >&-", cwd=tmp_path, shell=True, stderr=subprocess.PIPE, text=True)
    assert (closed.returncode, "Traceback" in closed.stderr) == (0, False)


def test_a_full_stderr_changes_no_exit_code(tmp_path):
    with open("/dev/full", "w") as full:
        assert subprocess.run([*VAECLI, "check", "nowhere"], cwd=tmp_path, stderr=full).returncode == 2
        assert subprocess.run([*VAECLI, "data"], cwd=tmp_path, stderr=full, stdout=subprocess.PIPE).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ["check", "NAME"],
        ["train", "--config", "gumbel", "--output-dir", "NAME"],
        ["data", "--data-dir", "NAME"],
        ["compare", "gumbel", "--set", "data={name: npz, path: NAME}", "--dry-run"],
        ["show", "NAME"],
        ["init", "gumbel", "-o", "no/NAME"],
    ],
)
def test_a_name_that_is_no_text_is_one_line(tmp_path, command):
    words = [os.fsencode(word).replace(b"NAME", b"a\xffb") for word in [*VAECLI, *command]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.isascii()
