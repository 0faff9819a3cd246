"""Files in, files out: the codes of images, and images of codes, by a finished run."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from vaecli.config.arguments import path_of
from vaecli.data.dataset import Images, checked_images
from vaecli.data.download import Progress
from vaecli.data.files import read_arrays
from vaecli.errors import ConfigError, DataError, shut
from vaecli.experiment.origin import digest_of, images_of_split, no_split
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.files import write_by
from vaecli.runs.schema import SplitName

SPLITS: tuple[SplitName, ...] = get_args(SplitName)
# The first of them that a file has: ours, then the names by others that training reads too
IMAGES = ("images", "x_test", "x_train", "test_images", "train_images", "arr_0")
CODES, VECTORS, DIGEST = "codes", "latents", "weights_sha256"

Told = Callable[[int], None]


class Applied:
    """A finished run with chosen weights, applied to files; what it makes says which run and weights made it."""

    def __init__(self, run: Run, weights: str) -> None:
        """Raises RunError: the run is not finished, or has no such weights."""
        _ = run.summary  # which is there only once it is finished
        self.run = run
        self.digest = digest_of(run, weights)
        self.trained = TrainedRun(run, weights)
        self.origin = {name: np.array(text) for name, text in self._texts(weights)}

    def _texts(self, weights: str) -> list[tuple[str, str]]:
        return [("run", self.run.name), ("weights", weights), (DIGEST, self.digest)]

    @property
    def latents(self) -> str:
        """The name of the array of codes, or of a Gaussian's vectors."""
        return CODES if self.trained.latent.discrete else VECTORS

    def images(self, asked: str, data_dir: Path | None, fetching: Progress) -> tuple[Images, str]:
        """The images of a file, or of a split of the run's own data, and where they are from in words.

        Raises:
            ConfigError: the run has no such split.
            DataError: the file or the data is missing, or holds other images than training would take.
        """
        for split in SPLITS:
            if asked == split:
                if reason := no_split(self.run.config, split):
                    raise ConfigError([f"{self.run.name}: {split}: {reason}"])
                return images_of_split(self.run, split, data_dir, fetching), f"{split} images of its own data"
        path = path_of(asked)
        if os.path.isdir(path):
            raise DataError(f"{path}: is a folder; images are read from an npz or npy file")

        def first(names: Collection[str]) -> list[str]:
            found = [name for name in IMAGES if name in names]
            if not found:
                raise DataError(f"{path}: an array {' or '.join(IMAGES)} is needed, found {sorted(names) or 'none'}")
            return found[:1]

        ((name, array),) = read_arrays(path, first, single=IMAGES[0]).items()
        checked = checked_images(array, name=name, place=str(path), scale=self.trained.scale)
        return checked, f"images of {path} ({name})"

    def codes(self, path: Path) -> tuple[NDArray[Any], str | None]:
        """The codes or vectors of a file, and a line about it if other weights made them.

        Raises:
            DataError: it is missing, no npz or npy, or has no such array.
        """

        def needed(names: Collection[str]) -> list[str]:
            if self.latents not in names:
                raise DataError(f"{path}: an array {self.latents} is needed, found {sorted(names) or 'none'}")
            return [name for name in (self.latents, "run", "weights", DIGEST) if name in names]

        found = read_arrays(path, needed, single=self.latents)
        remark = None
        if str(found.get(DIGEST, self.digest)) != self.digest:
            made_by = f"{found.get('run', 'another run')}, weights {found.get('weights', 'unknown')}"
            remark = f"{path}: made by other weights ({made_by}), to which its codes mean something else"
        return found[self.latents], remark

    def encode(self, images: Images, *, place: str, seed: int | None, told: Told) -> dict[str, NDArray[Any]]:
        """The arrays of a file of codes; a DataError begins with the place of the images."""
        with _about(place):
            coded = self.trained.latents(images, seed=seed, told=told)
        return {self.latents: coded.latents, "rate": coded.rate, **self.origin}

    def decode(self, codes: NDArray[Any], *, place: str, told: Told) -> dict[str, NDArray[Any]]:
        """The arrays of a file of images, likewise."""
        with _about(place):
            return {"images": self.trained.decode(codes, told=told), **self.origin}

    def reconstruct(self, images: Images, *, place: str, seed: int | None, told: Told) -> dict[str, NDArray[Any]]:
        """The arrays of a file of images, likewise."""
        with _about(place):
            return {"images": self.trained.reconstruct(images, seed=seed, told=told), **self.origin}


@contextlib.contextmanager
def _about(place: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(*(f"{place}: {line}" for line in error.lines)) from None


def free(path: Path, *, force: bool) -> Path:
    """The path itself, if a file may be written there; raises ConfigError if not."""
    if reason := shut(path):
        raise ConfigError([f"{path}: {reason}; choose another place with --output"])
    if not path.parent.is_dir():
        raise ConfigError([f"{path}: there is no folder {path.parent}"])
    if path.is_dir():
        raise ConfigError([f"{path}: is a folder; choose another place with --output"])
    if path.exists() and not path.is_file():
        raise ConfigError([f"{path}: is no regular file; choose another place with --output"])
    if path.exists() and not force:
        raise ConfigError([f"{path}: already exists; --force overwrites it, or choose another place with --output"])
    return path


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes an npz beside and renames it; raises RunFailed."""

    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    write_by(path, save)
