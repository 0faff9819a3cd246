"""A run before it starts, and the observer of a training."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vaecli.config import Config
from vaecli.config.latent import MAX_ENUMERATED_CODES
from vaecli.config.resolve import resolved
from vaecli.config.shapes import latent_of
from vaecli.data import Dataset
from vaecli.errors import ConfigError
from vaecli.runs import Run, run_name

if TYPE_CHECKING:
    from vaecli.training.trainer import Chunk, Trainer


class Reporter(Protocol):
    """The observer of a training. Meanwhile file descriptor 2 belongs to the run's tensorflow.log."""

    def say(self, line: str) -> None:
        """Shows a line to the user."""

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        """Called after each compiled call."""

    def epoch(self, row: Mapping[str, float | None], epochs: int) -> None:
        """Called after each epoch, with the row written to metrics.csv."""


class Plan(NamedTuple):
    """A run before it starts: everything that needs no TensorFlow is decided and checked."""

    config: Config  # as requested, but with the data that was actually found
    dataset: Dataset
    run: Run


def plan_run(config: Config, dataset: Dataset, output_dir: Path) -> Plan:
    """Names the run, with every `auto` resolved.

    Raises:
        DataError: a batch is larger than the data.
        ConfigError: the network cannot be built for these images, or the method cannot decode all codes of its grid.
    """
    config = resolved(config)
    if dataset.fallback_for:
        data = config.data.model_copy(update={"name": dataset.name, "fallback": None})
        config = config.model_copy(update={"data": data})
    dataset.steps_per_epoch(config.training.batch_size)
    latent = latent_of(config, dataset.image_shape)
    if config.model.method.enumerates and not latent.enumerable:
        raise ConfigError(
            [
                f"model: '{config.model.name}' decodes all codes of an image at each step, at most "
                f"{MAX_ENUMERATED_CODES}; a grid of {latent} has "
                f"{latent.most_values}^{latent.num_codes} (network.grid: false has one position)"
            ]
        )
    return Plan(config, dataset, Run(output_dir / run_name(config, dataset)))
