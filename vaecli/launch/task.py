"""The work of one worker: one run, or the reference limits. A task is plain text and paths, and so is its outcome.

Parent and workers share nothing but a file system. A launch has its own folder beside the runs: a task writes its
progress there, and looks there for a stop file.
"""

import contextlib
import ctypes
import functools
import gc
import json
import math
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vaecli.backend.process import last_words, own_warnings, prepare, python
from vaecli.config import config_from_text
from vaecli.config.schema import DataConfig
from vaecli.data import Dataset
from vaecli.data.load import prepared, silent
from vaecli.data.source import source_of
from vaecli.errors import BeingTrained, Interrupted, RunError, RunFailed, VaecliError
from vaecli.experiment import drawing, prior
from vaecli.experiment.plan import Plan, plan_run
from vaecli.experiment.train import train_run
from vaecli.launch.witness import record_death
from vaecli.launch.worker import RENEWED, is_renewed
from vaecli.runs import Run, but_for_the_seed
from vaecli.runs.files import write_json
from vaecli.runs.schema import PriorKind

if TYPE_CHECKING:
    from vaecli.training.trainer import Chunk, Trainer

STOP = "stop"
SECONDS_BETWEEN_BEATS = 0.5
REFERENCES = "references"
TRAINING = "training"
COMMAND = "from vaecli.launch.worker import end_with_stdin; end_with_stdin(); from vaecli.cli import main; main()"
# XLA never frees a compiled program: some 400 memory maps and 20 MB for each setting at the article's size, while its
# seeds share one. Measured on MNIST, the largest worker peaks 310 to 340 MB above importing TensorFlow with the five
# methods of the article; with all methods 380 MB when renewed after three settings, 440 MB after six.
SETTINGS_PER_PROCESS = 3

# TensorFlow, its log and its compiled programs belong to a process, however many threads a worker has.
_ONE_AT_A_TIME = threading.Lock()
_trained: set[str] = set()  # by this process, ignoring the seed


class Task(NamedTuple):
    """One run, or (with `configs` and no `config`) the references of several. All paths are absolute."""

    name: str  # of the run, as the parent planned it
    config: str  # YAML
    output_dir: Path
    data_dir: Path | None
    folder: Path  # of this launch
    argv: tuple[str, ...] = ()
    threads: int | None = None  # of TensorFlow; None: all
    configs: tuple[Path, ...] = ()
    log_size: int = 0  # bytes of the run's tensorflow.log before this launch
    code_prior: PriorKind | None = None  # the prior over its codes that the run is to have
    drawing: bool = True  # whether the run is drawn as soon as it is finished, or by `draw` later


class Outcome(NamedTuple):
    """How a task ended: successfully, with a reason, saved and stopped, or because another process trains the run.

    This is never an exception, so that nothing is retried.
    """

    failure: str | None = None
    interrupted: bool = False
    held_by: str | None = None  # who trains this run elsewhere; empty if unknown


class Beat(NamedTuple):
    """The progress of a running task."""

    done: int  # steps
    of: int
    loss: float
    host: str
    pid: int
    said: list[str]
    part: str = TRAINING  # what the steps are of


def perform(task: Task) -> Outcome:
    """Trains or resumes the run of a task until it is finished, or until the stop file appears."""
    with _ONE_AT_A_TIME, own_warnings():  # a worker that was started by hand has its user's
        try:
            _perform(task)
        except (Interrupted, KeyboardInterrupt):
            return Outcome(interrupted=True)
        except BeingTrained as error:
            return Outcome(held_by=error.holder or "")
        except VaecliError as error:
            return Outcome(error.lines[0])
        except Exception as error:  # our bug: its traceback is in the run's train.log
            return Outcome(f"{task.output_dir / task.name / 'train.log'}: {type(error).__name__}: {error}")
        finally:
            _give_back()
        return Outcome()


def draw(task: Task) -> list[str]:
    """Draws the finished run of a task, if nobody has; returns a line for each picture that could not be drawn."""
    said: list[str] = []
    run = Run(task.output_dir / task.name)
    with _ONE_AT_A_TIME, own_warnings():
        if not run.drawn:
            drawing.draw(run, said.append)
    return said


