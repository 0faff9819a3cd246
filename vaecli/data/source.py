"""A data set before it is read: one object that knows where it is, how it is fetched and what it is.

A kind of data set is a subclass and an entry of the registry; no code outside this folder depends on the kind.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from vaecli.config.schema import DataConfig
from vaecli.data.dataset import Dataset
from vaecli.data.download import Progress
from vaecli.registry import DATASETS, named


class Source(ABC):
    """A kind of data set, which says how it is read; unless it says more it is always here, with nothing to fetch."""

    known_sizes: tuple[int, int, tuple[int, int, int]] | None = None  # training and test images and their shape
    urls: tuple[str, ...] = ()  # where it can be fetched

    def __init__(self, data: DataConfig) -> None:
        self.data = data

    @property
    def name(self) -> str:
        return self.data.name

    def place(self, data_dir: Path | None) -> str | None:
        """The place of the data set in words; None if it is not here."""
        del data_dir
        return "bundled"

    def here(self, data_dir: Path | None) -> bool:
        """Whether it can be read without fetching it."""
        return self.place(data_dir) is not None

    @property
    def fetchable(self) -> bool:
        """Whether there is anywhere to fetch it from."""
        return bool(self.urls)

    def fetch(self, data_dir: Path | None, progress: Progress) -> None:
        """Downloads it into the first data folder; raises a DataError that names file, URL and ways out."""
        del data_dir, progress

    @abstractmethod
    def read(self, data_dir: Path | None) -> Dataset:
        """The data set, checked; raises DataError for what is missing or wrong."""

    def folder(self, data_dir: Path | None) -> Path | None:
        """The absolute folder in which another process finds the same files; None if it needs none."""
        del data_dir
        return None

    def read_in(self, folder: Path | None) -> Dataset:
        """The data set as another process reads it, given its `folder`; raises DataError if it is not seen there."""
        return self.read(folder)


def source_of(data: DataConfig) -> Source:
    """The source of a config's data block."""
    found: Source = named(DATASETS[data.name].source)(data)
    return found


def available_data(data_dir: Path | None) -> list[dict[str, Any]]:
    """Every data set by name, whether it is there, where, and what it is; in the form of JSON."""
    rows = []
    for name, dataset in DATASETS.items():
        if dataset.title is None:  # a user's own, which only a config names
            rows.append({"name": name, "available": False, "where": "set data.path", "what": dataset.help})
            continue
        place = source_of(DataConfig(name=name)).place(data_dir)
        state = place or f"not here; `vaecli data fetch {name}`"
        rows.append({"name": name, "available": place is not None, "where": state, "what": dataset.help})
    return rows
