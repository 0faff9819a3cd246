"""Readers of npz, npy and IDX files and of records that do not trust them."""

import gzip
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vaecli.config.schema import LONGEST_TITLE, NpzDataConfig
from vaecli.data.dataset import (
    Dataset,
    Images,
    Split,
    checked_images,
    checked_labels,
    labels_of,
    pixels_of,
    split_off,
)
from vaecli.data.source import Source
from vaecli.errors import DataError, shut

OWN = "npz"  # the name of every user-supplied data set; its title distinguishes it from others
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MOST_BYTES = 1 << 28  # of a member of a tar; CIFAR's have an eighth
NAMED = 8  # arrays of other names in a message
MAX_DIMENSIONS = 3  # of an IDX file: images, rows, columns
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def read_npz(path: Path, names: tuple[str, ...] = ARRAYS) -> dict[str, NDArray]:
    """The arrays of these names that an npz holds; the array of an npy has the first name.

    Raises:
        DataError: the file is missing, neither npz nor npy, damaged, holds pickled objects, or none of these arrays.
    """

    def chosen(found: Collection[str]) -> Sequence[str]:
        there = [name for name in names if name in found]
        if not there:
            others = ", ".join(list(found)[:NAMED]) or "none"
            raise DataError(f"{path}: has no array {' or '.join(names)}; its arrays are {others}")
        return there

    return read_arrays(path, chosen, single=names[0])


def read_arrays(path: Path, chosen: Callable[[Collection[str]], Sequence[str]], *, single: str) -> dict[str, NDArray]:
    """The arrays of an npz that `chosen` picks from the names in it.

    Args:
        single: the name of the one array of an npy file.

    Raises:
        DataError: as `read_npz`, and what `chosen` raises.
    """
    if reason := shut(path):
        raise DataError(f"{path}: {reason}")
    if not path.is_file():
        raise DataError(f"{path}: {no_file(path)}, an npz is needed")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                return {name: found[name] for name in chosen(found.files)}
        return {single: found}
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises anything from zipfile, zlib or the header's parser
        if isinstance(error, ValueError) and "Object arrays" in str(error):
            raise DataError(f"{path}: holds pickled Python objects, which are never loaded") from None
        if (what := kind_of(path)) is not None:
            raise DataError(f"{path}: an npz is needed, and this is {what}") from None
        raise DataError(f"{path}: not a readable npz ({_reason(error)})") from None


def no_file(path: Path) -> str:
    """What a path is that is no file."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "a link that leads nowhere" if path.is_symlink() else "no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read ({_reason(error)})"
    return "is a directory" if path.is_dir() else "is a pipe or a device"


# What a file begins with -> what it is, and the way out
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer; `git lfs pull` fetches the file it stands for"),
    (b"\x89PNG", "a PNG picture; data.name: folder reads a folder of them"),
    (b"\xff\xd8\xff", "a JPEG picture; data.name: folder reads a folder of them"),
    (b"PAR1", "a Parquet table"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB", "a MATLAB file"),
    (b"\x00\x00\x08", "an IDX file, of which data.name: mnist reads four"),
    (b"\x1f\x8b", "a gzipped file; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a file packed with Zstandard; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"%PDF", "a PDF"),
)
SNIFFED = 1024  # bytes


def kind_of(path: Path) -> str | None:
    """What a file is that is neither npz nor npy, by its first bytes; None if nobody knows."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFFED)
    except OSError:
        return None
    if not head:
        return "empty"
    if head.startswith((b"PK", b"\x93NUMPY")):
        return None
    for beginning, what in BEGINNINGS:
        if head.startswith(beginning):
            return what
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        return "a pickle, which is never loaded"
    try:
        text = head[: head.rfind(b"\n") + 1 or len(head)].decode().lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return "an HTML page" if text[:9].lower() == "<!doctype" or text[:5].lower() == "<html" else "a text"


def read_array(path: Path) -> NDArray:
    """The only array of a file: an npz as numpy names it, or an IDX file; raises DataError."""
    if path.suffix != ".npz":
        return read_idx(path)
    (array,) = read_npz(path, ("arr_0",)).values()
    return array


