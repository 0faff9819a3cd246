"""Downloads of single files: atomic, with progress and digest, never hanging."""

import contextlib
import hashlib
import http.client
import os
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaecli.errors import DataError
from vaecli.filesystems import where_supported

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
Progress = Callable[[str, int, int], None]  # file name, bytes so far, total bytes (0: unknown)


def download(url: str, target: Path, digest: str, progress: Progress) -> None:
    """Fetches `url` into `target`, which appears only if its digest ("sha256:...") is right.

    Raises:
        DataError: no connection within 5 s, a broken transfer, a wrong digest, a folder that cannot be written.
    """
    algorithm, _, expected = digest.partition(":")
    seen = hashlib.new(algorithm)
    begun = not target.parent.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the user's umask
    except OSError as error:
        raise DataError(f"{target.parent} cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file, contextlib.closing(_open(url)) as response:
            length = response.headers.get("Content-Length") or ""
            total = int(length) if length.isdecimal() else 0
            done = 0
            while block := response.read(1 << 16):
                file.write(block)
                seen.update(block)
                done += len(block)
                progress(target.name, done, total)
            file.flush()
            with where_supported():
                os.fsync(file.fileno())
        if seen.hexdigest() != expected:
            raise DataError(f"{url} sent other bytes than expected ({algorithm} {seen.hexdigest()})")
        os.replace(part, target)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url} cannot be fetched ({getattr(error, 'reason', None) or error})") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        if begun:
            with contextlib.suppress(OSError):  # it holds what was fetched
                target.parent.rmdir()


def _open(url: str) -> Any:
    """The response, or TimeoutError after CONNECT_SECONDS.

    Runs in its own thread, because a name lookup has no timeout and can hang for a minute.
    """
    outcome: dict[str, Any] = {}

    def connect() -> None:
        try:
            outcome["response"] = urllib.request.urlopen(url, timeout=READ_SECONDS)
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if "response" in outcome:
        return outcome["response"]
    error = outcome.get("error") or TimeoutError(f"no answer within {CONNECT_SECONDS:g} s")
    raise error if isinstance(error, OSError) else urllib.error.URLError(str(error))
