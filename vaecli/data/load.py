"""Loads the data block of a config as a Dataset, and reports the use of a fallback."""

from dataclasses import replace
from pathlib import Path

from vaecli.config.schema import DataConfig
from vaecli.data.binarized import published
from vaecli.data.dataset import Dataset
from vaecli.data.download import Progress
from vaecli.data.known import named_folder
from vaecli.data.source import source_of
from vaecli.errors import DataError


def silent(name: str, done: int, total: int) -> None:
    """Shows no progress."""
    del name, done, total


def load(data: DataConfig, data_dir: Path | None = None, progress: Progress = silent) -> Dataset:
    """The data set of a config, checked, with its validation split; fetched first if need be.

    A data set that is not available is replaced by `data.fallback`, unless the user has named a data folder; one that
    is present but damaged is an error.

    Raises:
        DataError: what is wrong, where, and the ways out.
    """
    return prepared(_load(data, data_dir, progress), data)


def prepared(dataset: Dataset, data: DataConfig) -> Dataset:
    """A data set as a config trains on it: with its validation split, and binarized.

    Raises:
        DataError: no training image would be left, published draws do not fit, or images in colour are to be binarized.
    """
    if data.binarization != "none" and dataset.image_shape[2] > 1:
        raise DataError(
            f"data.binarization: {data.binarization} is of grey images, and those of {dataset.called} have "
            f"{dataset.image_shape[2]} channels"
        )
    if data.binarized_path is not None:
        dataset = published(Path(data.binarized_path), dataset)
    held = dataset.hold_out(data.validation, data.validation_from)
    found = held if data.binarized_path is not None else held.binarized(data.binarization, data.above)
    if data.train_on == "all":
        return found.trained_on(held.test if data.binarization == "dynamic" else found.test)
    return found


def _load(data: DataConfig, data_dir: Path | None, progress: Progress) -> Dataset:
    source = source_of(data)
    if source.fetchable and not source.here(data_dir):
        try:
            source.fetch(data_dir, progress)
        except DataError as error:
            if data.fallback is None:
                raise
            if named_folder(data_dir) is not None:
                about = f"data.fallback: {data.fallback} is for where no data folder is named"
                raise DataError(*error.lines, about) from None
            instead = source_of(DataConfig(name=data.fallback)).read(data_dir)
            return replace(instead, fallback_for=data.name, fallback_reason=error.lines[0])
    return source.read(data_dir)
