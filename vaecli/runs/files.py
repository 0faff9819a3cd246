"""Files that are either there and whole, or not there."""

import contextlib
import errno
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.errors import RunFailed
from vaecli.filesystems import where_supported

Arrays = Mapping[str, NDArray[Any]]

PART = ".part."  # how the name of a file begins that is not yet whole


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, what the system refuses is one line that names the file: RunFailed."""
    try:
        yield
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror or error})") from None


def write(path: Path, content: bytes | str) -> None:
    """Beside, synced, then renamed: a reader or a power cut sees the old file or the new one.

    Raises:
        RunFailed: if the folder cannot be written or the disk is full.
    """
    raw = content.encode() if isinstance(content, str) else content
    part = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{PART}{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            with where_supported(errno.EPERM):
                os.chmod(part, 0o644)
            _swap_in(Path(part), path)
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                os.unlink(part)


def write_by(path: Path, save: Callable[[Path], None]) -> None:
    """As `write`, where a library does the writing: `save` gets a name with the same ending, beside the file.

    Raises:
        RunFailed: as `write`.
    """
    part = path.with_name(f"{PART}{path.name}")
    try:
        with writing(path):
            save(part)
            _swap_in(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def append(path: Path, text: str) -> None:
    """At the end of the file, and not synced: what comes after a crash must not need it. Raises RunFailed."""
    with writing(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            raw = memoryview(text.encode())
            while raw:  # a disk that fills up takes the beginning, and refuses the rest
                raw = raw[os.write(handle, raw) :]
        finally:
            os.close(handle)


def sync(path: Path) -> None:
    """What the file or folder holds survives a power cut from now on, where the file system can do that.

    Raises:
        OSError: what it could do went wrong, as on a full or dying disk.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        with where_supported(errno.EBADF):  # of a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Indented; NaN is refused, because JSON has none."""
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def to_npz(arrays: Arrays) -> bytes:
    """Uncompressed: weights do not compress, and each array carries a checksum either way."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_npz(path: Path, arrays: Arrays) -> None:
    write(path, to_npz(arrays))


def read_npz(source: Path | io.BytesIO) -> dict[str, NDArray[Any]]:
    """All arrays of a file this program wrote; OSError if it cannot be opened, ValueError if it is damaged."""
    try:
        with np.load(source, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # whatever zipfile, zlib or a header's parser think of it
        raise ValueError(f"damaged: {error}") from None


def _swap_in(part: Path, path: Path) -> None:
    sync(part)
    os.replace(part, path)
    sync(path.parent)
