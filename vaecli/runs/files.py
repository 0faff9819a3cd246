"""Files that are either complete or absent."""

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.errors import RunFailed
from vaecli.filesystems import where_supported

Arrays = Mapping[str, NDArray[Any]]

PART = ".part."  # prefix of the names of incomplete files
MODE = 0o666  # minus the umask, as for every other file of the user


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that turns an error of the system into one line that names the file: RunFailed."""
    try:
        yield
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror or error})") from None


def read(path: Path, *, most: int | None = None) -> bytes:
    """The bytes of a regular file.

    Args:
        most: a larger file is refused before it is read.

    Raises:
        OSError: it cannot be opened, is larger, or is not a regular file: reading a named pipe would block forever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
        content = b""
        while len(content) < found.st_size and (block := os.read(handle, found.st_size - len(content))):
            content += block
        return content
    finally:
        os.close(handle)


def write(path: Path, content: bytes | str, *, within: Path | None = None) -> None:
    """Writes a file beside, syncs and renames it: readers and power cuts see the old file or the new one.

    Args:
        within: a folder that holds the file; a symbolic link between the two is refused, as it leads elsewhere.

    Raises:
        RunFailed: the folder cannot be written or the disk is full.
    """
    raw = content.encode() if isinstance(content, str) else content
    part = None
    try:
        with writing(path):
            if within is not None:
                refuse_links(path, within)
            path.parent.mkdir(parents=True, exist_ok=True)
            part, handle = _new_part(path)
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            _swap_in(part, path)
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                os.unlink(part)


def write_by(path: Path, save: Callable[[Path], None]) -> str:
    """Does what `write` does where a library writes: `save` gets a name with the same ending, beside the file.

    Returns:
        The SHA-256 of the written file.
    Raises:
        RunFailed: as in `write`.
    """
    part = None
    try:
        with writing(path):
            part, handle = _new_part(path, ending=path.suffix)
            os.close(handle)
            save(part)
            digest = hashlib.sha256(read(part)).hexdigest()
            _swap_in(part, path)
            return digest
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def write_folder_by(path: Path, save: Callable[[Path], None]) -> None:
    """Does what `write_by` does for a folder, which a folder of this name makes room for.

    Raises:
        RunFailed: as in `write`.
    """
    part = path.with_name(f"{PART}{path.name}.{secrets.token_hex(4)}")
    with writing(path):
        try:
            save(part)
            if path.is_dir():
                shutil.rmtree(path)
            os.replace(part, path)
            sync(path.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def refuse_links(path: Path, within: Path) -> None:
    """Raises OSError if the file, or a folder between it and `within`, is a symbolic link."""
    for place in (path, *path.parents):
        if place == within:
            return
        if place.is_symlink():
            raise OSError(errno.ELOOP, "a symbolic link, which leads elsewhere; remove it", str(place))


def append(path: Path, text: str) -> None:
    """Appends to the file without syncing: nothing may depend on it after a crash. Raises RunFailed."""
    with writing(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, MODE)
        try:
            raw = memoryview(text.encode())
            while raw:  # a disk that fills up takes the beginning and refuses the rest
                raw = raw[os.write(handle, raw) :]
        finally:
            os.close(handle)


def sync(path: Path) -> None:
    """Makes the contents of the file or folder survive a power cut, if the file system supports it.

    Raises:
        OSError: it is supported but failed, as on a full or failing disk.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        with where_supported(errno.EBADF):  # of a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON; refuses NaN, which JSON does not have."""
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def to_npz(arrays: Arrays) -> bytes:
    """The arrays as an uncompressed npz: weights do not compress, and each array carries a checksum anyway."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_npz(path: Path, arrays: Arrays) -> None:
    write(path, to_npz(arrays))


def read_npz(source: Path | io.BytesIO) -> dict[str, NDArray[Any]]:
    """All arrays of a file that this program wrote: nothing pickled, and no more memory than the size of the file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is damaged, or was written by something else.
    """
    raw = read(source) if isinstance(source, Path) else source.getvalue()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("compressed, which no file of a run is")
            if sum(entry.file_size for entry in entries) > len(raw):
                raise ValueError("entries that overlap")
            return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}
    except Exception as error:  # anything from zipfile, zlib or the header's parser it
        raise ValueError(f"damaged: {error}") from None


def _array(raw: bytes) -> NDArray[Any]:
    """The array of an npy file; raises ValueError if its header promises more than there is."""
    stream = io.BytesIO(raw)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, dtype = header(stream)
    return np.frombuffer(raw, dtype, offset=stream.tell()).reshape(shape, order="F" if by_column else "C")


def _new_part(path: Path, *, ending: str = "") -> tuple[Path, int]:
    """An exclusive new file beside the target, with the permissions of the user's umask, open for writing."""
    part = path.with_name(f"{PART}{path.name}.{secrets.token_hex(4)}{ending}")
    return part, os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)


def _swap_in(part: Path, path: Path) -> None:
    sync(part)
    if path.exists() and not path.is_file() and not path.is_dir():  # a rename would put a file in a device's place
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    os.replace(part, path)
    sync(path.parent)
