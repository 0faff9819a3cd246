"""Estimates before the start whether a training fits into memory: the system would kill it without a message."""

import resource
from pathlib import Path

import numpy as np

from vaecli.backend.process import control_groups
from vaecli.config import Config
from vaecli.config.schema import RMSpropConfig, TrainingConfig
from vaecli.config.shapes import latent_of, shapes
from vaecli.data import Dataset
from vaecli.errors import RunFailed

LIBRARIES = 800e6  # bytes of TensorFlow and Keras (710 MB when imported) and of compiled programs (80 to 300 MB)
COPIES = 5  # of weights and slots: variables, gradients, a call's arguments and results, and a checkpoint being written
ARCHIVED = 3  # copies of an array while an npz is written: itself, the growing archive, and its bytes
# Arrays that an optimiser keeps of each matrix
SLOTS = {"adam": 2, "adamw": 2, "lion": 1, "muon": 1, "nadam": 2, "radam": 2, "rmsprop": 1, "sgd": 1}
EVALUATED = 1000  # images per call of the evaluation


def check(config: Config, dataset: Dataset) -> None:
    """Raises RunFailed if the training will need more memory than is free."""
    need, free = needed(config, dataset), available()
    if free is not None and need > free:
        raise RunFailed(
            f"out of memory before the start: about {need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
            f"reduce network.{config.network.widths}, training.batch_size, the number or size of codes, or the number "
            "of labels"
        )


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
