"""One process at a time trains a run: a lock that the system drops when its holder dies, and who the holder is."""

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

from vaecli.errors import BeingTrained, RunError, RunFailed

ATTEMPTS = 4  # asking whether it is held takes it for a moment
FULL = (errno.ENOSPC, errno.EDQUOT)  # any other refusal of the folder is a mistake in what was asked
_HOLDER_BYTES = 1000


class Lock:
    """On a file of the run's folder; what the file holds only says who, the system's lock decides."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[str | None]:
        """Inside, it is this process's; yields who held it last, if that process died without giving it back.

        Raises:
            RunError: the folder cannot be written.
            BeingTrained: another process holds it, and the line says which.
            RunFailed: the disk is full.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            if error.errno in FULL:
                raise RunFailed(f"{folder}: cannot be written ({error.strerror})") from None
            raise RunError(f"{folder}: cannot be written ({error.strerror}); see --output-dir") from None
        try:
            self._take(self._handle)
            before = self._holder()
            self._name_holder(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": _now()}))
            try:
                yield before
            finally:
                self._name_holder("")
        finally:
            os.close(self._handle)
            self._handle = None

    def held_elsewhere(self) -> bool:
        """Whether a process, this one included, holds it."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def check(self) -> None:
        """Raises RunFailed if the folder was removed or exchanged since the lock on it was taken."""
        if self._handle is None:
            return
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self._handle))
        except OSError as error:
            raise RunFailed(f"{self.path.parent}: cannot be written any more ({error.strerror})") from None
        if not same:
            raise RunFailed(f"{self.path.parent}: removed, and made anew by somebody else, while training")

    def _take(self, handle: int) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt == ATTEMPTS - 1:
                    raise BeingTrained(str(self.path.parent), self._holder()) from None
                time.sleep(0.05)
            except OSError as error:
                raise RunFailed(f"{self.path}: this file system has no locks ({error.strerror})") from None

    def _holder(self) -> str | None:
        assert self._handle is not None
        try:
            found = json.loads(os.pread(self._handle, _HOLDER_BYTES, 0))
            return f"pid {found['pid']} on {found['host']} since {found['since']}"
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _name_holder(self, text: str) -> None:
        assert self._handle is not None
        with contextlib.suppress(OSError):  # a full disk: then the lock holds, and names nobody
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, text.encode(), 0)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
