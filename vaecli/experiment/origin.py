"""What a finished run was trained on, and which weights it has: for what is computed with it later."""

from pathlib import Path
from typing import TYPE_CHECKING

from vaecli.config import Config
from vaecli.data import Dataset, load
from vaecli.data.download import Progress
from vaecli.data.load import silent
from vaecli.errors import DataError, RunError
from vaecli.runs import Run
from vaecli.runs.run import file_digest
from vaecli.runs.schema import SplitName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def no_split(config: Config, split: SplitName) -> str | None:
    """Why a split of the run's own data has no images of its own; None if it has."""
    if split == "validation" and not config.data.validation:
        return "data.validation held no images out"
    if split == "train" and config.data.binarization == "dynamic":
        return "data.binarization: dynamic draws these images again at each use"
    return None


def dataset_of(run: Run, data_dir: Path | None, fetching: Progress = silent) -> Dataset:
    """What the run was trained on.

    Raises:
        DataError: the data is not available, or differs from what the run was trained on.
    """
    dataset = load(run.config.data, data_dir, fetching)
    if dataset.digest != run.info["data"]["digest"]:
        raise DataError(f"{dataset.source}: not the data that {run.name} was trained on")
    return dataset


def images_of_split(run: Run, split: SplitName, data_dir: Path | None, fetching: Progress) -> "NDArray[np.float32]":
    """The images of a split [N, H, W, C], in [0, 1].

    Raises:
        DataError: as `dataset_of`.
    """
    dataset = dataset_of(run, data_dir, fetching)
    found = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}[split]
    assert found is not None
    return dataset.floats(found.images)


def digest_of(run: Run, weights: str) -> str:
    """The SHA-256 of the file of these weights; raises RunError if the run has none of this name."""
    path = run.weights / f"{weights}.npz"
    try:
        return file_digest(path)
    except (OSError, ValueError):
        if f"weights/{weights}.npz" in run.pruned:
            raise RunError(f"{path}: was pruned; a training from the start (--fresh) makes it again") from None
        best = "; the best are kept where data.validation holds images out" if weights == "best" else ""
        there = ", ".join(sorted(found.stem for found in run.weights.glob("*.npz")))
        raise RunError(f"{path}: the run has no such weights{best} (it has {there or 'none'})") from None
