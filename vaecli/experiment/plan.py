"""A run before it starts, and the observer of a training."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vaecli.config import Config
from vaecli.config.latent import MAX_ENUMERATED_CODES, Latent
from vaecli.config.resolve import EPOCHS_FOR_ONE, resolved, standing_in
from vaecli.config.shapes import latent_of
from vaecli.data import Dataset
from vaecli.errors import ConfigError, DataError, RunError
from vaecli.runs import Run, all_runs, run_name

if TYPE_CHECKING:
    from vaecli.training.trainer import Chunk, Trainer


class Reporter(Protocol):
    """The observer of a training. Meanwhile file descriptor 2 belongs to the run's tensorflow.log."""

    def say(self, line: str) -> None:
        """Shows a line to the user."""

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        """Called after each compiled call."""

    def epoch(self, row: Mapping[str, float | None], last: int) -> None:
        """Called with each row written to metrics.csv, and the epoch of the last (the step, if the rows have one)."""


class Plan(NamedTuple):
    """A run before it starts: everything that needs no TensorFlow is decided and checked."""

    config: Config  # as requested, but with the data that was actually found
    dataset: Dataset
    run: Run


def plan_run(config: Config, dataset: Dataset, output_dir: Path) -> Plan:
    """Names the run, with every `auto` resolved.

    Raises:
        DataError: a batch is larger than the data; or other data would stand in for those of the runs beside it.
        ConfigError: a step or a warm-up lies beyond the end of the run, the network cannot be built for these images,
            or the method cannot decode all codes of its grid.
    """
    config = resolved(config)
    if dataset.fallback_for:
        _check_neighbours(dataset, output_dir)
        config = standing_in(config, dataset.name)
    _check_length(config, dataset.steps_per_epoch(config.training))
    _check_latent(config, latent_of(config, dataset.image_shape))
    return Plan(config, dataset, Run(output_dir / run_name(config, dataset)))


def data_lines(datasets: Iterable[Dataset]) -> Iterator[str]:
    """What was made of the user's files; what is used instead of data that are not available, and for how long."""
    for dataset in datasets:
        yield from dataset.made
        if dataset.fallback_for:
            yield dataset.fallback_reason or ""
            yield (
                f"training on the bundled {dataset.name} (8x8) instead of {dataset.fallback_for}, for {EPOCHS_FOR_ONE} "
                f"epochs where {dataset.fallback_for} would have one, because they are few"
            )


def _check_neighbours(dataset: Dataset, output_dir: Path) -> None:
    """Nobody who has runs on the data itself wants one on what stands in for them."""
    for run in all_runs(output_dir):
        with contextlib.suppress(RunError):  # of a folder that cannot be read nobody knows the data
            if run.info["data"]["name"] == dataset.fallback_for:
                raise DataError(
                    dataset.fallback_reason or "",
                    f"{run.path} was trained on {dataset.fallback_for}, so {dataset.name} are no fallback here; "
                    f"--data-dir names its folder, and --set data.name={dataset.name} trains on them all the same",
                )


def _check_length(config: Config, steps_per_epoch: int) -> None:
    """What can be checked only when the steps of an epoch are known."""
    training, mistakes = config.training, []
    total = training.total_steps(steps_per_epoch)
    if training.evaluate_at and training.evaluate_at[-1] > total:
        mistakes.append(
            f"training.evaluate_at: {training.evaluate_at[-1]:,} is beyond the end of the run after {total:,} steps"
        )
    for (block, key), schedule in config.schedules.items():
        if training.steps and schedule.stretched and schedule.warm_up * steps_per_epoch >= total:
            mistakes.append(
                f"{block}.{key}.warm_up: {schedule.warm_up:g} epochs of {steps_per_epoch:,} steps are not over when "
                f"the run ends after {total:,}, so its shape has no time; give a `horizon`, or more steps"
            )
    unquantized = config.model.options().get("unquantized_steps", 0)
    if unquantized >= total:
        mistakes.append(
            f"model.unquantized_steps: {unquantized:,} are not over when the run ends after {total:,} steps, so that "
            "nothing would be quantised"
        )
    if mistakes:
        raise ConfigError(mistakes)


def _check_latent(config: Config, latent: Latent) -> None:
    """What can be checked only when the grid of the images is known."""
    if config.model.method.enumerates and not latent.enumerable:
        raise ConfigError(
            [
                f"model: '{config.model.name}' decodes all codes of an image at each step, at most "
                f"{MAX_ENUMERATED_CODES}; a grid of {latent} has "
                f"{latent.most_values}^{latent.num_codes} (network.grid: false has one position)"
            ]
        )
