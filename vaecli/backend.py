"""TensorFlow as this program wants it: set up before it is imported, and kept off the terminal."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def prepare(threads: int | None = None) -> None:
    """Keras on TensorFlow whatever the user's environment says, and as many threads as asked (default: all).

    Takes effect only before TensorFlow and Keras are first imported.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)


@contextlib.contextmanager
def chatter(log: Path) -> Iterator[None]:
    """Appends to `log` whatever this process writes to file descriptor 2, C++ included, until the end of the block.

    TensorFlow prints there before it reads any setting. What is meant for people goes to a duplicate of the
    descriptor that was made before.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        try:
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:  # chatter is not worth a run; what is will say so itself
            target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, 2)
        os.close(target)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


def import_keras() -> None:
    """Imports Keras and TensorFlow as if scikit-learn, JAX and matplotlib were not installed.

    They import all three, where they can, for wrappers, converters and galleries that no run uses (measured: 0.35 s and
    0.3 s for the first two); a wrong matplotlibrc or MPLBACKEND would end a training there. Afterwards all can be
    imported as ever.

    The garbage collector rests meanwhile, and what is there afterwards it never looks at again: half a million objects
    that live as long as the process (measured: 0.4 s less to import, 0.15 s less for each full collection).
    """
    if "keras" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    hidden = [name for name in ("sklearn", "jax", "matplotlib") if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None: an import raises ImportError
    try:
        import keras  # noqa: F401
    finally:
        for name in hidden:
            del modules[name]
        gc.freeze()
        if collecting:
            gc.enable()
