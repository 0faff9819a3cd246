import os
import signal
import subprocess
import sys
import time

import pytest

from vaecli.errors import Interrupted
from vaecli.terminal.signals import Stop

# A call into C that takes minutes and releases the interpreter, as a compiled training loop does.
BUSY = """
import hashlib
from vaecli.terminal.signals import Stop
with Stop() as stop:
    stop()
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


def test_the_first_signal_is_remembered_until_the_loop_asks():
    with Stop() as stop:
        assert stop() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() == 143


def receive(*numbers, training):
    """A program that is sent the signals one after another, and would go on for a while."""
    with Stop() as stop:
        if training:
            stop()
        for number in numbers:
            os.kill(os.getpid(), number)
        time.sleep(5)


def test_before_training_a_signal_stops_at_once():
    with pytest.raises(Interrupted, match="before training began") as error:
        receive(signal.SIGINT, training=False)
    assert error.value.exit_code == 130


def test_a_second_signal_stops_without_saving():
    with pytest.raises(Interrupted, match="without saving again") as error:
        receive(signal.SIGINT, signal.SIGTERM, training=True)
    assert error.value.exit_code == 143


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_even_a_compiled_call(number, code):
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # the first one waits for the call
        process.send_signal(number)
        assert process.wait(30) == code


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stop():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_once_nobody_asks_a_signal_interrupts_at_once_and_a_forgotten_one_too():
    def reported(*numbers, before):
        with Stop() as stop:
            stop()
            if before:
                os.kill(os.getpid(), numbers[0])
            stop.at_once("stopped before the report")
            os.kill(os.getpid(), numbers[0])
            time.sleep(5)

    for before in (True, False):
        with pytest.raises(Interrupted, match="stopped before the report") as error:
            reported(signal.SIGTERM, before=before)
        assert error.value.exit_code == 143


# A command that takes some time for its imports, or to leave, when the signals come.
SLOW_START = """
import builtins, os, signal, sys
before = builtins.__import__
def slow(name, *rest):
    if name == "vaecli.cli.app":
        os.kill(os.getpid(), signal.NUMBER)
    return before(name, *rest)
builtins.__import__ = slow
sys.argv = ["vaecli", "list"]
from vaecli.cli import main
main()
"""
SLOW_END = """
import os, signal, sys
from vaecli.cli import main
from vaecli.terminal.signals import Stop
from vaecli.launch import asked, drive
def leaving(*arguments, **options):
    with drive.open_launch(__import__("pathlib").Path("outputs")):
        os.kill(os.getpid(), signal.NUMBER)
        import time; time.sleep(5)
asked.ask = leaving
after = Stop.__exit__
def twice(self, *arguments):
    try:
        after(self, *arguments)
    finally:
        os.kill(os.getpid(), signal.NUMBER)
Stop.__exit__ = twice
sys.argv = ["vaecli", "compare", "gumbel"]
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("program", [SLOW_START, SLOW_END], ids=["while it imports", "twice while it leaves"])
def test_whenever_a_signal_comes_the_exit_code_is_its_own_and_nothing_is_left(tmp_path, program, name, code):
    source = program.replace("NUMBER", name)
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/*"))


def test_what_nohup_ignores_stays_ignored(tmp_path):
    source = SLOW_START.replace("NUMBER", "SIGHUP")
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    done = subprocess.run([sys.executable, "-c", ignoring + source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
