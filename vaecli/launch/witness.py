"""Deaths that no Python code sees: an abort or a fault of a native library, and the system's kill for memory."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from vaecli.backend import last_words
from vaecli.errors import VaecliError
from vaecli.launch.worker import environment, python
from vaecli.memory import kills_for_memory
from vaecli.runs import Run

PROGRAM = """
import sys
if sys.stdin.buffer.read() != b".":
    from vaecli.launch.witness import main
    main()
"""
SHOW_CURSOR = "\r\x1b[K\x1b[?25h"  # a bar that is cut off hides it
WELL = b"."  # what the witness reads when all is well; its imports come only where it is not


def record_death(run: Run, *, since: int = 0) -> str | None:
    """What native code said when it ended a session of the run, recorded as its failure; None if it did not.

    Args:
        since: bytes of the run's tensorflow.log that are older.
    """
    line = last_words(run.tensorflow_log, since)
    if line is None:
        return None
    return _record(run, f"{run.path}: ended outside Python: {line}")


def _record(run: Run, reason: str) -> str:
    with contextlib.suppress(VaecliError), run.lock():
        run.log(reason)
        run.fail(reason)
    return reason


@contextlib.contextmanager
def witnessed(run: Run, terminal: TextIO) -> Iterator[None]:
    """Inside, another process waits for the end of this one, and tells what it could not tell itself.

    The C++ libraries end a process without asking Python, and what they say is in the run's tensorflow.log.
    """
    try:
        size = run.tensorflow_log.stat().st_size if run.tensorflow_log.exists() else 0
        witness = subprocess.Popen(
            python("-c", PROGRAM, str(run.path), str(size), str(kills_for_memory())),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env=environment(),
            start_new_session=True,  # what ends a whole group of processes leaves it
        )
    except (OSError, ValueError):  # no more processes, or no real stream: a training is worth more than its witness
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            witness.communicate(WELL)


def main() -> None:
    """Tells of a process that has not said that it ended well: its run, the size of its log, and kills before it."""
    path, size, kills = sys.argv[1:]
    run = Run(Path(path))
    reason = record_death(run, since=int(size))
    if reason is None and kills_for_memory() > int(kills):
        reason = _record(run, f"{run.path}: killed by the system because memory ran out")
    if sys.stderr.isatty():
        print(SHOW_CURSOR, end="", file=sys.stderr)
    if reason is not None:
        print(reason, file=sys.stderr)
