"""The name of a run: the same settings and data give the same folder, anything that changes results another."""

import hashlib
import json
from typing import Any

from vaecli.config.options import described
from vaecli.config.resolve import resolved
from vaecli.config.schema import Config
from vaecli.data import Dataset

# Raise it when the same config would give other numbers than before.
NUMERICS = 2
# What a key meant before it was there: this value is left out of the hash, whatever the default is.
BEFORE: dict[str, dict[str, Any]] = {"training": {"output_bias": "zero"}}
WITHOUT_EFFECT = ("checkpoint_seconds",)  # keys of `training` that change no result


def run_name(config: Config, dataset: Dataset) -> str:
    """<model>-[<data>-]<hash>-s<seed>; data is named unless it is MNIST."""
    code = _hash(config, dataset, but=("seed",))[:8]
    data = "" if dataset.name == "mnist" else f"-{dataset.name}"
    return f"{config.model.name}{data}-{code}-s{config.training.seed}"


def but_for_the_seed(name: str) -> str:
    """What the names of runs of the same settings and data begin with."""
    return name.rpartition("-s")[0]


def state_hash(config: Config, dataset: Dataset) -> str:
    """Of all that a training state depends on: seed included, but not how many epochs are still to come."""
    return _hash(config, dataset, but=("epochs",))


def settings(config: Config, *, but: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """All that decides a result but the data, without these keys of `training`, in plain values and resolved."""
    config = resolved(config)
    found = {
        block: getattr(config, block).model_dump(mode="json") for block in ("model", "network", "objective", "training")
    }
    for key in (*WITHOUT_EFFECT, *but):
        del found["training"][key]
    return found


def _hash(config: Config, dataset: Dataset, *, but: tuple[str, ...]) -> str:
    """Of the settings without some keys of `training`, of the data, and of NUMERICS."""
    asked = without_defaults(config, settings(config, but=but))
    meaning = {"settings": asked, "data": dataset.digest, "numerics": NUMERICS}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def without_defaults(config: Config, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Left out, so that a key added to the schema later does not rename every run.

    The default of a model's option is the one in config/options.py: a method that has another one may change it, and
    what was made with the old one keeps its name.
    """
    short = {}
    for name, block in settings.items():
        base: Any = Config.model_fields[name].annotation  # `optimizer: sgd` is the default of its variant only
        fields = type(getattr(config, name)).model_fields | base.model_fields
        defaults = {key: field.default for key, field in fields.items() if not field.is_required()}
        defaults |= BEFORE.get(name, {})
        if name == "model":
            defaults = {key: option.default for key, option in described(config.model.method).items()}
        short[name] = {k: v for k, v in block.items() if k not in defaults or _plain(defaults[k]) != v}
    return short


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