def read_records(
    path: Path, names: tuple[str, ...], image: tuple[int, ...]
) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The images [N, H, W, C] and labels [N] of CIFAR's binary files: of this one, or of the members of a tar.

    A record is a byte, the label, and the image's channels, rows and columns in this order.

    Raises:
        DataError: a file is missing or damaged, or does not consist of whole records.
    """
    height, width, channels = image
    size = 1 + height * width * channels
    found = {}
    for name, raw in (_members(path, names) if path.suffix == ".gz" else {names[0]: _bytes(path)}).items():
        if not raw or len(raw) % size:
            raise DataError(f"{path}: damaged: {name} has {len(raw):,} bytes, records of {size:,} are needed")
        records = np.frombuffer(raw, np.uint8).reshape(-1, size)
        planes = records[:, 1:].reshape(-1, channels, height, width)
        found[name] = np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not readable ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Why a file cannot be read; the system's words without the path, which the line has."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The members of these file names, read where they lie: nothing is unpacked to a place that a tar names."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in names and member.isfile() and (file := archive.extractfile(member)):
                    found[name] = file.read(MOST_BYTES)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path}: not readable ({_reason(error)})") from None
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{path}: has no {missing[0]}")
    return found


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
        raise DataError(f"{path}: not readable ({_reason(error)})") from None
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
        return self.data.path if os.path.isfile(self.data.path) else None

    def read(self, data_dir: Path | None) -> Dataset:
        """The file's arrays; its path does not depend on the data folder."""
        del data_dir
        return npz_dataset(Path(self.data.path), title=self.data.title, labelled=self.data.labels != "none")


# The names of arrays by others, MedMNIST's and those that numpy gives, and what they are here
OTHER_NAMES: Mapping[str, str] = {
    "train_images": "x_train",
    "train_labels": "y_train",
    "test_images": "x_test",
    "test_labels": "y_test",
    "arr_0": "x_train",
}


def npz_dataset(path: Path, *, title: str | None = None, labelled: bool = True) -> Dataset:
    """A user-supplied file as a Dataset.

    Args:
        labelled: whether its labels are read.

    Raises:
        DataError: one line per array that is missing or wrong.
    """
    others: list[str] = []

    def chosen(found: Collection[str]) -> Sequence[str]:
        there = [name for name in ARRAYS if name in found] or [name for name in OTHER_NAMES if name in found]
        if not there:
            listed = ", ".join(list(found)[:NAMED]) or "none"
            raise DataError(f"{path}: has no array {' or '.join(ARRAYS)}; its arrays are {listed}")
        others.extend(name for name in found if name not in there)
        return [name for name in there if labelled or OTHER_NAMES.get(name, name)[0] != "y"]

    arrays = read_arrays(path, chosen, single=ARRAYS[0])
    renamed = {OTHER_NAMES.get(name, name): array for name, array in arrays.items()}
    found = build(OWN, renamed, place=str(path))
    made = [f"{path}: {name} is read as {OTHER_NAMES[name]}" for name in arrays if name in OTHER_NAMES]
    if others:
        more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
        made.append(f"{path}: not read: {', '.join(others[:NAMED])}{more}")
    return replace(found, title=title or title_of_file(str(path)), made=(*made, *found.made))


def title_of_file(path: str) -> str:
    """The file's name without its ending, as far as it is a valid title."""
    return "".join(c for c in Path(path).stem if c.isprintable()).strip()[:LONGEST_TITLE] or OWN


def build(name: str, arrays: dict[str, NDArray], *, place: str) -> Dataset:
    """Checked arrays as a Dataset, with test images drawn from the others if there are none; raises DataError."""
    alone = "x_train" in arrays and not {"x_test", "y_test"} & {*arrays}
    missing = [key for key in ("x_train", "x_test") if key not in arrays]
    if missing and not alone:
        raise DataError(f"{place}: array {' and '.join(missing)} missing, found {sorted(arrays) or 'none'}")
    splits = {}
    labelled, made = labels_of({key: array for key, array in arrays.items() if key[0] == "y"}, place=place)
    arrays = {**arrays, **labelled}
    arrays = {**arrays, **pixels_of({key: array for key, array in arrays.items() if key[0] == "x"}, place=place)}
    for part in ("train",) if alone else ("train", "test"):
        images = checked_images(arrays[f"x_{part}"], name=f"x_{part}", place=place)
        labels = arrays.get(f"y_{part}")
        if labels is not None:
            labels = checked_labels(labels, len(images), name=f"y_{part}", place=place)
        splits[part] = Split(images, labels)
    if alone:
        whole = _split(name, splits["train"], place)
        return replace(whole, made=(*made, *whole.made))
    train, test = splits["train"].images, splits["test"].images
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise DataError(
            f"{place}: x_train and x_test differ: {train.dtype} {train.shape[1:]} and {test.dtype} {test.shape[1:]}"
        )
    return Dataset(name, splits["train"], splits["test"], _scale(train), source=place, made=tuple(made))


def _split(name: str, whole: Split, place: str) -> Dataset:
    if len(whole) < 2:
        raise DataError(f"{place}: one image alone is no training set and test set")
    train, test = split_off(whole.images, whole.labels)
    drawn = f"{len(test):,} of {len(whole):,} images drawn as the test set"
    made = f"{place} has no x_test: {drawn}, the same ones for every run"
    return Dataset(name, train, test, _scale(whole.images), source=f"{place}, {drawn}", made=(made,))


def _scale(images: Images) -> float:
    return 1 / 255 if images.dtype == np.uint8 else 1.0
