"""A worker process of this machine: it performs the calls that its parent sends through a private socket pair.

A worker ends when its parent's socket closes, so it needs no supervision: whatever kills the parent closes the socket.
"""

import contextlib
import importlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

READY, GIVE_UP = "ready", "give up"
RENEWED = 75  # exit code of a worker that has compiled enough: its task is given to another (EX_TEMPFAIL)

_ours: list[Connection] = []


def is_renewed() -> bool:
    """Whether this process is a local worker, which is replaced by another when it ends."""
    return bool(_ours)


def end_with(parent: Connection, receive: Callable[[Any], None] = lambda message: None) -> None:
    """Receives calls from the parent in a thread; if the parent dies or closes its end, this process ends."""

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                receive(parent.recv())
        os._exit(0)  # runs are on disk, and TensorFlow takes a second to shut down

    threading.Thread(target=listen, daemon=True).start()


def main(module: str) -> None:
    """Performs one call after another: the program of a worker, whose only argument is the socket to its parent.

    Args:
        module: a slow import, done before this process reports to the parent.
    """
    parent = Connection(int(sys.argv[1]))
    _ours.append(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it
    calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()

    def receive(message: Any) -> None:
        if message == GIVE_UP:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            calls.put(message)

    end_with(parent, receive)
    importlib.import_module(module)
    parent.send(READY)
    while True:
        function, arguments = calls.get()
        parent.send(function(*arguments))


def end_with_stdin() -> None:
    """Ends this process as soon as its parent dies or closes the pipe to its stdin."""
    end_with(Connection(0, writable=False))
