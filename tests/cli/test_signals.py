import os
import signal
import subprocess
import sys
import time

import pytest

from vaecli.cli.signals import Stop
from vaecli.errors import Interrupted

# A call into C that takes minutes and releases the interpreter, as a compiled training loop does.
BUSY = """
import hashlib
from vaecli.cli.signals import Stop
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
