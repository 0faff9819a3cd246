"""From the data block of a config to a Dataset, with the fallback said aloud."""

from dataclasses import replace
from pathlib import Path

from vaecli.config.schema import DataConfig, NpzDataConfig
from vaecli.data.dataset import Dataset
from vaecli.data.digits import digits
from vaecli.data.download import Progress
from vaecli.data.files import npz_dataset
from vaecli.data.known import KNOWN, fetch, locate, read
from vaecli.errors import DataError


def silent(name: str, done: int, total: int) -> None:
    """No progress shown."""
    del name, done, total


def load(data: DataConfig, data_dir: Path | None = None, progress: Progress = silent) -> Dataset:
    """The data set of a config, checked, with its validation split; fetched first if need be.

    A data set that cannot be had is replaced by `data.fallback`; one that is there but damaged is an error.

    Raises:
        DataError: what is wrong, where, and the ways out.
    """
    return _load(data, data_dir, progress).hold_out(data.validation)


def _load(data: DataConfig, data_dir: Path | None, progress: Progress) -> Dataset:
    if isinstance(data, NpzDataConfig):
        return npz_dataset(Path(data.path), title=data.title)
    if data.name == "digits":
        return digits()
    known = KNOWN[data.name]
    files = locate(known, data_dir)
    if files is None:
        try:
            fetch(known, data_dir, progress)
        except DataError as error:
            if data.fallback is None:
                raise
            return replace(digits(), fallback_for=data.name, fallback_reason=error.lines[0])
        files = locate(known, data_dir)
    assert files is not None, "a download that succeeded is found again"
    return read(known, files)
