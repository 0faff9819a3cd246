"""Readers of npz and IDX files that do not trust them."""

import gzip
import struct
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaecli.config.schema import LONGEST_TITLE, NpzDataConfig
from vaecli.data.dataset import Dataset, Split, checked_images, checked_labels
from vaecli.data.source import Source
from vaecli.errors import DataError

OWN = "npz"  # the name of every user-supplied data set; its title distinguishes it from others
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MAX_DIMENSIONS = 3  # of an IDX file: images, rows, columns
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def read_npz(path: Path) -> dict[str, NDArray]:
    """The arrays of a data set that the file holds.

    Raises:
        DataError: the file is missing, not an npz, damaged, or holds pickled objects.
    """
    return read_arrays(path, lambda found: [name for name in ARRAYS if name in found])


def read_arrays(
    path: Path, chosen: Callable[[Collection[str]], Sequence[str]], *, single: str | None = None
) -> dict[str, NDArray]:
    """The arrays of an npz that `chosen` picks from the names in it.

    Args:
        single: the name of the one array of an npy file, if that will do.

    Raises:
        DataError: as `read_npz`, and what `chosen` raises.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}, an npz is needed")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                return {name: found[name] for name in chosen(found.files)}
        if single is not None:
            return {single: found}
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises anything from zipfile, zlib or the header's parser
        if isinstance(error, ValueError) and "pickle" in str(error):
            raise DataError(f"{path}: holds pickled Python objects, which are never loaded") from None
        raise DataError(f"{path}: not a readable npz ({error})") from None
    raise DataError(f"{path}: a single npy array, an npz with x_train and x_test is needed")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes, gzipped or not.

    Raises:
        DataError: the file is damaged, shorter or longer than its header says, or of another type.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error})") from None
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or raw[3] > MAX_DIMENSIONS or len(raw) < 4 + 4 * raw[3]:
        raise DataError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack(f">{raw[3]}I", raw[4 : 4 + 4 * raw[3]])
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if body.size != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path}: damaged, {body.size:,} bytes where the header says {shape}")
    return body.reshape(shape)


class NpzSource(Source):
    """A user-supplied file."""

    data: NpzDataConfig

    def place(self, data_dir: Path | None) -> str | None:
        """The path, if it is a file."""
        del data_dir
        return self.data.path if Path(self.data.path).is_file() else None

    def read(self, data_dir: Path | None) -> Dataset:
        """The file's arrays; its path does not depend on the data folder."""
        del data_dir
        return npz_dataset(Path(self.data.path), title=self.data.title)


def npz_dataset(path: Path, *, title: str | None = None) -> Dataset:
    """A user-supplied file as a Dataset.

    Raises:
        DataError: one line per array that is missing or wrong.
    """
    found = build(OWN, read_npz(path), place=str(path))
    return replace(found, title=title or title_of_file(str(path)))


def title_of_file(path: str) -> str:
    """The file's name without its ending, as far as it is a valid title."""
    return "".join(c for c in Path(path).stem if c.isprintable()).strip()[:LONGEST_TITLE] or OWN


def build(name: str, arrays: dict[str, NDArray], *, place: str) -> Dataset:
    """Checked arrays as a Dataset; raises DataError."""
    missing = [key for key in ("x_train", "x_test") if key not in arrays]
    if missing:
        raise DataError(f"{place}: array {' and '.join(missing)} missing, found {sorted(arrays) or 'none'}")
    splits = {}
    for part in ("train", "test"):
        images = checked_images(arrays[f"x_{part}"], name=f"x_{part}", place=place)
        labels = arrays.get(f"y_{part}")
        if labels is not None:
            labels = checked_labels(labels, len(images), name=f"y_{part}", place=place)
        splits[part] = Split(images, labels)
    train, test = splits["train"].images, splits["test"].images
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise DataError(
            f"{place}: x_train and x_test differ: {train.dtype} {train.shape[1:]} and {test.dtype} {test.shape[1:]}"
        )
    scale = 1 / 255 if train.dtype == np.uint8 else 1.0
    return Dataset(name, splits["train"], splits["test"], scale, source=place)
