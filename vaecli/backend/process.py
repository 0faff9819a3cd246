"""The process that TensorFlow runs in: set up before the import, kept off the terminal, with a number of threads."""

import contextlib
import faulthandler
import gc
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import vaecli
from vaecli.errors import RunFailed

SESSION = "--- session of"  # begins the part of a log that one process writes
TAIL, LONGEST = 100_000, 500  # bytes of a log that are searched; longest quoted line
FAULT = "Fatal Python error: "  # faulthandler's
LOGGED = re.compile(r"[IWEF]\d{4} |WARNING: All log messages|\d{4}-\d\d-\d\d \S+: [IWEF] ")
# The last lines of native code that dies: fatal ones of absl and TensorFlow, LLVM, OpenMP, the C++ and C libraries.
FATAL = re.compile(
    r"F\d{4} |\d{4}-\d\d-\d\d \S+: F |LLVM ERROR: |OMP: Error|terminate called|what\(\):|\*\*\* stack smashing"
    r"|(free|malloc|realloc|munmap_chunk)\(\): |double free or corruption|corrupted |.* Assertion `"
)
ABOUT = re.compile(r"^F\d{4} \S+\s+\d+ |^\d{4}-\d\d-\d\d \S+: F ")  # time and process

KERAS = {"floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-7}
CGROUPS = Path("/sys/fs/cgroup")
INTRAOP, INTEROP = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
FLAGS = ("XLA_FLAGS", "TF_XLA_FLAGS")  # left by other programs: an unknown one ends the process, others change bits
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
ENVIRONMENT = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", ONEDNN, INTRAOP, INTEROP, *FLAGS)
_begun_with: dict[str, str | None] = {}  # the threads that TensorFlow has read


def python(program: str, *arguments: str) -> list[str]:
    """The command that runs this program with this vaecli in another process.

    Neither the working directory, whose random.py or keras.py would be executed, nor the user's filters of warnings
    have a say in it.
    """
    folder = str(Path(vaecli.__file__).parents[1])
    found = (
        f"import sys\nif {folder!r} not in sys.path: sys.path.insert(0, {folder!r})\n"
        "from vaecli.backend.process import reset_warnings; reset_warnings()\n"
    )
    return [sys.executable, "-P", "-X", "faulthandler", "-c", found + program, *arguments]


def reset_warnings() -> None:
    """Puts Python's own filters of warnings in place of the user's: with PYTHONWARNINGS=error no training would end."""
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)


@contextlib.contextmanager
def own_warnings() -> Iterator[None]:
    """A block with Python's own filters of warnings, for a process that is the user's and has theirs afterwards."""
    with warnings.catch_warnings():
        reset_warnings()
        yield


def processors() -> int:
    """The number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> int:
    """The number of processors that may be busy at once: a container's quota of CPU time may allow fewer than exist."""
    quotas = [quota for folder in control_groups("cpu") if (quota := _quota(folder)) is not None]
    return max(1, min([processors(), *map(math.ceil, quotas)]))


def control_groups(controller: str, root: Path = CGROUPS, mine: Path = Path("/proc/self/cgroup")) -> Iterator[Path]:
    """The folders that may hold limits of this process: its control group and those above it, of version 2 and 1."""
    try:
        lines = mine.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = root / controller if controllers else root
            group = top / path.lstrip("/")  # of the host, where the container shows only its own as the top
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top) and folder.is_dir())


def kills_for_memory() -> int:
    """How many processes the system has killed because memory ran out; 0 where that is unknown."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _quota(folder: Path) -> float | None:
    """The CPU quota of a control group, in processors; None if there is no limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = map(float, (folder / "cpu.max").read_text().split())
        else:
            quota, period = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    except (OSError, ValueError):  # "max"
        return None
    return quota / period if quota > 0 and period > 0 else None


