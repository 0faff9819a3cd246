"""Submits tasks to an Executor, and watches and stops them through the launch's folder."""

import contextlib
import errno
import fcntl
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import NamedTuple

from vaecli.config import dump
from vaecli.config.shapes import latent_of
from vaecli.errors import Damaged, Interrupted, RunError, VaecliError
from vaecli.experiment.plan import Plan
from vaecli.filesystems import where_supported
from vaecli.launch.asked import DataSets
from vaecli.launch.executors import Workers, open_cluster, open_pool
from vaecli.launch.forecast import prior_seconds, seconds_left
from vaecli.launch.task import REFERENCES, STOP, TRAINING, Outcome, Task, draw, perform, read_beat
from vaecli.launch.watch import Job, View, Waiting, Watcher, left
from vaecli.runs.files import write
from vaecli.runs.references import load_references, references_path, wanted
from vaecli.runs.schema import PriorKind

PREFIX, ALIVE = ".launch-", "alive"
SECONDS_BETWEEN_LOOKS = 0.2
SOON = 60.0  # seconds before the last run ends, from which on runs are drawn when none waits for a worker any more
REFERENCE_SECONDS = 30.0  # k-means with ten centres on MNIST; for other sizes only the order of magnitude is right


class Launch:
    """The folder that parent and workers share while runs are trained: the stop file, and a beat for each task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop_file = folder / STOP

    def stop(self, code: int) -> None:
        """Makes running tasks save and end; waiting ones end at once."""
        write(self.stop_file, str(code))

    def given_up(self, task: Task) -> bool:
        """Whether a task is told to stop before it trains, so that there is nothing to save."""
        if not self.stop_file.exists():
            return False
        beat = read_beat(self.folder, task.name)
        return beat is None or (beat.part == TRAINING and math.isnan(beat.loss))


@contextlib.contextmanager
def open_launch(output_dir: Path) -> Iterator[Launch]:
    """The launch's folder for the duration of the block; folders of killed launches are removed.

    Raises:
        RunError: the output folder cannot be written.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        for old in output_dir.glob(f"{PREFIX}*"):
            _remove_if_dead(old)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output_dir.resolve()))
        alive = os.open(folder / ALIVE, os.O_CREAT | os.O_RDWR)
        with where_supported(errno.ENOLCK):
            fcntl.flock(alive, fcntl.LOCK_EX)
    except OSError as error:
        raise RunError(f"{output_dir}: cannot be written ({error.strerror}); see --output-dir") from None
    try:
        yield Launch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a task that still runs treats that as a stop
        os.close(alive)


def _remove_if_dead(folder: Path) -> None:
    """Removes the folder of a launch if its process is dead: the system drops the lock of a process that dies."""
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
    references: bool = True,
    code_prior: PriorKind | None = None,
) -> list[Job]:
    """The missing runs and priors, longest first, so that none is left at the end; of references one per data set."""
    jobs = []
    for plan in plans:
        fitting = prior_seconds(plan, code_prior)
        if not plan.run.whole or fitting:
            folder = data.folder(plan.config)
            text, where = dump(plan.config.to_dict()), plan.run.path.parent.resolve()
            task = Task(plan.run.name, text, where, folder, launch.folder, tuple(argv), log_size=_size(plan))
            task = task._replace(code_prior=code_prior if fitting else None)
            jobs.append(Job(task, seconds_left(plan, speeds) + fitting, plan))
    if references:
        jobs += _references(plans, launch, data)
    return sorted(jobs, key=lambda job: -job.seconds)


def _size(plan: Plan) -> int:
    try:
        return plan.run.tensorflow_log.stat().st_size
    except OSError:
        return 0


def _references(plans: Sequence[Plan], launch: Launch, data: DataSets) -> Iterator[Job]:
    for path, of_plans in _lacking(plans).items():
        name = f"{REFERENCES} {of_plans[0].dataset.name}"
        configs = []
        for plan in of_plans:
            config = launch.folder / f"{plan.run.name}.yaml"
            write(config, dump(plan.config.to_dict()))
            configs.append(config)
        folder = data.folder(plan.config)
        task = Task(name, "", path.parents[1], folder, launch.folder, configs=tuple(configs))
        yield Job(task, REFERENCE_SECONDS, None)


