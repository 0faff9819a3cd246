"""Many runs: which there should be, which are missing, and training those one after another."""

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from vaecli import experiment
from vaecli.config import Config, read_config
from vaecli.data import Dataset, load
from vaecli.errors import ConfigError, Interrupted, VaecliError
from vaecli.experiment import Plan, Reporter
from vaecli.registry import METHODS


def configs_of(names: Sequence[str], settings: Sequence[str], seeds: Iterable[int]) -> list[Config]:
    """Every config at every seed, with each `--set model.*` where the method has the key.

    Raises:
        ConfigError: all mistakes of a config; a key of `model` that none of the methods has.
    """
    methods = {name: read_config(name).model for name in names}
    for setting in settings:
        key = _model_key(setting)
        if key is not None and not any(key in model.method.options for model in methods.values()):
            raise ConfigError([f"--set {setting}: none of {', '.join(names)} has the key '{key}'"])
    found = []
    for name, model in methods.items():
        fitting = [setting for setting in settings if _model_key(setting) in (None, *model.method.options)]
        found += [read_config(name, [*fitting, f"training.seed={seed}"]) for seed in seeds]
    return found


def plans_of(
    configs: Iterable[Config], output_dir: Path, data_dir: Path | None, fetching: Callable[[str, int, int], None]
) -> list[Plan]:
    """The run of each config; every data set is found, fetched and checked once. Raises DataError."""
    datasets: dict[str, Dataset] = {}
    plans = {}
    for config in configs:
        key = repr(config.data)
        if key not in datasets:
            datasets[key] = load(config.data, data_dir, fetching)
        plan = experiment.plan(config, datasets[key], output_dir)
        plans[plan.run.name] = plan
    return list(plans.values())


def train_missing(
    plans: Iterable[Plan], reporter: Reporter, *, argv: Sequence[str], stop: Callable[[], int | None]
) -> Mapping[str, str]:
    """Trains or resumes what is not finished; a run that fails does not stop the others.

    Returns:
        The reason of each failure, by run name.
    Raises:
        Interrupted: the run at hand is saved; the same command goes on from there.
    """
    failures: dict[str, str] = {}
    for plan in plans:
        if plan.run.finished:
            continue
        reporter.say(f"{plan.run.name}:")
        try:
            experiment.train(plan, reporter, argv=argv, stop=stop)
        except Interrupted:
            raise
        except VaecliError as error:
            failures[plan.run.name] = str(error)
        except Exception as error:  # our bug: its traceback is in the run's train.log
            failures[plan.run.name] = f"{plan.run.train_log}: {type(error).__name__}: {error}"
        gc.collect()  # a trainer and its compiled programs refer to each other, and hold the images
    return failures


def all_methods() -> list[str]:
    """Every registered method."""
    return list(METHODS)


def _model_key(setting: str) -> str | None:
    """The key of a setting that only some methods have; None for all others."""
    block, _, key = setting.partition("=")[0].strip().partition(".")
    every = {option for method in METHODS.values() for option in method.options}
    return key if block == "model" and key in every else None