def prepare(threads: int | None = None) -> None:
    """Selects Keras on TensorFlow without flags of XLA, whatever the environment says, and the number of threads.

    Convolutions are oneDNN's on every processor. By itself TensorFlow uses it only with AVX512_VNNI or newer; measured
    with AVX2, a step of a convolutional vqvae takes 0.65 to 0.72 of the time with it.

    Args:
        threads: default: all.

    Takes effect only before TensorFlow and Keras are first imported.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ[ONEDNN] = "1"
    for name in FLAGS:
        os.environ.pop(name, None)
    if threads is not None:
        os.environ[INTRAOP] = os.environ[INTEROP] = str(threads)


@contextlib.contextmanager
def prepared(threads: int | None = None) -> Iterator[None]:
    """Does what `prepare` does for one block, with `own_warnings`, and restores the environment afterwards.

    TensorFlow reads the number of threads once. From then on every block has that number whatever it requests, so that
    a run records the number it was really trained with.
    """
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    prepare(threads)
    if _begun_with:
        _set_environment(_begun_with)
    try:
        with own_warnings():
            yield
    finally:
        if "tensorflow" in sys.modules and not _begun_with:
            _begun_with.update({name: os.environ.get(name) for name in (INTRAOP, INTEROP)})
        _set_environment(before)


def threads_in_use() -> str | None:
    """The number of threads TensorFlow was started with in this process, "all", or None before it is started."""
    return (_begun_with[INTRAOP] or "all") if _begun_with else None


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def chatter(log: Path) -> Iterator[None]:
    """Appends to `log` whatever this process writes to file descriptor 2, C++ included, until the end of the block.

    TensorFlow prints there before it reads any setting. Messages for the user go to a duplicate of the descriptor that
    was made before.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        try:
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError:  # a missing log must not stop a run; serious problems are reported elsewhere
            target = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError):  # the same on a full disk
            os.write(target, f"{SESSION} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}, process {os.getpid()}\n".encode())
        os.dup2(target, 2)
        os.close(target)
        with _last_breath():
            yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


@contextlib.contextmanager
def _last_breath() -> Iterator[None]:
    """A context in which a fault of native code (abort, segmentation fault) prints the Python stack to descriptor 2."""
    ours = not faulthandler.is_enabled()
    if ours:
        faulthandler.enable(file=2)
    try:
        yield
    finally:
        if ours:
            faulthandler.disable()


def last_words(log: Path, since: int = 0) -> str | None:
    """The line with which native code ended the newest session of a log after these bytes; None if none did."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    _, begins, newest = text.rpartition(SESSION)
    lines = [line.strip() for line in newest.splitlines()[bool(begins) :] if line.strip()]
    fatal = next((line for line in reversed(lines) if FATAL.match(line)), None)
    if (
        fatal is None
        and (last := next((n for n, line in enumerate(lines) if line.startswith(FAULT)), None)) is not None
    ):
        before = [line for line in lines[:last] if not LOGGED.match(line)]
        fatal = before[-1] if before and "Aborted" in lines[last] else lines[last]
    if fatal is None:
        return None
    return "".join(c if c.isprintable() else "?" for c in ABOUT.sub("", fatal))[:LONGEST]


def import_keras() -> None:
    """Imports Keras and TensorFlow as if scikit-learn, JAX and matplotlib were not installed.

    They import all three, if installed, for wrappers, converters and galleries that no run uses (measured: 0.35 s and
    0.3 s for the first two); a wrong matplotlibrc or MPLBACKEND would end a training there. Afterwards all three can
    be imported as usual.

    The garbage collector is off meanwhile, and ignores from then on what was imported: half a million objects that live
    as long as the process (measured: 0.4 s less to import, 0.15 s less for each full collection).

    Raises:
        RunFailed: another program has imported Keras, for other numbers than 32-bit floats.
    """
    if "keras" in sys.modules:
        check_keras(sys.modules["keras"])
        return
    collecting = gc.isenabled()
    gc.disable()
    hidden = [name for name in ("sklearn", "jax", "matplotlib") if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None: an import raises ImportError
    try:
        import keras

        for name, value in KERAS.items():  # whatever the user's keras.json says
            getattr(keras.config, f"set_{name}")(value)
    finally:
        for name in hidden:
            del modules[name]
        gc.freeze()
        if collecting:
            gc.enable()


def check_keras(keras: Any) -> None:
    """Raises RunFailed if another program has imported Keras on another backend, or for other numbers than ours.

    What another program has set belongs to it, so it is refused and not changed.
    """
    if (found := keras.config.backend()) != "tensorflow":
        way_out = "KERAS_BACKEND=tensorflow before Keras is imported"
        raise RunFailed(f"keras.config.backend() is {found!r} in this process, 'tensorflow' is needed; {way_out}")
    for name, value in KERAS.items():
        if (found := getattr(keras.config, name)()) != value:
            way_out = f"keras.config.set_{name}({value!r}) before"
            raise RunFailed(f"keras.config.{name}() is {found!r} in this process, {value!r} is needed; {way_out}")
