"""Estimates before the start whether a training fits into memory: the system would kill it without a message."""

import contextlib
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vaecli.backend.process import control_groups
from vaecli.config import Config, config_from_tree
from vaecli.config.schema import RMSpropConfig, TrainingConfig
from vaecli.config.shapes import latent_of, shapes
from vaecli.data import Dataset, Split
from vaecli.errors import ConfigError, RunFailed

LIBRARIES = 800e6  # bytes of TensorFlow and Keras (710 MB when imported) and of compiled programs (80 to 300 MB)
COPIES = 5  # of weights and slots: variables, gradients, a call's arguments and results, and a checkpoint being written
ARCHIVED = 3  # copies of an array while an npz is written: itself, the growing archive, and its bytes
# Arrays that an optimiser keeps of each matrix
SLOTS = {"adam": 2, "adamw": 2, "lion": 1, "muon": 1, "nadam": 2, "radam": 2, "rmsprop": 1, "sgd": 1}
EVALUATED = 1000  # images per call of the evaluation
NOTABLE = 50e6  # bytes below which no change of a key is worth a word


def check(config: Config, dataset: Dataset) -> None:
    """Raises RunFailed if the training will need more memory than is free."""
    need, free = needed(config, dataset), available()
    if free is not None and need > free:
        raise RunFailed(
            f"out of memory before the start: about {need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
            f"{way_out(config, dataset)}"
        )


def way_out(config: Config, dataset: Dataset) -> str:
    """Which change of one key makes the estimate smallest, and by how much; or that none does."""
    need = needed(config, dataset)
    freed = {words: need - smaller for words, smaller in _smaller(config, dataset)}
    best = max(freed, key=freed.__getitem__, default="")
    if not best or freed[best] < NOTABLE:
        return f"TensorFlow itself takes about {LIBRARIES / 1e9:.1f} GB, and no key would free much of the rest"
    return f"{best} would free about {freed[best] / 1e9:.1f} GB"


def _smaller(config: Config, dataset: Dataset) -> Iterator[tuple[str, float]]:
    """Changes of one key that may need less memory, with the estimate after each."""
    options, widths = config.model.options(), config.network.widths
    halved: dict[tuple[str, str], Any] = {("training", "batch_size"): config.training.batch_size // 2}
    halved["network", widths] = [max(1, width // 2) for width in getattr(config.network, widths)]
    halved |= {("model", key): value // 2 for key, value in options.items() if type(value) is int}
    if isinstance(levels := options.get("levels"), tuple):
        halved["model", "levels"] = [max(2, level // 2) for level in levels]
    for (block, key), value in halved.items():
        with contextlib.suppress(ConfigError):  # no such value, as 0 of 1
            changed = config_from_tree(config.to_dict() | {block: config.to_dict()[block] | {key: value}}, "config")
            yield f"half of {block}.{key}", needed(changed, dataset)
    if config.data.name == "folder":
        with contextlib.suppress(ConfigError):  # images that cannot be halved so often
            yield "half of data.size", needed(config, _parts(dataset, np.s_[:, ::2, ::2]))
    if config.data.name in ("npz", "folder"):
        yield "half as many images at data.path", needed(config, _parts(dataset, np.s_[::2]))
        unlabelled = replace(dataset, test=Split(dataset.test.images))
        yield "data.labels: none", needed(config, unlabelled)


def _parts(dataset: Dataset, part: Any) -> Dataset:
    """The data set with a part of each array of images; labels stay, as only their kinds are counted."""
    splits = dataset.train, dataset.test, dataset.validation
    train, test, held = (split and Split(split.images[part], split.labels) for split in splits)
    assert train is not None
    assert test is not None
    return replace(dataset, train=train, test=test, validation=held)


def needed(config: Config, dataset: Dataset) -> float:
    """An estimate, in bytes: images, weights and slots of all layers, activations of a batch, and tables.

    Within a quarter of the peak of a process that trains one run; tests/benchmarks/memory.py holds it to that.
    """
    sizes = shapes(config, dataset.image_shape)
    weights = 4 * sizes.weights
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if split]
    images = sum(split.images.nbytes for split in splits)
    batch = max(config.training.batch_size, min(EVALUATED, len(dataset.test)))
    return (
        LIBRARIES
        + images
        + COPIES * (1 + slots(config.training)) * weights
        + 4 * batch * (sizes.units + distances(config, dataset))
        + tables(config, dataset)
    )


def distances(config: Config, dataset: Dataset) -> int:
    """The numbers that a codebook of rows computes for one image: the distance of each vector to each row."""
    rows = config.model.options().get("num_codes", 0)
    return rows * latent_of(config, dataset.image_shape).num_vectors


def slots(training: TrainingConfig) -> int:
    """The number of arrays of a weight's size that the optimiser keeps."""
    more = (training.momentum > 0) + training.centered if isinstance(training, RMSpropConfig) else 0
    return SLOTS[training.optimizer] + more


def tables(config: Config, dataset: Dataset) -> float:
    """The bytes of the last evaluation: each image's codes, and for single codes their pictures and codes x labels."""
    latent, test = latent_of(config, dataset.image_shape), dataset.test
    if not latent.discrete:
        return 0
    of_images = 4 * len(test) * latent.num_codes
    if latent.single is None:
        return of_images
    labels = 0 if test.labels is None else len(np.unique(test.labels))
    return of_images + ARCHIVED * latent.single * (4 * dataset.num_pixels + 8 * labels)


def available() -> float | None:
    """The bytes that machine, container and the process's own limit still allow; None if unknown."""
    limits = []
    machine = _number(Path("/proc/meminfo"), "MemAvailable:")
    if machine is not None:
        limits.append(1024 * machine)
    for folder in control_groups("memory"):
        for name, label in (("memory.max", "anon "), ("memory.limit_in_bytes", "total_rss ")):  # without caches
            limit, used = _number(folder / name), _number(folder / "memory.stat", label)
            if limit is not None and used is not None:
                limits.append(limit - used)
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    return min(limits, default=None)


def _number(path: Path, label: str = "") -> float | None:
    """The first number after a label; None if the file is missing or says something else, such as "max"."""
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(label):
                return float(line.removeprefix(label).split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return None
