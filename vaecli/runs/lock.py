"""A lock that lets one process at a time train a run; the system drops it when its holder dies.

Some file systems have no locks (CIFS, FUSE, NFS without its lock daemon). There the name of the holder counts as long
as its process lives. A process on another host cannot be checked: it counts as living until the file is removed.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from vaecli.errors import BeingTrained, RunError, RunFailed
from vaecli.filesystems import UNSUPPORTED

ATTEMPTS = 4  # checking whether it is held takes it for a moment
FULL = (errno.ENOSPC, errno.EDQUOT)  # any other error of the folder is a mistake in the request
WITHOUT_LOCKS = (errno.ENOLCK, *UNSUPPORTED)  # errors of a file system without locks
_HOLDER_BYTES = 1000


class Holder(NamedTuple):
    """A process that took the lock, as recorded in the file."""

    pid: int
    host: str
    since: str
    started: str | None = None  # by the system's clock: a process id may be reused

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host} since {self.since}"

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another host, which cannot be checked from here."""
        return self.host != platform.node()

    @property
    def lives(self) -> bool:
        """Whether its process exists, as far as this host can tell."""
        if self.elsewhere:
            return True
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            pass  # another user's
        return self.started in (None, _started(self.pid))


class Lock:
    """A lock on a file of the run's folder; the system's lock decides if supported, and the file names the holder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_name = False  # whether it is held by its holder's name alone
        self._handle: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[str | None]:
        """A context in which this process holds it; yields the last holder if that died without releasing it.

        Raises:
            RunError: the folder cannot be written.
            BeingTrained: another process holds it, and the line says which.
            RunFailed: the disk is full.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if error.errno in FULL:
                raise RunFailed(f"{folder}: cannot be written ({error.strerror})") from None
            raise RunError(f"{folder}: cannot be written ({error.strerror}); see --output-dir") from None
        try:
            self._take(self._handle)
            before = _holder(self._handle)
            pid = os.getpid()
            self._name_holder(json.dumps(Holder(pid, platform.node(), _now(), _started(pid))._asdict()))
            try:
                yield None if before is None else str(before)
            finally:
                self._name_holder("")
        finally:
            os.close(self._handle)
            self._handle = None

    def held_elsewhere(self) -> bool:
        """Whether any process, this one included, holds it."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                return True
            holder = _holder(handle)
            return holder is not None and holder.lives
        finally:
            os.close(handle)
        return False

    def check(self) -> None:
        """Raises RunFailed if the folder was removed or replaced since the lock was taken."""
        if self._handle is None:
            return
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self._handle))
        except OSError as error:
            raise RunFailed(f"{self.path.parent}: cannot be written any more ({error.strerror})") from None
        if not same:
            raise RunFailed(f"{self.path.parent}: removed and made again by another process while training")

    def _take(self, handle: int) -> None:
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.by_name = False
                return
            except BlockingIOError:
                if attempt == ATTEMPTS - 1:
                    holder = _holder(handle)
                    raise BeingTrained(str(self.path.parent), str(holder) if holder else None) from None
                time.sleep(0.05)
            except OSError as error:
                if error.errno not in WITHOUT_LOCKS:
                    raise RunFailed(f"{self.path}: cannot be locked ({error.strerror})") from None
                return self._take_by_name(handle)

    def _take_by_name(self, handle: int) -> None:
        holder = _holder(handle)
        if holder and holder.lives:
            way_out = f"; if it is not, remove {self.path}" if holder.elsewhere else ""
            raise BeingTrained(str(self.path.parent), f"{holder}{way_out}")
        self.by_name = True

    def _name_holder(self, text: str) -> None:
        assert self._handle is not None
        with contextlib.suppress(OSError):  # a full disk: the lock holds but names nobody
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, text.encode(), 0)


def _holder(handle: int) -> Holder | None:
    """The holder named in the file; None if it cannot be read."""
    try:
        found = json.loads(os.pread(handle, _HOLDER_BYTES, 0))
        return Holder(int(found["pid"]), str(found["host"]), str(found["since"]), found.get("started"))
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None


def _started(pid: int) -> str | None:
    """The start of a process in ticks of its system; None if unknown, or if there is no such process."""
    try:
        after_the_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return after_the_name.split()[19]
    except (OSError, IndexError):
        return None


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
