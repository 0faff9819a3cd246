"""Tasks handed to an Executor, watched through the launch's folder, and stopped through it."""

import contextlib
import fcntl
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import NamedTuple, Protocol

from vaecli.config import Config, dump
from vaecli.config.schema import NpzData
from vaecli.errors import Interrupted, RunError
from vaecli.experiment import Plan
from vaecli.launch.estimate import seconds_left
from vaecli.launch.executors import open_executor
from vaecli.launch.plans import DataSets
from vaecli.launch.task import REFERENCES, SETTINGS_PER_PROCESS, STOP, Beat, Outcome, Task, perform, read_beat
from vaecli.runs import but_for_the_seed
from vaecli.runs.files import write
from vaecli.runs.references import load_references, references_path, wanted

PREFIX, ALIVE = ".launch-", "alive"
SECONDS_BETWEEN_LOOKS = 0.2
REFERENCE_SECONDS = 30.0  # k-means with ten centres on MNIST; of other sizes only the order is right


class Watcher(Protocol):
    """Who watches a launch."""

    def said(self, name: str, line: str) -> None:
        """What a task has to say, e.g. from where it resumes."""

    def moved(self, name: str, beat: Beat) -> None:
        """A task is so far."""

    def epoch(self, name: str, row: Mapping[str, float | None], epochs: int) -> None:
        """A row has come to a run's metrics.csv."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """A task is over."""

    def left(self, seconds: float) -> None:
        """Of the whole launch, about."""


class Job(NamedTuple):
    """A task, and what the parent knows of it."""

    task: Task
    seconds: float  # estimated
    plan: Plan | None  # None for references


class Launch:
    """The folder that parent and workers share while runs are trained: the stop file, and a beat for each task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop_file = folder / STOP

    def stop(self, code: int) -> None:
        """Running tasks save and end; those that wait end at once."""
        write(self.stop_file, str(code))


@contextlib.contextmanager
def open_launch(output_dir: Path) -> Iterator[Launch]:
    """Its folder, for as long as the block lasts; those of launches that were killed are removed.

    Raises:
        RunError: the output folder cannot be written.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        for old in output_dir.glob(f"{PREFIX}*"):
            _remove_if_dead(old)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output_dir.resolve()))
        alive = os.open(folder / ALIVE, os.O_CREAT | os.O_RDWR)
        fcntl.flock(alive, fcntl.LOCK_EX)
    except OSError as error:
        raise RunError(f"{output_dir}: cannot be written ({error.strerror}); see --output-dir") from None
    try:
        yield Launch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a task that is still there takes that for a stop
        os.close(alive)


def _remove_if_dead(folder: Path) -> None:
    """The system drops the lock of a process that dies."""
    with contextlib.suppress(OSError):
        handle = os.open(folder / ALIVE, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def jobs_of(
    plans: Sequence[Plan],
    launch: Launch,
    data: DataSets,
    *,
    argv: Sequence[str],
    speeds: Mapping[str, float],
) -> list[Job]:
    """What is missing, the longest first, so that none is left for the end; references are one task per data set."""
    jobs = []
    for plan in plans:
        if not plan.run.whole:
            folder = data.folder(plan.config)
            text, where = dump(plan.config.to_dict()), plan.run.path.parent.resolve()
            task = Task(plan.run.name, text, where, folder, launch.folder, tuple(argv))
            jobs.append(Job(task, seconds_left(plan, speeds), plan))
    jobs += _references(plans, launch, data)
    return sorted(jobs, key=lambda job: -job.seconds)


def _references(plans: Sequence[Plan], launch: Launch, data: DataSets) -> Iterator[Job]:
    lacking: dict[Path, list[Plan]] = {}
    for plan in plans:
        path = references_path(plan.run.path.parent, plan.dataset.name, plan.dataset.digest)
        known, asked = load_references(path, plan.dataset.digest), wanted(plan.config, plan.dataset)
        if known is None or (asked and known.limit(plan.config) is None):
            lacking.setdefault(path.resolve(), []).append(plan)
    for path, of_plans in lacking.items():
        name = f"{REFERENCES} {of_plans[0].dataset.name}"
        configs = []
        for plan in of_plans:
            config = launch.folder / f"{plan.run.name}.yaml"
            write(config, dump(_from_anywhere(plan.config).to_dict()))
            configs.append(config)
        folder = None if isinstance(plan.config.data, NpzData) else data.folder(plan.config)
        task = Task(name, "", path.parents[1], folder, launch.folder, configs=tuple(configs))
        yield Job(task, REFERENCE_SECONDS, None)


def _from_anywhere(config: Config) -> Config:
    """The data of a config by an absolute path."""
    if not isinstance(config.data, NpzData):
        return config
    found = config.data.model_copy(update={"path": os.path.abspath(config.data.path)})
    return config.model_copy(update={"data": found})


def train_missing(
    plans: Sequence[Plan],
    data: DataSets,
    watcher: Watcher,
    *,
    output_dir: Path,
    jobs: int,
    scheduler: str | None,
    argv: Sequence[str],
    speeds: Mapping[str, float],
    stop: Callable[[], int | None],
    idle: Callable[[], None],
) -> dict[str, str]:
    """Trains or resumes what is not finished, and computes the references that are lacking.

    A single job has all cores; of several, here or on a cluster, each has one thread.

    Args:
        idle: called in a thread once fewer tasks are left than can run at once.

    Returns:
        The reason of each failure, by the task's name: a run that fails does not stop the others.
    Raises:
        Interrupted: what ran is saved; the same command goes on from there.
        RunError: the output folder cannot be written, or the scheduler not be reached.
    """
    with open_launch(output_dir) as launch:
        asked = jobs_of(plans, launch, data, argv=argv, speeds=speeds)
        if not asked:
            return {}
        jobs = min(jobs, len(asked))
        threads = None if jobs == 1 and scheduler is None else 1
        settings = {but_for_the_seed(job.plan.run.name) for job in asked if job.plan}
        here = jobs == 1 and len(settings) <= SETTINGS_PER_PROCESS
        asked = [job._replace(task=job.task._replace(threads=threads)) for job in asked]
        with open_executor(None if here else jobs, scheduler) as executor:
            return carry_out(asked, executor, launch, watcher, stop=stop, at_once=jobs, idle=idle)


def carry_out(
    jobs: Sequence[Job],
    executor: Executor,
    launch: Launch,
    watcher: Watcher,
    *,
    stop: Callable[[], int | None],
    at_once: int = 0,
    idle: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Hands in every job and watches until the last has ended.

    Args:
        stop: asked again and again; an exit code means: let the running ones save, and raise Interrupted with it.
        at_once: how many tasks can run side by side.
        idle: called in a thread once fewer are left.

    Returns:
        The reason of each failure, by the task's name.
    Raises:
        Interrupted: what ran is saved; the same command goes on from there.
    """
    futures: dict[str, Future[Outcome]] = {job.task.name: executor.submit(perform, job.task) for job in jobs}
    views = {job.task.name: View(job, launch, watcher) for job in jobs}
    failures: dict[str, str] = {}
    unfinished, aside = False, threading.Thread(target=idle)
    stopped, start = None, time.monotonic()
    while views:
        code = stop()
        if code and stopped is None:
            stopped = code
            launch.stop(code)
        for name, view in list(views.items()):
            over = futures[name].done()
            view.look()
            if over:
                del views[name]
                outcome = _outcome(futures[name])
                if view.pid is not None or outcome.failure:
                    watcher.ended(name, outcome)
                unfinished |= outcome.interrupted
                if outcome.failure:
                    failures[name] = outcome.failure
        if len(views) < at_once and not aside.ident:
            aside.start()
        watcher.left(_left(jobs, views, time.monotonic() - start))
        if views:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if stopped and unfinished:
        raise Interrupted("stopped and saved; the same command goes on from there", exit_code=stopped)
    return failures


