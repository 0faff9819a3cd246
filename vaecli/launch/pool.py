"""Worker processes of this machine as an Executor.

Each has its own socket pair: nothing listens, so no other user of the machine can connect, and nothing is left behind
when a process is killed. A worker that dies is replaced, and its task continues from what is on disk.
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

from vaecli.backend.process import kills_for_memory, last_words, python
from vaecli.errors import Interrupted, RunFailed
from vaecli.launch.worker import GIVE_UP, RENEWED

PROGRAM = "from vaecli.launch.worker import main; main('vaecli.launch.task')"
LOG = "workers.log"  # stderr of workers while no run has it
POLL = 0.1  # seconds
GRACE = 8.0  # seconds to stop a task that does not train yet: a compilation must end first
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0)  # seconds between a death and the next worker
PATIENCE, DEATHS = 20.0, 4  # seconds and deaths after which a task, or all workers, are given up


class Died(Exception):
    """A worker ended before its task."""

    started = False  # whether it had begun the task
    for_memory = False  # whether the system killed it because memory ran out


class Renewed(Exception):
    """A worker that has compiled enough was replaced."""


class Worker:
    """One process, and the parent's end of its socket pair."""

    def __init__(self, log: Path, settings: Mapping[str, str]) -> None:
        """Starts the process; raises Died if the system refuses one."""
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
                    start_new_session=True,  # Ctrl-C is handled by the parent, which has the runs saved first
                )
        except OSError as error:
            raise Died(f"no process can be started ({error.strerror or error})") from None

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], given_up: Callable[[], bool]) -> Any:
        """The result of a call. Raises Died, Renewed, or Interrupted if `given_up` says so before the result."""
        try:
            if not self.ready:
                self._receive(given_up)
                self.ready = True
            self.connection.send((function, arguments))
            return self._receive(given_up)
        except (EOFError, OSError):
            raise self._end() from None

    def close(self, *, seconds: float) -> None:
        """Ends the process: by closing its socket, or by force if that takes too long."""
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
        """The reason why it ended."""
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
    """An Executor of several workers, each managed by a thread.

    A task whose worker dies is restarted in another one, for some time; if the system killed the worker because memory
    ran out, it is restarted when nothing else runs. If no worker can be started, the remaining tasks run in this
    process, one by one.
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
            given_up: called repeatedly with a call's arguments: whether its result is no longer needed.
            say: called in a thread with a line for the user.
            settings: environment variables of the workers.
        """
        self._log, self._given_up, self._say, self._settings = folder / LOG, given_up, say, settings or {}
        self._threads = ThreadPoolExecutor(size, "worker")
        self._workers: dict[int, Worker] = {}  # by thread
        self._without: dict[int, tuple[float, str]] = {}  # by thread whose workers die: since when and why
        self._over = threading.Event()
        self._turns = threading.Condition()
        self._running = 0
        self._barren = False  # no worker can be started

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> "Future[Any]":
        assert not keywords
        return self._threads.submit(self._perform, function, arguments)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Ends the workers; unfinished work stays on disk as it is."""
        self._over.set()
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        for worker in list(self._workers.values()):
            worker.close(seconds=1.0)
        self._threads.shutdown(wait=wait)

    def lacking(self) -> tuple[float, str] | None:
        """Since when workers have been dying, and what is awaited; None if one is working."""
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
        """Gives up a task whose workers die, to protect this process; if none can be started, runs it here."""
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
        """A context in which a task runs; one that must be alone waits until no other runs."""
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
