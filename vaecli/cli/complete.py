"""Shell completion: what may stand at a place, found without TensorFlow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vaecli.config.arguments import runs_folder
from vaecli.registry import DATASETS, METHODS


def run_names(ctx: Any, incomplete: str) -> list[str]:
    """Runs of the output folder whose names begin with the given text."""
    return _beginning(incomplete, (path.parent.name for path in _folder(ctx).glob("*/run.json")))


def shown_names(ctx: Any, incomplete: str) -> list[str]:
    """What `show` shows: runs, comparisons, reproductions, audits and toys."""
    marks = ("run.json", "comparison.json", "reproduction.json", "audit.json", "toys.json")
    return _beginning(incomplete, (path.parent.name for mark in marks for path in _folder(ctx).glob(f"*/{mark}")))


def _folder(ctx: Any) -> Path:
    return runs_folder(ctx.params.get("output_dir"))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def setting_keys(incomplete: str) -> list[str]:
    """Keys of a config with the sign behind them, and the values of a key that chooses."""
    from vaecli.config.schema import VARIANTS, keys_of_configs

    key, equals, _ = incomplete.partition("=")
    block, _, name = key.partition(".")
    if equals:
        decider, values = VARIANTS.get(block, ("", {}))
        return _beginning(incomplete, (f"{key}={value}" for value in values if name == decider))
    return _beginning(incomplete, (f"{key}=" for key in keys_of_configs()))


def compared_columns(incomplete: str) -> list[str]:
    """What a comparison is sorted by."""
    from vaecli.metrics.metric import COLUMNS

    return _beginning(incomplete, ["method", *COLUMNS])


def listed_columns(incomplete: str) -> list[str]:
    """What a list of runs is sorted by."""
    from vaecli.reports.run.listing import COLUMNS

    return _beginning(incomplete, COLUMNS)


def estimator_names(incomplete: str) -> list[str]:
    """Estimators, after those that are there already with a comma behind each."""
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    found = (name for name, method in METHODS.items() if method.estimator and name not in given)
    return [f"{before}{comma}{name}" for name in _beginning(last, found)]


def toy_names(incomplete: str) -> list[str]:
    """Estimators that draw codes."""
    return _beginning(incomplete, (n for n, method in METHODS.items() if method.estimator and not method.enumerates))


def fetched_names(incomplete: str) -> list[str]:
    """Data sets that are fetched."""
    return _beginning(incomplete, (name for name, found in DATASETS.items() if found.fetched))


def explained_names(incomplete: str) -> list[str]:
    """Methods, columns and keys."""
    from vaecli.reports.explanation import known_names

    return _beginning(incomplete, known_names())


def config_names(incomplete: str) -> list[str]:
    """Presets, configs and methods without a preset that begin with the given text."""
    package = Path(__file__).resolve().parents[1]
    folders = (Path(), Path("configs"), package / "configs", package.parent / "configs")
    found = {path.name for folder in folders for path in folder.glob("*.yaml")}
    found |= {name for name in METHODS if f"{name}.yaml" not in found}
    return sorted(name for name in found if name.startswith(incomplete))


def method_names(incomplete: str) -> list[str]:
    """Methods that begin with the given text, including those of other packages."""
    return [name for name in METHODS if name.startswith(incomplete)]


def config_and_run_names(ctx: Any, incomplete: str) -> list[str]:
    """Runs and configs: what `compare` takes."""
    return [*config_names(incomplete), *run_names(ctx, incomplete)]


def source_names(incomplete: str) -> list[str]:
    """Sources of published figures that begin with the given text."""
    folder = Path(__file__).resolve().parents[1] / "papers" / "sources"
    return sorted(path.stem for path in folder.glob(f"{incomplete}*.yaml"))