def _lacking(plans: Sequence[Plan]) -> dict[Path, list[Plan]]:
    """The plans whose references were not computed yet, or cannot be read, by the file of their references."""
    found: dict[Path, list[Plan]] = {}
    for plan in plans:
        path = references_path(plan.run.path.parent, plan.dataset.name, plan.dataset.digest)
        asked = wanted(plan.config, plan.dataset)
        try:
            known = load_references(path, plan.dataset.digest)
        except Damaged:
            known = None
        if known is None or (asked and known.limit(latent_of(plan.config, plan.dataset.image_shape)) is None):
            found.setdefault(path.resolve(), []).append(plan)
    return found


class Trained(NamedTuple):
    """What became of the runs."""

    failures: dict[str, str]  # the reason for each, by the task's name: a run that fails does not stop the others
    wait: Callable[[], None]  # until each run is drawn


class Drawings:
    """The drawings of finished runs, which workers make when no run waits for one."""

    def __init__(self, workers: Workers, watcher: Watcher) -> None:
        self._workers, self._watcher = workers, watcher
        self._futures: dict[str, Future[list[str]]] = {}

    def add(self, task: Task) -> None:
        self._futures[task.name] = self._workers.executor.submit(draw, task)

    def wait(self) -> None:
        """Waits for all of them, and says what could not be drawn."""
        waiting = Waiting(self._workers, self._watcher)
        while self._futures:
            name, future = next(iter(self._futures.items()))
            if not wait([future], SECONDS_BETWEEN_LOOKS).done:
                waiting.look()
                continue
            del self._futures[name]
            for line in _lines(name, future):
                self._watcher.said(name, line)


def _lines(name: str, future: "Future[list[str]]") -> list[str]:
    try:
        return future.result()
    except (Exception, CancelledError) as error:  # the worker died, or the scheduler is gone
        return [f"not drawn ({str(error) or type(error).__name__}); `vaecli plot {name}` draws it"]


@contextlib.contextmanager
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
    idle: Callable[[], object],
    references: bool = True,
    code_prior: PriorKind | None = None,
) -> Iterator[Trained]:
    """Trains or resumes what is not finished, fits missing priors, and computes the missing references.

    A single job has all cores; several jobs, here or on a cluster, have one thread each. In the block the last runs are
    still being drawn; its end waits for them.

    Args:
        references: whether the missing references are computed.
        code_prior: the prior over its codes that each run is to have, if it has any.
        idle: called in a thread once fewer tasks are left than can run at once, to import what comes after them.

    Yields:
        What failed, and how to wait for the drawings.
    Raises:
        Interrupted: running tasks are saved; the same command resumes.
        RunError: the output folder cannot be written, or the scheduler cannot be reached.
    """
    lacking = (references and _lacking(plans)) or not all(plan.run.drawn for plan in plans)
    fitting = any(prior_seconds(plan, code_prior) for plan in plans)
    if all(plan.run.whole for plan in plans) and not fitting and not (lacking and os.access(output_dir, os.W_OK)):
        yield Trained({}, lambda: None)  # so a read-only folder is no obstacle
        return
    with open_launch(output_dir) as launch:
        more = {"references": references, "code_prior": code_prior}
        asked = jobs_of(plans, launch, data, argv=argv, speeds=speeds, **more)  # type: ignore[arg-type]
        undrawn = _undrawn(plans, asked, launch)
        jobs = min(jobs, len(asked or undrawn))
        threads = None if jobs == 1 and scheduler is None else 1
        asked = list(_with_drawings_last(asked, jobs, threads))
        opened = (
            open_cluster(scheduler)
            if scheduler
            else open_pool(jobs, launch.folder, given_up=launch.given_up, say=watcher.note)
        )
        with opened as workers:
            drawings = Drawings(workers, watcher)
            for task in undrawn:
                drawings.add(task)
            ended = lambda task: None if task.drawing else drawings.add(task)  # noqa: E731
            failures = carry_out(asked, workers, launch, watcher, stop=stop, at_once=jobs, idle=idle, ended=ended)
            yield Trained(failures, drawings.wait)
            drawings.wait()


