"""Complete states of a training: each is an npz that ends in the digest of all bytes before it."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vaecli.runs.files import Arrays, read, read_npz

NOTHING = np.zeros(0, np.uint8)
KEPT = 2  # if a failing disk damages the newest, the one before it is used
_DIGITS = 64  # of SHA-256, in hexadecimal


def prune(folder: Path) -> None:
    """Removes all states named step-... except the newest KEPT. Raises OSError."""
    for old in sorted(folder.glob("step-*.npz"))[:-KEPT]:
        old.unlink(missing_ok=True)


def states(folder: Path) -> Iterator[tuple[Path, Arrays | None]]:
    """All states, the newest first; the best, which may be old, comes last. None for a damaged one."""
    for path in [*sorted(folder.glob("step-*.npz"), reverse=True), *folder.glob("best.npz")]:
        try:
            yield path, read_npz(io.BytesIO(unseal(read(path))))
        except (OSError, ValueError):
            yield path, None


def is_of(arrays: Arrays, state_hash: str) -> bool:
    """Whether a state belongs to these settings and data."""
    return arrays.get("config", NOTHING).tobytes() == state_hash.encode()


def seal(archive: bytes) -> bytes:
    """The zip archive with the digest as its comment: still a zip, and any flipped bit is detected."""
    body = archive[:-2] + _DIGITS.to_bytes(2, "little")  # a zip without comment ends in its length, 0
    return body + hashlib.sha256(body).hexdigest().encode()


def is_whole(raw: bytes) -> bool:
    """Whether these bytes are what was sealed."""
    return hashlib.sha256(raw[:-_DIGITS]).hexdigest().encode() == raw[-_DIGITS:]


def unseal(raw: bytes) -> bytes:
    """The unchanged archive; raises ValueError unless it is what was sealed."""
    if not is_whole(raw):
        raise ValueError("the bytes do not match their digest")
    return raw
