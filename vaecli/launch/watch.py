"""The parent's view of the tasks of a launch, which it reports to a watcher."""

import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from vaecli.experiment.plan import Plan
from vaecli.launch.executors import Workers
from vaecli.launch.task import Beat, Outcome, Task, read_beat

SECONDS_BETWEEN_QUESTIONS = 1.0  # between checks of a scheduler, or of a run that another process trains
SECONDS_BEFORE_A_WORD, SECONDS_BETWEEN_WORDS = 5.0, 300.0  # for messages about missing workers


class Watcher(Protocol):
    """The observer of a launch."""

    def said(self, name: str, line: str) -> None:
        """A message of a task, e.g. from where it resumes."""

    def moved(self, name: str, beat: Beat) -> None:
        """The progress of a task."""

    def lost(self, name: str) -> None:
        """A task has lost its worker and waits for another."""

    def epoch(self, name: str, row: Mapping[str, float | None], last: int) -> None:
        """A row was added to a run's metrics.csv."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """A task is over."""

    def left(self, seconds: float) -> None:
        """The approximate time left for the whole launch."""

    def note(self, line: str) -> None:
        """A message that concerns no single task, e.g. that there are no workers; called from any thread."""


class Job(NamedTuple):
    """A task, and what the parent knows about it."""

    task: Task
    seconds: float  # estimated
    plan: Plan | None  # None for references


class Waiting:
    """Reports from time to time what a launch waits for while it has no workers."""

    def __init__(self, workers: Workers, watcher: Watcher) -> None:
        self.workers, self.watcher = workers, watcher
        self.lacking = False
        self._next_look, self._next_word = 0.0, 0.0

    def look(self) -> bool:
        """Whether there are no workers."""
        now = time.monotonic()
        if now < self._next_look:
            return self.lacking
        found = self.workers.lacking()
        self.lacking = found is not None
        if found and now - found[0] > SECONDS_BEFORE_A_WORD and now > self._next_word:
            self.watcher.note(f"waiting for {found[1]}")
            self._next_word = now + SECONDS_BETWEEN_WORDS
        self._next_look = now + SECONDS_BETWEEN_QUESTIONS
        return self.lacking


class View:
    """The parent's view of one job, reported to a watcher."""

    def __init__(self, job: Job, folder: Path, watcher: Watcher) -> None:
        self.job, self.folder, self.watcher = job, folder, watcher
        self.rows = job.plan.run.rows_done if job.plan else 0
        self.said = 0
        self.pid: int | None = None
        self.first: int | None = None  # steps done before this launch
        self.share = 0.0  # done, of what this launch had to do
        self._holder: str | None = None
        self._next = 0.0

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
            if not math.isnan(beat.loss):  # what follows the training has no loss
                self.first = beat.done if self.first is None else self.first
                self.share = (beat.done - self.first) / max(1, beat.of - self.first)
            if _is_gone(beat):
                self.watcher.lost(name)
            else:
                self.watcher.moved(name, beat)
        if self.job.plan is not None and self.job.plan.run.rows_done > self.rows:
            config, dataset, run = self.job.plan
            last = config.training.last_row(dataset.steps_per_epoch(config.training))
            for row in run.metrics[self.rows :]:
                self.watcher.epoch(name, row, last)
                self.rows += 1

    def held_by(self, holder: str) -> None:
        """Reports once that another process trains this run, and forgets the worker that noticed it."""
        name = self.job.task.name
        if self.pid is not None:
            self.pid, self.said = None, 0
            (self.folder / f"{name}.json").unlink(missing_ok=True)
            self.watcher.lost(name)
        if holder != self._holder:
            self._holder = holder
            self.watcher.said(name, f"is being trained by {holder or 'another process'}; waiting for it")

    def is_free(self) -> bool:
        """Whether no other process trains it any more: it is finished, or its trainer has stopped or died."""
        if time.monotonic() < self._next or self.job.plan is None:
            return False
        self._next = time.monotonic() + SECONDS_BETWEEN_QUESTIONS
        return self.job.plan.run.status != "running"


def _is_gone(beat: Beat) -> bool:
    """Whether the process is known to have ended; on another machine this is unknown."""
    if beat.host != platform.node():
        return False
    try:
        os.kill(beat.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        pass
    return False


def left(jobs: Sequence[Job], views: Mapping[str, View], elapsed: float) -> float:
    """The time left: at first from the estimates, later more and more from the pace so far."""
    at_once = max(1, sum(view.pid is not None for view in views.values()))
    total = sum(job.seconds for job in jobs)
    waiting = sum(view.job.seconds * (1 - view.share) for view in views.values()) / total
    return waiting * (elapsed + waiting * total / at_once)