def _undrawn(plans: Sequence[Plan], jobs: Sequence[Job], launch: Launch) -> list[Task]:
    """What draws the finished runs that an earlier command was stopped before it drew."""
    names = {job.task.name for job in jobs}
    runs = [plan.run for plan in plans if plan.run.name not in names and not plan.run.drawn]
    return [Task(run.name, "", run.path.parent.resolve(), None, launch.folder) for run in runs]


def _with_drawings_last(jobs: Sequence[Job], at_once: int, threads: int | None) -> Iterator[Job]:
    """The jobs, in their order, of which the last leave drawing their runs to later tasks.

    Where the jobs do not divide by the workers, these have time for it while the last run trains.
    """
    after = sum(job.seconds for job in jobs)
    for job in jobs:
        after -= job.seconds
        drawing = job.plan is None or after > SOON * at_once
        yield job._replace(task=job.task._replace(threads=threads, drawing=drawing))


def carry_out(
    jobs: Sequence[Job],
    workers: Workers,
    launch: Launch,
    watcher: Watcher,
    *,
    stop: Callable[[], int | None],
    at_once: int = 0,
    idle: Callable[[], object] = lambda: None,
    ended: Callable[[Task], object] = lambda task: None,
) -> dict[str, str]:
    """Submits every job and watches until the last has ended.

    A run that another process trains is waited for when nothing else is left, and taken over if that process dies.

    Args:
        stop: called repeatedly; an exit code means: let the running tasks save, and raise Interrupted with it.
        at_once: how many tasks can run side by side.
        idle: called in a thread once fewer are left.
        ended: called with each task that has ended well.

    Returns:
        The reason for each failure, by the task's name.
    Raises:
        Interrupted: running tasks are saved; the same command resumes.
    """
    futures: dict[str, Future[Outcome]] = {job.task.name: workers.executor.submit(perform, job.task) for job in jobs}
    views = {job.task.name: View(job, launch.folder, watcher) for job in jobs}
    failures: dict[str, str] = {}
    unfinished, aside, waiting = False, threading.Thread(target=idle), Waiting(workers, watcher)
    stopped, start = None, time.monotonic()
    while views:
        code = stop()
        if code and stopped is None:
            stopped = code
            launch.stop(code)
            for name, view in views.items():
                if view.pid is None:
                    futures[name].cancel()
        for name, view in list(views.items()):
            over = futures[name].done()
            view.look()
            if not over:
                continue
            outcome = _outcome(futures[name], stopped=stopped is not None)
            if outcome.held_by is not None and not stopped:
                view.held_by(outcome.held_by)
                if view.is_free():
                    futures[name] = workers.executor.submit(perform, view.job.task)
                continue
            del views[name]
            if view.pid is not None or outcome.failure:
                watcher.ended(name, outcome)
            unfinished |= outcome.interrupted or outcome.held_by is not None
            if outcome.failure:
                failures[name] = outcome.failure
            elif not outcome.interrupted and outcome.held_by is None:
                ended(view.job.task)
        if waiting.look() and stopped and views:
            unfinished = True
            break
        if len(views) < at_once and not aside.ident:
            aside.start()
        watcher.left(left(jobs, views, time.monotonic() - start))
        if views:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if stopped and unfinished:
        raise Interrupted("stopped and saved; the same command resumes", exit_code=stopped)
    return failures


def _outcome(future: "Future[Outcome]", *, stopped: bool) -> Outcome:
    try:
        return future.result()
    except CancelledError:
        return Outcome(interrupted=True) if stopped else Outcome("the scheduler is gone, or has dropped the task")
    except Interrupted:
        return Outcome(interrupted=True)
    except VaecliError as error:
        return Outcome(error.lines[0])
    except Exception as error:  # the task returns its own errors: this one comes from the workers
        return Outcome(f"{type(error).__name__}: {error}")
