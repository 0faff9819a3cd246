"""Files that are either there and whole, or not there."""

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.errors import RunError

Arrays = Mapping[str, NDArray[Any]]


def write(path: Path, content: bytes | str) -> None:
    """Beside, synced, then renamed: a reader or a power cut sees the old file or the new one.

    Raises:
        RunError: if the folder cannot be written or the disk is full.
    """
    raw = content.encode() if isinstance(content, str) else content
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o644)
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                os.unlink(part)


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Indented; NaN is refused, because JSON has none."""
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Arrays) -> None:
    """Uncompressed: weights do not compress, and each array carries a checksum either way."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file this program wrote; OSError if it cannot be opened, ValueError if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # whatever zipfile, zlib or a header's parser think of it
        raise ValueError(f"damaged: {error}") from None
