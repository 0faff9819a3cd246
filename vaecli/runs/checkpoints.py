"""Complete states of a training: an npz each, that ends in the digest of all bytes before it."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vaecli.runs.files import Arrays, read, read_npz

NOTHING = np.zeros(0, np.uint8)
KEPT = 2  # the newest may be damaged by a dying disk; then the one before it serves
_DIGITS = 64  # of SHA-256, in hexadecimal


def prune(folder: Path) -> None:
    """Of the states called step-... the newest KEPT stay. Raises OSError."""
    for old in sorted(folder.glob("step-*.npz"))[:-KEPT]:
        old.unlink(missing_ok=True)


def states(folder: Path) -> Iterator[tuple[Path, Arrays | None]]:
    """Every state, the newest first; the best, which may be old, is the last resort. None where it is damaged."""
    for path in [*sorted(folder.glob("step-*.npz"), reverse=True), *folder.glob("best.npz")]:
        try:
            yield path, read_npz(io.BytesIO(unseal(read(path))))
        except (OSError, ValueError):
            yield path, None


def is_of(arrays: Arrays, state_hash: str) -> bool:
    """Whether a state is of these settings and data."""
    return arrays.get("config", NOTHING).tobytes() == state_hash.encode()


def seal(archive: bytes) -> bytes:
    """The zip archive with the digest as its comment: still a zip, and one flipped bit anywhere is noticed."""
    body = archive[:-2] + _DIGITS.to_bytes(2, "little")  # a zip without comment ends in its length, 0
    return body + hashlib.sha256(body).hexdigest().encode()


def is_whole(raw: bytes) -> bool:
    """Whether these are the bytes that were sealed."""
    return hashlib.sha256(raw[:-_DIGITS]).hexdigest().encode() == raw[-_DIGITS:]


def unseal(raw: bytes) -> bytes:
    """The archive as it is; raises ValueError unless it is what was sealed."""
    if not is_whole(raw):
        raise ValueError("not the bytes that its digest stands for")
    return raw
