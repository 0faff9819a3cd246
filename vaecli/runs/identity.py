"""The name of a run: the same settings and data give the same folder; anything that changes results, another."""

import hashlib
import json
from typing import Any

from vaecli.config.options import described
from vaecli.config.resolve import resolved
from vaecli.config.schema import Config
from vaecli.data import Dataset

NUMERICS = 4  # raised when the same config would give different numbers
# The meaning of a key before it existed: this value is left out of the hash, whatever the default is.
BEFORE: dict[str, dict[str, Any]] = {"training": {"output_bias": "zero", "compile": "xla", "learning_rate": 1e-3}}
# The same of a method's options.
BEFORE_OF_METHODS: dict[str, dict[str, Any]] = {"straight_through": {"backward_temperature": 1.0}}
WITHOUT_EFFECT = ("checkpoint_seconds", "force_precision")  # keys of `training` that do not change results


def run_name(config: Config, dataset: Dataset) -> str:
    """The name <model>-[<data>-]<hash>-s<seed>; data is omitted for MNIST."""
    code = _hash(config, dataset, but=("seed",))[:8]
    data = "" if dataset.name == "mnist" else f"-{dataset.name}"
    return f"{config.model.name}{data}-{code}-s{config.training.seed}"


def but_for_the_seed(name: str) -> str:
    """The common beginning of the names of runs with the same settings and data."""
    return name.rpartition("-s")[0]


def state_hash(config: Config, dataset: Dataset) -> str:
    """The hash of everything that a training state depends on: the seed included, but not the number of epochs."""
    return _hash(config, dataset, but=("epochs",))


def settings(config: Config, *, but: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Everything that decides a result except the data, resolved, without these keys of `training`, as plain values."""
    config = resolved(config)
    found = {
        block: getattr(config, block).model_dump(mode="json") for block in ("model", "network", "objective", "training")
    }
    for key in (*WITHOUT_EFFECT, *but):
        del found["training"][key]
    # What no run had before it existed; the digest says everything else about the data.
    if config.evaluation.codes != "sample":
        found["evaluation"] = config.evaluation.model_dump(mode="json")
    if config.data.scaling != "unit":
        found["data"] = {"scaling": config.data.scaling}
    return found


def _hash(config: Config, dataset: Dataset, *, but: tuple[str, ...]) -> str:
    """The hash of the settings without some keys of `training`, of the data, and of the numerics."""
    asked = without_defaults(config, settings(config, but=but))
    meaning = {"settings": asked, "data": dataset.digest, "numerics": NUMERICS}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def without_defaults(config: Config, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings without defaults, so that a key added to the schema later does not rename every run.

    The default of a model's option is the one in config/options.py: a method with another default may change it, and
    runs made with the old one keep their names.
    """
    short = {}
    for name, block in settings.items():
        base: Any = Config.model_fields[name].annotation  # `optimizer: sgd` is the default of its variant only
        fields = type(getattr(config, name)).model_fields | base.model_fields
        defaults = {key: field.default for key, field in fields.items() if not field.is_required()}
        defaults |= BEFORE.get(name, {})
        if name == "model":
            defaults = {key: option.default for key, option in described(config.model.method).items()}
            defaults |= BEFORE_OF_METHODS.get(config.model.name, {})
        short[name] = {k: v for k, v in block.items() if k not in defaults or _plain(defaults[k]) != v}
    return short


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
