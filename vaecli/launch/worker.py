"""Loaded by each worker of a local cluster when it starts."""

import contextlib
import os
from typing import Any

_ours: list[Any] = []


def is_renewed() -> bool:
    """Whether this process is a worker of a local cluster, which starts another when it ends."""
    return bool(_ours)


def dask_setup(worker: Any) -> None:
    """Leaves the terminal's process group: Ctrl-C is for the parent, who has the runs saved before workers end."""
    _ours.append(worker)
    with contextlib.suppress(OSError):  # it leads a group already
        os.setsid()


def dask_teardown(worker: Any) -> None:
    """Leaves at once: its runs are on disk, and TensorFlow takes a second to take itself apart."""
    del worker
    os._exit(0)
