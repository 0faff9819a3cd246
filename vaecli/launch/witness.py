"""Records deaths that no Python code sees: an abort or fault of a native library, and the out-of-memory killer."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from vaecli.backend.process import kills_for_memory, last_words, python
from vaecli.errors import VaecliError
from vaecli.screen import USUAL, replaces, width_of

if TYPE_CHECKING:
    from vaecli.runs import Run

PROGRAM = """
import sys
if sys.stdin.buffer.read() != b".":
    from vaecli.launch.witness import main
    main()
"""
WELL = b"."  # what the witness reads when all is well; its imports come only where it is not


def record_death(run: "Run", *, since: int = 0) -> str | None:
    """Records the last words of native code that ended a session of the run as its failure; None if there are none.

    Args:
        since: number of older bytes of the run's tensorflow.log.
    """
    words = last_words(run.tensorflow_log, since)
    if words is None:
        return None
    reason = f"{run.path}: ended outside Python: {words}"
    _record(run, reason)
    return reason


def _record(run: "Run", reason: str) -> None:
    with contextlib.suppress(VaecliError), run.lock():
        run.log(reason)
        run.fail(reason)


@contextlib.contextmanager
def witnessed(path: Path, log: Path, terminal: TextIO) -> Iterator[None]:
    """A context in which another process waits for the end of this one, and reports what this one could not.

    The C++ libraries can end a process without involving Python; their messages are in `log`.

    Args:
        path: the folder of the run, where the death is recorded too, or of an audit.
    """
    try:
        about = (path, log, log.stat().st_size if log.exists() else 0, kills_for_memory())
        witness = subprocess.Popen(
            python(PROGRAM, *map(str, about)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            start_new_session=True,  # a signal to the whole process group does not reach it
        )
    except (OSError, ValueError):  # no more processes, or no real stream: train without a witness
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            witness.communicate(WELL)


def main() -> None:
    """Reports a process that did not confirm a normal end, first on the terminal, then in the folder of its run.

    Arguments: the folder, its log, the log's size at the beginning, and the system's kills before it.
    """
    path, log, size, kills = sys.argv[1:]
    words = last_words(Path(log), int(size))
    reason = None if words is None else f"{path}: ended outside Python: {words}"
    if reason is None and kills_for_memory() > int(kills):
        reason = f"{path}: killed by the system because memory ran out"
    if replaces(sys.stderr):  # a bar that was cut off
        print("\r", " " * ((width_of(sys.stderr) or USUAL) - 1), "\r", sep="", end="", file=sys.stderr, flush=True)
    if reason is not None:
        print(reason, file=sys.stderr, flush=True)
        from vaecli.runs import Run
        from vaecli.runs.audits import PREFIX

        if not Path(path).name.startswith(PREFIX):  # an audit keeps no failures
            _record(Run(Path(path)), reason)
