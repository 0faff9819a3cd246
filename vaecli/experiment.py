"""The one place where data, training and run folders meet."""

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vaecli.backend import chatter, import_keras
from vaecli.config import Config
from vaecli.data import Dataset
from vaecli.errors import Diverged, Interrupted, VaecliError
from vaecli.runs import Run, run_name
from vaecli.runs.extend import extend
from vaecli.runs.provenance import provenance

if TYPE_CHECKING:
    from vaecli.training.trainer import Chunk, Trainer

SECONDS_BETWEEN_CHECKPOINTS = 60.0  # within long epochs; every epoch ends with one anyway


class Reporter(Protocol):
    """Who watches a training. File descriptor 2 belongs to the run's tensorflow.log meanwhile."""

    def say(self, line: str) -> None:
        """A line for people."""

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        """After each compiled call."""

    def epoch(self, row: Mapping[str, float | None], epochs: int) -> None:
        """After each epoch, with the row that went to metrics.csv."""


class Plan(NamedTuple):
    """A run before it starts: everything that needs no TensorFlow is settled and checked."""

    config: Config  # as asked, but with the data that was really found
    dataset: Dataset
    run: Run


def plan(config: Config, dataset: Dataset, output_dir: Path) -> Plan:
    """Names the run; raises DataError where a batch is larger than the data."""
    if dataset.fallback_for:
        data = config.data.model_copy(update={"name": dataset.name, "fallback": None})
        config = config.model_copy(update={"data": data})
    dataset.steps_per_epoch(config.training.batch_size)
    return Plan(config, dataset, Run(output_dir / run_name(config, dataset)))


def train(
    plan: Plan,
    reporter: Reporter,
    *,
    argv: Sequence[str] = (),
    fresh: bool = False,
    stop: Callable[[], int | None] = lambda: None,
) -> None:
    """Starts, resumes or extends the planned run, and brings it to its end; a finished run stays as it is.

    Args:
        argv: the command, for run.json.
        fresh: begin again, without what the folder holds.
        stop: asked after each call; an exit code means: save, and raise Interrupted with it.

    Raises:
        Interrupted: the state is saved; the same command goes on from there.
        Diverged: the loss is not a number.
        RunError: the run is being trained elsewhere, or its folder cannot be written.
    """
    config, dataset, run = plan
    with run.lock():
        if fresh:
            run.clear()
        if run.finished:
            return
        if not run.exists:
            run.begin(config, {**provenance(dataset, argv), "extends": extend(run, config, dataset)})
        try:
            with chatter(run.tensorflow_log):
                _train(plan, reporter, stop)
        except VaecliError as error:
            run.log(str(error))
            raise
        except Exception:
            run.log(traceback.format_exc())
            raise


def _train(plan: Plan, reporter: Reporter, stop: Callable[[], int | None]) -> None:
    import_keras()
    from vaecli.journal import Journal
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config, dataset, run = plan
    trainer = Trainer(build(config, dataset.num_pixels), dataset, config)
    journal = Journal(plan, trainer, reporter)
    state = journal.restore(trainer.initial_state())
    saved = time.monotonic()
    for chunk in trainer.chunks(state):
        state = chunk.state
        _check(chunk, run)
        reporter.progress(chunk, trainer)
        if chunk.metrics is not None:
            journal.end_of_epoch(chunk)
        code = stop()
        if chunk.metrics is not None or code or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            journal.save(state)
            saved = time.monotonic()
        if code and state.epoch < trainer.epochs:
            where = f"epoch {state.epoch + 1}, step {state.step} of {trainer.steps_per_epoch}"
            raise Interrupted(f"{run.path}: stopped and saved at {where}; the same command resumes", exit_code=code)
    journal.finish(state)


def _check(chunk: "Chunk", run: Run) -> None:
    if math.isfinite(chunk.loss):
        return
    epoch = chunk.state.epoch + (chunk.metrics is None)
    reason = f"diverged in epoch {epoch}: the loss is {chunk.loss}; a lower training.learning_rate may help"
    run.fail(reason)
    raise Diverged(f"{run.path}: {reason}")
