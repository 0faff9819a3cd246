"""Worker processes that die, are renewed, cannot be started, or are told to give up."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from vaecli.errors import Interrupted, RunFailed
from vaecli.launch import pool as module
from vaecli.launch.pool import Pool
from vaecli.launch.worker import RENEWED


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """`pool(size)`: its workers import little, and a death is answered at once."""
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.01))
    opened = []

    def new(size=1, **options):
        opened.append(Pool(size, tmp_path, **options))
        return opened[-1]

    yield new
    for one in opened:
        one.shutdown()


def ends_in(folder, *ends):
    """Code that ends its process in one way after another, as often as it is called, and then in no way."""
    return (
        "import os, pathlib, signal\n"
        f"calls = pathlib.Path({str(folder / 'calls')!r})\n"
        "with calls.open('a') as file: file.write('.')\n"
        f"ends = {ends!r}\n"
        "number = calls.stat().st_size - 1\n"
        "if number < len(ends): exec(ends[number])\n"
    )


KILL, ABORT, SEGV = (f"os.kill(os.getpid(), signal.{name})" for name in ("SIGKILL", "SIGABRT", "SIGSEGV"))


def test_a_task_whose_worker_dies_is_done_by_another(pool, tmp_path):
    assert pool().submit(exec, ends_in(tmp_path, KILL, SEGV, ABORT, "os._exit(1)")).result() is None
    assert (tmp_path / "calls").read_text() == "....."


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (KILL, r"was killed \(SIGKILL\)"),
        (ABORT, r"was killed \(SIGABRT\): Fatal Python error: Aborted"),
        ("os._exit(7)", "ended with exit code 7"),
        ("os.write(2, b'no licence\\n'); os._exit(1)", "ended with exit code 1: no licence"),
        ("raise SystemExit('not today')", "ended with exit code 1: not today"),
    ],
)
def test_a_task_that_kills_every_worker_fails_in_one_line_and_the_others_go_on(pool, tmp_path, monkeypatch, end, how):
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    one = pool()
    lost = one.submit(exec, ends_in(tmp_path, *[end] * 99))
    kept = one.submit(os.getpid)
    with pytest.raises(RunFailed, match=rf"its worker died 4 times; the last, process \d+ {how}$"):
        lost.result()
    assert kept.result() != os.getpid()


def test_a_renewed_worker_is_no_death(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DEATHS", 1)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    assert pool().submit(exec, ends_in(tmp_path, *[f"os._exit({RENEWED})"] * 3)).result() is None


def test_who_was_killed_for_memory_begins_again_when_nothing_else_runs(pool, tmp_path, monkeypatch):
    kills = iter(range(99))
    monkeypatch.setattr(module, "kills_for_memory", lambda: next(kills))
    two = pool(2)
    other = two.submit(time.sleep, 1.5)
    start = time.monotonic()
    assert two.submit(exec, ends_in(tmp_path, KILL)).result() is None
    assert other.done()
    assert time.monotonic() - start >= 1.5


def test_who_needs_more_memory_than_there_is_says_so(pool, tmp_path, monkeypatch):
    kills = iter(range(99))
    monkeypatch.setattr(module, "kills_for_memory", lambda: next(kills))
    with pytest.raises(RunFailed, match=r"out of memory, with nothing else running: process \d+ was killed by the"):
        pool().submit(exec, ends_in(tmp_path, KILL, KILL)).result()


@pytest.mark.parametrize("program", ["import os; os.abort()", "raise SystemExit('no such module')", "wrong("])
def test_where_no_worker_starts_the_rest_runs_here_one_by_one(pool, monkeypatch, program):
    monkeypatch.setattr(module, "PROGRAM", program)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    said = []
    two = pool(2, say=said.append)
    assert {two.submit(os.getpid).result() for _ in range(3)} == {os.getpid()}
    assert [line.startswith("no worker can be started (process ") for line in said] == [True] * len(said) != []
    assert all(line.endswith("the rest runs in this process, one by one") for line in said)


def test_a_system_that_refuses_processes_is_waited_for(pool, monkeypatch):
    refusals, popen = iter(range(5)), module.subprocess.Popen

    def refused(*arguments, **options):
        if next(refusals, None) is not None:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return popen(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "Popen", refused)
    one = pool()
    result = one.submit(os.getpid)
    seen = []
    while not result.done():
        seen.append(one.lacking())
        time.sleep(0.005)
    assert result.result() != os.getpid()
    assert "workers: no process can be started (Resource temporarily unavailable)" in {s[1] for s in seen if s}
    assert one.lacking() is None


def test_what_is_given_up_ends_soon_and_its_worker_with_it(pool):
    stop = threading.Event()
    one = pool(given_up=lambda *arguments: stop.is_set())
    result = one.submit(time.sleep, 600)
    while not any(worker.ready for worker in list(one._workers.values())):
        time.sleep(0.01)
    start = time.monotonic()
    stop.set()
    with pytest.raises(Interrupted):
        result.result()
    assert time.monotonic() - start < 5
    assert one._workers == {}


def test_workers_end_with_their_pool_and_nothing_waits(pool):
    one = pool(2)
    pids = {one.submit(os.getpid).result()}
    one.submit(time.sleep, 600)
    waiting = [one.submit(time.sleep, 600) for _ in range(4)]
    time.sleep(0.3)
    one.shutdown()
    assert all(future.done() for future in waiting)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def listening():
    """The inodes of all sockets of this machine that accept connections."""
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            found.add(fields[9])
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[3], 16) & 0x10000 or len(fields) > 7:  # it accepts connections, or has a name
            found.add(fields[6])
    return found


def sockets(pid):
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(descriptor) if descriptor.is_symlink() else ""
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="reads Linux' tables of sockets")
def test_nobody_can_connect_to_a_worker(pool):
    pid = pool().submit(os.getpid).result()
    with socket.create_server(("127.0.0.1", 0)) as server:  # that the tables would show one
        assert str(os.fstat(server.fileno()).st_ino) in listening()
    mine = list(sockets(pid))
    assert mine
    assert not set(mine) & listening()


@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="asks /proc, which knows the dead whom nobody reaps")
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "import os, pathlib, signal\n"
        "from vaecli.launch.pool import Pool\n"
        f"pool = Pool(1, pathlib.Path({str(tmp_path)!r}))\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "pool.submit(exec, 'import time; time.sleep(600)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = module.subprocess.run(module.python(code), capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while Path(f"/proc/{int(done.stdout)}/exe").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{int(done.stdout)}/exe").exists()
