"""Worker processes of this machine as an Executor.

Each is fed through a socket pair of its own: nothing listens, so no other user of the machine can get in, and nothing
is left behind when a process is killed. One that dies is replaced, and its task begins again from what is on disk.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from vaecli.backend.process import kills_for_memory, last_words
from vaecli.errors import Interrupted, RunFailed
from vaecli.launch.worker import GIVE_UP, RENEWED, python

PROGRAM = "from vaecli.launch.worker import main; main('vaecli.launch.task')"
LOG = "workers.log"  # what workers say while no run has their stderr
POLL = 0.1  # seconds
GRACE = 8.0  # seconds to give up a task that trains nothing yet: a compilation must end first
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0)  # seconds between a death and the next worker
PATIENCE, DEATHS = 20.0, 4  # a task, or all workers, are given up after so many seconds and deaths


class Died(Exception):
    """A worker ended before its task."""

    started = False  # it had begun the task
    for_memory = False  # the system killed it because memory ran out


class Renewed(Exception):
    """A worker that has compiled enough made way for another."""


class Worker:
    """One process, and the parent's end of its socket pair."""

    def __init__(self, log: Path, settings: Mapping[str, str]) -> None:
        """Starts it; raises Died where the system refuses a process."""
        self.kills_before = kills_for_memory()
        self.ready = False
        self.log = log
        try:
            self.connection, theirs = Pipe()
            with theirs, log.open("ab") as said:
                self.said_before = said.tell()
                self.process = subprocess.Popen(
                    python(PROGRAM, str(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    env={**os.environ, **settings},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C is answered by the parent, who has the runs saved first
                )
        except OSError as error:
            raise Died(f"no process can be started ({error.strerror or error})") from None

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], given_up: Callable[[], bool]) -> Any:
        """Its result. Raises Died, Renewed, or Interrupted where `given_up` says so before it is there."""
        try:
            if not self.ready:
                self._receive(given_up)
                self.ready = True
            self.connection.send((function, arguments))
            return self._receive(given_up)
        except (EOFError, OSError):
            raise self._end() from None

    def close(self, *, seconds: float) -> None:
        """Ends it: by itself, as its socket does, or by force where that takes longer."""
        self.connection.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _receive(self, given_up: Callable[[], bool]) -> Any:
        while not self.connection.poll(POLL):
            if given_up():
                with contextlib.suppress(EOFError, OSError):
                    self.connection.send(GIVE_UP)
                    if self.connection.poll(GRACE):
                        return self.connection.recv()
                raise Interrupted("given up before it trained")
        return self.connection.recv()

    def _end(self) -> Exception:
        """Why it has ended."""
        self.connection.close()
        code = self.process.wait()
        if code == RENEWED:
            return Renewed()
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        for_memory = code == -signal.SIGKILL and kills_for_memory() > self.kills_before
        if for_memory:
            how = "was killed by the system because memory ran out"
        death = Died(": ".join([f"process {self.process.pid} {how}", *self._last_line()]))
        death.started, death.for_memory = self.ready, for_memory
        return death

    def _last_line(self) -> list[str]:
        if words := last_words(self.log, self.said_before):
            return [words]
        try:
            with self.log.open("rb") as said:
                said.seek(self.said_before)
                return said.read().decode(errors="replace").split("\n")[-2:-1]
        except OSError:
            return []


class Pool(Executor):
    """So many workers, each kept by a thread.

    A task whose worker dies begins again in another, for some time; one whose worker the system killed because memory
    ran out, when nothing else runs. Where no worker can be started, what is left runs in this process, one by one.
    """

    def __init__(
        self,
        size: int,
        folder: Path,
        *,
        given_up: Callable[..., bool] = lambda *arguments: False,
        say: Callable[[str], None] = lambda line: None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: where the workers' stderr goes.
            given_up: asked with a call's arguments, again and again: whether it is not worth its end any more.
            say: called in a thread with a line for people.
            settings: environment variables of the workers.
        """
        self._log, self._given_up, self._say, self._settings = folder / LOG, given_up, say, settings or {}
        self._threads = ThreadPoolExecutor(size, "worker")
        self._workers: dict[int, Worker] = {}  # by thread
        self._without: dict[int, tuple[float, str]] = {}  # by thread whose workers die: since when, and why
        self._over = threading.Event()
        self._turns = threading.Condition()
        self._running = 0
        self._barren = False  # no worker can be started

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> "Future[Any]":
        assert not keywords
        return self._threads.submit(self._perform, function, arguments)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Ends the workers; what they have begun stays on disk as it is."""
        self._over.set()
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        for worker in list(self._workers.values()):
            worker.close(seconds=1.0)
        self._threads.shutdown(wait=wait)

    def lacking(self) -> tuple[float, str] | None:
        """Since when workers die, and what is waited for; None where one is at work."""
        without = list(self._without.values())
        if not without or self._barren or self._any_ready():
            return None
        since, why = min(without)
        return since, f"workers: {why}"

    def _perform(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        me, deaths, since, alone = threading.get_ident(), 0, 0.0, False
        given_up = lambda: self._over.is_set() or self._given_up(*arguments)  # noqa: E731
        while not self._barren:
            try:
                with self._turn(alone):
                    result = self._call(function, arguments, given_up)
                self._without.pop(me, None)
                return result
            except Renewed:
                continue
            except Died as death:
                if death.for_memory and alone:
                    raise RunFailed(f"out of memory, with nothing else running: {death}") from None
                alone |= death.for_memory
                since = since or time.monotonic()
                deaths += 1
                self._without[me] = since, str(death)
                if deaths >= DEATHS and time.monotonic() - since > PATIENCE:
                    self._give_up(death, deaths)
            self._over.wait(PAUSES[min(deaths, len(PAUSES)) - 1])
        return function(*arguments)

    def _give_up(self, death: Died, deaths: int) -> None:
        """What kills a task's workers is kept away from this process; what lets none start need not be."""
        if death.started:
            raise RunFailed(f"its worker died {deaths} times; the last, {death}") from None
        if not self._any_ready():
            self._barren = True
            self._say(f"no worker can be started ({death}): the rest runs in this process, one by one")

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], given_up: Callable[[], bool]) -> Any:
        if given_up():
            raise Interrupted("given up before it began")
        me = threading.get_ident()
        if me not in self._workers:
            self._workers[me] = Worker(self._log, self._settings)
        try:
            return self._workers[me].call(function, arguments, given_up)
        except Interrupted:
            self._workers.pop(me).close(seconds=0.0)
            raise
        except (Died, Renewed):
            del self._workers[me]
            raise

    @contextlib.contextmanager
    def _turn(self, alone: bool) -> Iterator[None]:
        """Inside, a task runs; one that must be alone waits until no other does."""
        with self._turns:
            self._turns.wait_for(lambda: not (alone and self._running))
            self._running += 1
        try:
            yield
        finally:
            with self._turns:
                self._running -= 1
                self._turns.notify_all()

    def _any_ready(self) -> bool:
        return any(worker.ready for worker in list(self._workers.values()))
