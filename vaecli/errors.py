"""Errors that a user can cause. The CLI prints them as lines and exits with `exit_code`; anything else is our bug."""

import errno
import os
from collections.abc import Sequence

FAILED, USAGE, SOME_FAILED, DIVERGED, INTERRUPTED = 1, 2, 3, 4, 130


class VaecliError(Exception):
    """A mistake that the user can fix: its lines name the place, the value and the way out."""

    exit_code = USAGE

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(map(printable, lines))
        super().__init__("\n".join(self.lines))


class ConfigError(VaecliError):
    """All mistakes of one stage of reading a config, in the order of the file."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(*mistakes)


class DataError(VaecliError):
    """A data set that is missing, damaged or of the wrong shape."""


class RunError(VaecliError):
    """A run folder that cannot be found, read, written or entered."""


class Damaged(RunError):
    """A file of a run, an audit or the references that is not what was written."""


class RunFailed(RunError):
    """A valid request that could not be carried out: a full disk, a folder that vanished, a run in use elsewhere."""

    exit_code = FAILED


class BeingTrained(RunFailed):
    """A run that another process is training, and may or may not finish."""

    def __init__(self, where: str, holder: str | None) -> None:
        super().__init__(f"{where}: another process is training this run{f': {holder}' if holder else ''}")
        self.holder = holder


class Diverged(VaecliError):
    """The loss, or another figure of a training, is no longer a finite number."""

    exit_code = DIVERGED


class Interrupted(VaecliError):
    """Ctrl-C (130) or SIGTERM (143), answered after the state was saved."""

    def __init__(self, *lines: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(*lines)
        self.exit_code = exit_code


def is_text(name: str) -> bool:
    """Whether a name can be kept in a file: the bytes of a file's name may be no text at all."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(line: str) -> str:
    """The line with its control characters escaped: it stays one line, and file contents cannot control a terminal.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


UNKNOWN = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)


def shut(path: str | os.PathLike[str]) -> str | None:
    """Why it cannot be said whether a path exists, "cannot be read (Permission denied)"; None where it can be said.

    A folder on the way that may not be entered and a name that is too long make `Path.is_file` and its siblings raise,
    and those of `os.path` say that nothing is there.
    """
    try:
        os.stat(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})" if error.errno in UNKNOWN else None
    except ValueError:
        return None
    return None