def _give_back() -> None:
    """Frees a run's memory: its trainer and the programs' graphs form reference cycles.

    XLA compiles in many small pieces, between which glibc keeps some 100 MB of a worker's memory until told to free it.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _perform(task: Task) -> None:
    if not task.folder.is_dir():
        raise RunError(f"{platform.node()} does not see {task.output_dir}: all workers need the same file system")
    stop = functools.partial(_stop_code, task.folder)
    if stop():
        raise Interrupted("stopped before it began")
    if task.configs:
        _compute_references(task, stop)
        return
    run = Run(task.output_dir / task.name)
    if reason := record_death(run, since=task.log_size):  # in an earlier worker of this launch: so would this one
        raise RunFailed(reason)
    if not run.finished:  # the outcome of a worker's last task may have been lost with it
        setting = but_for_the_seed(task.name)
        if len(_trained | {setting}) > SETTINGS_PER_PROCESS and is_renewed():
            os._exit(RENEWED)  # the task goes to another process
        _trained.add(setting)
    prepare(task.threads)
    config = config_from_text(task.config, task.name)
    dataset = _dataset(config.data, task.data_dir)
    plan = plan_run(config, dataset, task.output_dir)
    if plan.run.name != task.name:
        raise RunError(f"{platform.node()}: has another version of vaecli or of the data (run {plan.run.name})")
    beacon = Beacon(task.folder / f"{task.name}.json")
    train_run(plan, beacon, argv=task.argv, drawn=False, stop=stop)
    if task.code_prior is not None:
        _fit_prior(plan, task.code_prior, beacon, stop)
    if task.drawing and not run.drawn:
        drawing.draw(run, beacon.say)


def _fit_prior(plan: Plan, kind: PriorKind, beacon: "Beacon", stop: Callable[[], int | None]) -> None:
    """Fits a prior over the codes of a finished run, or resumes; one that is there is left alone."""
    run, dataset = Run(plan.run.path), plan.dataset
    say = lambda line: beacon.say(line.removeprefix(f"{run.name}: "))  # noqa: E731
    asked = prior.asked_of(run, kind, conditional=False, epochs=None)
    if prior.known(run, asked, say) is None:
        say(f"{kind} prior over its {run.latent}")
        options = {"fetching": silent, "counting": beacon.counting, "say": say, "stop": stop}
        prior.fit(run, asked, None, dataset=dataset, **options)  # type: ignore[arg-type]


def _stop_code(folder: Path) -> int | None:
    try:
        return int((folder / STOP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None if folder.is_dir() else 128 + signal.SIGTERM  # the launching process is gone
    except (OSError, ValueError):
        return 128 + signal.SIGTERM


@functools.lru_cache(maxsize=1)
def _dataset(data: DataConfig, folder: Path | None) -> Dataset:
    """The data set, read once per worker from where the parent found it."""
    return prepared(source_of(data).read_in(folder), data)


def _compute_references(task: Task, stop: Callable[[], int | None]) -> None:
    """Computes the references in a separate process, because k-means copies the images."""
    options = [word for path in task.configs for word in ("--config", str(path))]
    command = python(COMMAND, "data", "references", "--quiet", *options)
    command += ["--output-dir", str(task.output_dir)]
    if task.data_dir is not None:
        command += ["--data-dir", str(task.data_dir)]
    _beat(task.folder / f"{task.name}.json", 0, 1, float("nan"), [])
    threads = {} if task.threads is None else {"OMP_NUM_THREADS": str(task.threads)}
    log = task.folder / f"{task.name}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # it ends when this process does
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C is handled by the parent
        )
    try:
        while process.poll() is None:
            if stop():
                raise Interrupted("the references are not computed yet")
            time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise RunError(f"references: {last_words(log) or (lines or [f'exit code {process.returncode}'])[-1]}")


class Beacon:
    """A Reporter that writes the progress of a run into a file for the parent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self._next = 0.0
        self._write(0, 1, float("nan"))

    def say(self, line: str) -> None:
        self.said.append(line)
        self._write(*self._last)  # at once: it may be the last that the task says

    def _write(self, done: int, of: int, loss: float, part: str = TRAINING) -> None:
        self._last = done, of, loss, part
        _beat(self.path, done, of, loss, self.said, part)

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        if time.monotonic() < self._next:
            return
        self._write(trainer.done(chunk.state), trainer.end.steps, chunk.loss)
        self._next = time.monotonic() + SECONDS_BETWEEN_BEATS

    def counting(self, what: str, total: int) -> Callable[[int], None]:
        """Writes how many of `total` are done of what follows a run's training."""

        def count(done: int) -> None:
            if time.monotonic() >= self._next:
                self._write(done, total, float("nan"), f"its prior, {what}")
                self._next = time.monotonic() + SECONDS_BETWEEN_BEATS

        return count

    def epoch(self, row: Mapping[str, float | None], last: int) -> None:
        """Does nothing: the parent reads metrics.csv."""


def _beat(path: Path, done: int, of: int, loss: float, said: list[str], part: str = TRAINING) -> None:
    beat = Beat(done, of, loss, platform.node(), os.getpid(), said, part)
    if path.parent.is_dir():  # the launch may be over and its folder gone
        write_json(path, {**beat._asdict(), "loss": loss if math.isfinite(loss) else None})


def read_beat(folder: Path, name: str) -> Beat | None:
    """The last beat of a task; None before its first."""
    try:
        found = Beat(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found._replace(loss=float("nan") if found.loss is None else found.loss)
