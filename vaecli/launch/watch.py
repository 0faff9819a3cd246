"""What the parent of a launch sees of its tasks, and tells whoever watches."""

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

SECONDS_BETWEEN_QUESTIONS = 1.0  # to a scheduler, or to a run that another process trains
SECONDS_BEFORE_A_WORD, SECONDS_BETWEEN_WORDS = 5.0, 300.0  # about workers that are waited for


class Watcher(Protocol):
    """Who watches a launch."""

    def said(self, name: str, line: str) -> None:
        """What a task has to say, e.g. from where it resumes."""

    def moved(self, name: str, beat: Beat) -> None:
        """A task is so far."""

    def lost(self, name: str) -> None:
        """A task has no worker any more, and waits for another."""

    def epoch(self, name: str, row: Mapping[str, float | None], epochs: int) -> None:
        """A row has come to a run's metrics.csv."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """A task is over."""

    def left(self, seconds: float) -> None:
        """Of the whole launch, about."""

    def note(self, line: str) -> None:
        """What concerns no task alone, e.g. that there are no workers; from any thread."""


class Job(NamedTuple):
    """A task, and what the parent knows of it."""

    task: Task
    seconds: float  # estimated
    plan: Plan | None  # None for references


class Waiting:
    """Says, now and then, for what a launch waits while it has no workers."""

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
    """What the parent has seen of one job, and tells a watcher."""

    def __init__(self, job: Job, folder: Path, watcher: Watcher) -> None:
        self.job, self.folder, self.watcher = job, folder, watcher
        self.rows = job.plan.run.epochs_done if job.plan else 0
        self.said = 0
        self.pid: int | None = None
        self.first: int | None = None  # steps that were done before this launch
        self.share = 0.0  # of what was to do, done
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
            if not math.isnan(beat.loss):
                self.first = beat.done if self.first is None else self.first
                self.share = (beat.done - self.first) / max(1, beat.of - self.first)
            if _is_gone(beat):
                self.watcher.lost(name)
            else:
                self.watcher.moved(name, beat)
        if self.job.plan is not None and self.job.plan.run.epochs_done > self.rows:
            for row in self.job.plan.run.metrics[self.rows :]:
                self.watcher.epoch(name, row, self.job.plan.config.training.epochs)
                self.rows += 1

    def held_by(self, holder: str) -> None:
        """Another process trains this run: said once, and the worker that met it is forgotten."""
        name = self.job.task.name
        if self.pid is not None:
            self.pid, self.said = None, 0
            (self.folder / f"{name}.json").unlink(missing_ok=True)
            self.watcher.lost(name)
        if holder != self._holder:
            self._holder = holder
            self.watcher.said(name, f"is being trained by {holder or 'another process'}; waits for it")

    def is_free(self) -> bool:
        """Whether no other process trains it any more: it is finished, or whoever did so has stopped or died."""
        if time.monotonic() < self._next or self.job.plan is None:
            return False
        self._next = time.monotonic() + SECONDS_BETWEEN_QUESTIONS
        return self.job.plan.run.status != "running"


def _is_gone(beat: Beat) -> bool:
    """Whether the process is known to have ended; that of another machine is not."""
    if beat.host != platform.node():
        return False
    try:
        os.kill(beat.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's
        pass
    return False


def left(jobs: Sequence[Job], views: Mapping[str, View], elapsed: float) -> float:
    """At first by the estimates, the further it is the more by the pace so far."""
    at_once = max(1, sum(view.pid is not None for view in views.values()))
    total = sum(job.seconds for job in jobs)
    waiting = sum(view.job.seconds * (1 - view.share) for view in views.values()) / total
    return waiting * (elapsed + waiting * total / at_once)
