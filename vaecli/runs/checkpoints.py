"""Complete states of a training: an npz each, that ends in the digest of all bytes before it."""

import hashlib
import io
from pathlib import Path

from vaecli.runs.files import Arrays, read_npz, to_npz, write, writing

KEPT = 2  # the newest may be damaged by a dying disk; then the one before it serves
_DIGITS = 64  # of SHA-256, in hexadecimal


def save(folder: Path, arrays: Arrays, *, name: str) -> None:
    """<name>.npz, swapped in by a rename; of those called step-... the newest KEPT stay. Raises RunFailed."""
    path = folder / f"{name}.npz"
    write(path, seal(to_npz(arrays)))
    with writing(path):
        for old in sorted(folder.glob("step-*.npz"))[:-KEPT]:
            old.unlink(missing_ok=True)


def load(folder: Path) -> tuple[Arrays | None, list[Path]]:
    """The newest whole state, and the damaged files that were passed over on the way; the best is the last resort."""
    damaged: list[Path] = []
    for path in [*sorted(folder.glob("step-*.npz"), reverse=True), *folder.glob("best.npz")]:
        try:
            return read_npz(io.BytesIO(unseal(path.read_bytes()))), damaged
        except (OSError, ValueError):
            damaged.append(path)
    return None, damaged


def set_aside(path: Path) -> None:
    """A damaged file is kept, but takes no whole one's place. Raises RunFailed."""
    with writing(path):
        path.replace(path.with_suffix(".damaged"))


def seal(archive: bytes) -> bytes:
    """The zip archive with the digest as its comment: still a zip, and one flipped bit anywhere is noticed."""
    body = archive[:-2] + _DIGITS.to_bytes(2, "little")  # a zip without comment ends in its length, 0
    return body + hashlib.sha256(body).hexdigest().encode()


def unseal(raw: bytes) -> bytes:
    """The archive as it is; raises ValueError unless it is what was sealed."""
    if hashlib.sha256(raw[:-_DIGITS]).hexdigest().encode() != raw[-_DIGITS:]:
        raise ValueError("not the bytes that its digest stands for")
    return raw
