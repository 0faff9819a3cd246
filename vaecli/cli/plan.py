"""The output of `--dry-run`: everything that would happen, determined without doing it."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vaecli.api import config_of
from vaecli.backend.process import chatter, import_keras, prepared
from vaecli.cli.echo import echo, table_width
from vaecli.config import Config, dump
from vaecli.data import load
from vaecli.data.known import first_folder
from vaecli.data.source import source_of
from vaecli.experiment.plan import plan_run
from vaecli.reports.columns import commented
from vaecli.terminal.console import Console
from vaecli.terminal.signals import Stop


def print_plan(
    config: str,
    keys: Mapping[str, Any],
    output_dir: Path,
    data_dir: Path | None,
    threads: int | None,
    *,
    quiet: bool,
) -> None:
    """Performs `vaecli train --dry-run`; `keys` are the arguments that change the config."""
    with Console(quiet=quiet) as console:
        console.say(f"vaecli train: reading {config}")
        with Stop(), prepared(threads):
            asked = config_of(config, **keys)
            for line in plan_lines(asked, data_dir, output_dir):
                for part in commented(line, table_width()) if line.startswith("#") else [line]:
                    echo(part)


def plan_lines(config: Config, data_dir: Path | None, output_dir: Path) -> Iterator[str]:
    """The resolved config as YAML, with data, folder and parameters as comments."""
    source = source_of(config.data)
    if source.fetchable and source.known_sizes and not source.here(data_dir):
        train, test, image_shape = source.known_sizes
        fallback = f"; if that fails, {config.data.fallback} instead" if config.data.fallback else ""
        data = f"{source.name}, to be fetched into {first_folder(data_dir)} from {', '.join(source.urls)}{fallback}"
        folder = f"{output_dir}/{config.model.name}-..., its name includes the data's digest"
        images = f"{train - config.data.validation:,} training and {test:,} test images"
    else:
        dataset = load(config.data, data_dir)
        plan = plan_run(config, dataset, output_dir)
        image_shape = dataset.image_shape
        data = f"{dataset.called}, found: {dataset.source}"
        state = plan.run.status if plan.run.exists else "new"
        done = {"finished": "its result would be shown", "interrupted": "it would be resumed"}.get(state, "")
        folder = f"{plan.run.path} ({state}{'; ' * bool(done)}{done})"
        images = f"{len(dataset.train):,} training and {len(dataset.test):,} test images"
        images += f", {dataset.steps_per_epoch(config.training):,} steps per epoch"
    yield f"# data: {data}"
    yield f"# images: {images}"
    yield f"# folder: {folder}"
    yield f"# parameters: {_parameters(config, image_shape):,}"
    yield dump(config.to_dict()).rstrip()


def _parameters(config: Config, image_shape: tuple[int, int, int]) -> int:
    with chatter(Path(os.devnull)):
        import_keras()
        from vaecli.models.autoencoder import build

        return sum(math.prod(variable.shape) for variable in build(config, image_shape).weights.values())
