"""What the public functions share: messages, signals, and TensorFlow made ready."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vaecli.backend.process import chatter, import_keras, prepared, threads_in_use
from vaecli.config.arguments import Name, runs_folder, whole
from vaecli.errors import RunError
from vaecli.terminal.console import Console
from vaecli.terminal.signals import Stop, ends_quietly

if TYPE_CHECKING:
    from vaecli.experiment.apply import Applied
    from vaecli.runs import Run
    from vaecli.runs.schema import PriorKind

PRIORS: "tuple[PriorKind, ...]" = ("independent", "autoregressive")

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def console_of(quiet: bool) -> Iterator[Console]:
    """Where messages go; only one thread is inside at a time."""
    with _one_at_a_time, Console(quiet=quiet) as console:
        yield console


def stop_on(reason: str = "stopped before training began") -> Stop:
    return Stop(reason, ends_process=ends_quietly())


@contextlib.contextmanager
def prepared_for(threads: int | None, console: Console) -> Iterator[None]:
    """The environment of TensorFlow; reports where it has already started with another number of threads."""
    if threads is not None and str(whole("threads", threads, 1)) != (known := threads_in_use() or str(threads)):
        console.say(f"--threads {threads}: TensorFlow has already started with {known} in this process and keeps them")
    with prepared(threads):
        yield


@contextlib.contextmanager
def using(threads: int | None, console: Console) -> Iterator[None]:
    """TensorFlow at work on a finished model: what it prints is thrown away."""
    with prepared_for(threads, console), chatter(Path(os.devnull)):
        import_keras()
        yield


@contextlib.contextmanager
def working(run: "Run", threads: int | None, console: Console) -> Iterator[None]:
    """TensorFlow at work for a finished run: what it prints is kept in the run's log, and its end is witnessed.

    What was measured is then on the run's page too.
    """
    from vaecli.launch.witness import witnessed
    from vaecli.reports.run.page import write_page

    with prepared_for(threads, console), witnessed(run.path, run.tensorflow_log, console.stream):
        yield
    try:
        write_page(run, failed=lambda picture: console.say(picture.line))
    except RunError as error:  # the figures are kept all the same
        console.lines(error.lines)


def applied(run: Name, weights: str, output_dir: Name | None) -> "Applied":
    """A finished run with one of its sets of weights, ready for use."""
    from vaecli.experiment.apply import Applied
    from vaecli.runs import find_run

    return Applied(find_run(os.fspath(run), runs_folder(output_dir)), weights)
