import errno
import fcntl
import json
import os
import platform
import subprocess
import sys

import pytest

from vaecli.errors import RunFailed
from vaecli.runs.lock import Lock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / ".lock"


def killed_while_holding(path):
    """The pid of a process that took the lock and died of SIGKILL."""
    code = f"""
import os, signal
from pathlib import Path
from vaecli.runs.lock import Lock
with Lock(Path({str(path)!r})).held():
    print(os.getpid(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert done.returncode == -9
    return int(done.stdout)


def test_the_second_is_told_who_holds_it(path):
    here = rf"another process is training this run: pid {os.getpid()} on {platform.node()} since 20\d\d-"
    with Lock(path).held(), pytest.raises(RunFailed, match=here), Lock(path).held():
        pass


def test_it_is_given_back_whatever_happens_inside(path):
    with pytest.raises(KeyError), Lock(path).held():
        raise KeyError
    with Lock(path).held() as before:
        assert before is None


def test_a_dead_process_holds_nothing_and_is_named(path):
    pid = killed_while_holding(path)
    assert json.loads(path.read_text())["pid"] == pid
    assert not Lock(path).held_elsewhere()
    with Lock(path).held() as before:
        assert before.startswith(f"pid {pid} on ")


def test_held_elsewhere_is_asked_without_taking_it(path):
    assert not Lock(path).held_elsewhere()
    with Lock(path).held():
        assert Lock(path).held_elsewhere()
    assert not Lock(path).held_elsewhere()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_mistake_in_what_was_asked(path, monkeypatch, number):
    def full(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(RunFailed, match=rf"run: cannot be written \({os.strerror(number)}\)$"), Lock(path).held():
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', "\x00" * 5000])
def test_what_the_file_says_does_not_decide(path, content):
    path.parent.mkdir()
    path.write_text(content)
    with Lock(path).held() as before:
        assert before is None


def test_a_file_system_without_locks_is_one_line(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunFailed, match=r"no locks \(No locks available\)"), Lock(path).held():
        pass
