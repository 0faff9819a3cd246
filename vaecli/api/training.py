"""Training one model, or resuming it."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import console_of, prepared_for, stop_on
from vaecli.config.arguments import Name, Settings, called, path_of, runs_folder, settings_of
from vaecli.registry import METHODS

if TYPE_CHECKING:
    from vaecli.config import Config
    from vaecli.experiment.trained import TrainedRun


def train(
    config: "Name | Config | Mapping[str, Any]",
    *,
    set: Settings = (),
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> "TrainedRun":
    """Trains one model, or resumes it; a finished run is returned as it is.

    Args:
        config: a YAML file, the name of one under configs/ or of a shipped preset, a Config, or its tree, such as
            {"model": "gumbel", "training": {"epochs": 3}}.
        set: keys of the config to override, as {"training.epochs": 3} or ["training.epochs=3"].
        epochs: short for "training.epochs": passes over the training images.
        seed: short for "training.seed".
        batch_size: short for "training.batch_size": images per step.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        fresh: begin again, discarding what the run's folder holds.
        quiet: say nothing on stderr.

    Returns:
        The finished run, as `load_run` returns it; its model is built on first use.
    Raises:
        ConfigError: all mistakes of the config.
        DataError: the data is not available.
        Interrupted: Ctrl-C or SIGTERM; the state is saved, and the same call resumes.
        Diverged: the loss is not a finite number; the last good state is kept.
        RunError: the run's folder holds something else, is in use elsewhere, or cannot be written.
    """
    with console_of(quiet) as console:
        console.say(f"vaecli train: reading {called(config)}")
        with stop_on() as stop:
            from vaecli.data import load
            from vaecli.experiment import drawing
            from vaecli.experiment.plan import data_lines, plan_run
            from vaecli.experiment.train import mendable, train_run
            from vaecli.launch.witness import witnessed
            from vaecli.reports.guide import after_training
            from vaecli.reports.run.listing import changed_lines
            from vaecli.reports.run.summary import summary_lines

            asked = config_of(config, set=set, epochs=epochs, seed=seed, batch_size=batch_size)
            console.lines(METHODS.refused([asked.model.name]))
            with prepared_for(threads, console):
                dataset = load(asked.data, path_of(data_dir), console.fetching)
                console.lines(data_lines([dataset]))
                plan = plan_run(asked, dataset, runs_folder(output_dir))
                if plan.run.finished and not fresh and not mendable(plan.run):
                    console.say(f"{plan.run.path} is already finished; this is its result (--fresh trains it again)")
                    if not plan.run.drawn:
                        drawing.draw(plan.run, console.say)
                else:
                    name = plan.config.model.name
                    console.say(f"{name} on {dataset.called} ({dataset.source}) -> {plan.run.path}")
                    with witnessed(plan.run.path, plan.run.tensorflow_log, console.stream):
                        train_run(plan, console, argv=sys.argv, fresh=fresh, stop=stop)
        console.lines(summary_lines(plan.run, console.width))
        console.lines(changed_lines(plan.run))
        settings = [*settings_of(set), *_own(epochs, seed, batch_size)]
        console.rows(after_training(plan.run, _named(config), settings, console.width))
    from vaecli.experiment.trained import load_run

    return load_run(plan.run.path)


def config_of(
    config: "Name | Config | Mapping[str, Any]",
    *,
    set: Settings = (),
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
) -> "Config":
    """What the arguments of `train` describe; raises ConfigError with all mistakes."""
    from vaecli.config import Config, config_from_tree, read_config

    overrides = [*settings_of(set), *_own(epochs, seed, batch_size)]
    if isinstance(config, Config):
        return config_from_tree(config.to_dict(), "config", overrides)
    if isinstance(config, Mapping):
        return config_from_tree(dict(config), "config", overrides)
    return read_config(os.fspath(config), overrides)


def _own(epochs: int | None, seed: int | None, batch_size: int | None) -> list[str]:
    """The settings that have arguments of their own."""
    shortcuts = {"epochs": epochs, "seed": seed, "batch_size": batch_size}
    return settings_of({f"training.{key}": value for key, value in shortcuts.items() if value is not None})


def _named(config: "Name | Config | Mapping[str, Any]") -> str | None:
    """What a command calls the config; None for one that has no name, or was read from standard input."""
    name = os.fspath(config) if isinstance(config, str | os.PathLike) else "-"
    return None if name == "-" else name
