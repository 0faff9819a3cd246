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


@pytest.fixture(params=["ENOLCK", "ENOTSUP", "ENOSYS", "EINVAL"])
def without_locks(monkeypatch, request):
    """The answers of CIFS, FUSE or NFS without its lock daemon."""

    def refuse(*_):
        raise OSError(getattr(errno, request.param), "no such thing")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_without_locks_the_name_of_the_holder_keeps_others_out(path, without_locks):
    lock = Lock(path)
    assert not lock.held_elsewhere()
    with lock.held() as before:
        assert before is None
        assert lock.by_name
        assert Lock(path).held_elsewhere()
        with pytest.raises(RunFailed, match=f"another process is training this run: pid {os.getpid()} on "):
            Lock(path).held().__enter__()
    assert not lock.held_elsewhere()


def test_without_locks_a_dead_process_holds_nothing_and_is_named(path, without_locks):
    pid = killed_while_holding(path)
    assert not Lock(path).held_elsewhere()
    with Lock(path).held() as before:
        assert before.startswith(f"pid {pid} on ")


def test_without_locks_another_process_with_the_number_of_a_dead_one_is_not_it(path, without_locks):
    path.parent.mkdir()
    holder = {"pid": os.getpid(), "host": platform.node(), "since": "then", "started": "12"}
    path.write_text(json.dumps(holder))
    assert not Lock(path).held_elsewhere()
    path.write_text(json.dumps({**holder, "pid": 2**70}))
    assert not Lock(path).held_elsewhere()


def test_without_locks_a_process_on_another_host_counts_as_living_and_the_line_says_the_way_out(path, without_locks):
    path.parent.mkdir()
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "then"}))
    assert Lock(path).held_elsewhere()
    with pytest.raises(RunFailed, match=rf"pid 1 on elsewhere since then; if it is not, remove {path}$"):
        Lock(path).held().__enter__()
    path.unlink()
    assert not Lock(path).held_elsewhere()


def test_a_lock_that_goes_wrong_is_one_line(path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(RunFailed, match=r"\.lock: cannot be locked \(Input/output error\)"), Lock(path).held():
        pass
