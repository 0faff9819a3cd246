"""A run before it starts, and who watches it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vaecli.config import Config
from vaecli.config.resolve import resolved
from vaecli.data import Dataset
from vaecli.runs import Run, run_name

if TYPE_CHECKING:
    from vaecli.training.trainer import Chunk, Trainer


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


def plan_run(config: Config, dataset: Dataset, output_dir: Path) -> Plan:
    """Names the run, with every `auto` resolved; raises DataError where a batch is larger than the data."""
    config = resolved(config)
    if dataset.fallback_for:
        data = config.data.model_copy(update={"name": dataset.name, "fallback": None})
        config = config.model_copy(update={"data": data})
    dataset.steps_per_epoch(config.training.batch_size)
    return Plan(config, dataset, Run(output_dir / run_name(config, dataset)))