def _outcome(future: "Future[Outcome]") -> Outcome:
    try:
        return future.result()
    except Exception as error:  # the task returns its own mistakes: this one is of the workers
        return Outcome(f"{type(error).__name__}: {error}")


class View:
    """What the parent has seen of one job, and tells a watcher."""

    def __init__(self, job: Job, launch: Launch, watcher: Watcher) -> None:
        self.job, self.folder, self.watcher = job, launch.folder, watcher
        self.rows = job.plan.run.epochs_done if job.plan else 0
        self.said = 0
        self.pid: int | None = None
        self.first: int | None = None  # steps that were done before this launch
        self.share = 0.0  # of what was to do, done

    def look(self) -> None:
        name = self.job.task.name
        beat = read_beat(self.folder, name)
        if beat is not None:
            if self.pid not in (None, beat.pid):
                self.said = 0
                self.watcher.said(name, f"its worker is gone, process {beat.pid} on {beat.host} takes over")
            self.pid = beat.pid
            for line in beat.said[self.said :]:
                self.watcher.said(name, line)
            self.said = len(beat.said)
            if not math.isnan(beat.loss):
                self.first = beat.done if self.first is None else self.first
                self.share = (beat.done - self.first) / max(1, beat.of - self.first)
            self.watcher.moved(name, beat)
        if self.job.plan is not None and self.job.plan.run.epochs_done > self.rows:
            for row in self.job.plan.run.metrics[self.rows :]:
                self.watcher.epoch(name, row, self.job.plan.config.training.epochs)
                self.rows += 1


def _left(jobs: Sequence[Job], views: Mapping[str, View], elapsed: float) -> float:
    """At first by the estimates, the further it is the more by the pace so far."""
    at_once = max(1, sum(view.pid is not None for view in views.values()))
    total = sum(job.seconds for job in jobs)
    waiting = sum(view.job.seconds * (1 - view.share) for view in views.values()) / total
    return waiting * (elapsed + waiting * total / at_once)
