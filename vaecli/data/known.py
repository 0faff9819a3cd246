"""Public data sets: where they may be found, what their bytes must be, where they can be fetched."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaecli.config.schema import DataConfig
from vaecli.data.dataset import Dataset
from vaecli.data.download import Progress, download
from vaecli.data.files import ARRAYS, IDX_FILES, NAMED, build, read_array, read_npz, read_records
from vaecli.data.source import Source
from vaecli.errors import DataError

_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CODH = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
# A file's part in the data set -> its possible names below a data folder, of which the last goes first
Layout = Mapping[str, tuple[str, ...]]


def _shapes(train: int, test: int, *image: int) -> dict[str, tuple[int, ...]]:
    return {"x_train": (train, *image), "y_train": (train,), "x_test": (test, *image), "y_test": (test,)}


def _npz(name: str) -> Layout:
    return {"npz": (f"{name}.npz",)}


def _idx(folder: str) -> Layout:
    """Plain or gzipped; and as Kaggle has them: with a dot, or in a folder of the file's name."""
    return {
        array: tuple(f"{folder}{name}" for name in (file.replace("-idx", ".idx"), f"{file}/{file}", f"{file}.gz", file))
        for array, file in IDX_FILES.items()
    }


NOT_VERIFIED = "not verified"  # ends the source of data whose bytes nobody knows
_CIFAR = "cifar-10-binary.tar.gz"
BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")


@dataclass(frozen=True)
class KnownDataset:
    """A public data set."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]  # of its arrays
    layouts: tuple[Layout, ...]  # the forms in which it may be found, in the order in which they are searched
    urls: Mapping[str, str]  # file below the data folder -> where to fetch it
    digests: Mapping[str, str]  # the same files -> algorithm:hex
    arrays: Mapping[str, str]  # array -> sha256 of its bytes; empty: only the fetched files are known


KNOWN: Mapping[str, KnownDataset] = {
    "mnist": KnownDataset(
        "mnist",
        shapes=_shapes(60_000, 10_000, 28, 28),
        layouts=(_npz("mnist"), _idx("mnist/"), _idx(""), _idx("MNIST/raw/")),
        urls={"mnist.npz": _KERAS + "mnist.npz"},
        digests={
            "mnist.npz": "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        },
        arrays={
            "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        },
    ),
    # The MD5s are those its authors publish beside the files; digests of the unpacked arrays are not published.
    "fashion_mnist": KnownDataset(
        "fashion_mnist",
        shapes=_shapes(60_000, 10_000, 28, 28),
        layouts=(
            _npz("fashion_mnist"),
            *map(_idx, ("fashion-mnist/", "FashionMNIST/raw/", "fashion/", "data/fashion/")),
        ),
        urls={f"fashion-mnist/{file}.gz": f"{_KERAS}{file}.gz" for file in IDX_FILES.values()},
        digests={
            "fashion-mnist/train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "fashion-mnist/train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "fashion-mnist/t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "fashion-mnist/t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
        arrays={},
    ),
    "kmnist": KnownDataset(
        "kmnist",
        shapes=_shapes(60_000, 10_000, 28, 28),
        layouts=(
            {
                f"{array}_{part}": (f"kmnist-{part}-{what}.npz", f"kmnist/kmnist-{part}-{what}.npz")
                for part in ("train", "test")
                for array, what in (("x", "imgs"), ("y", "labels"))
            },
            _idx("kmnist/"),
            _idx("KMNIST/raw/"),
        ),
        urls={f"kmnist/{file}.gz": f"{_CODH}{file}.gz" for file in IDX_FILES.values()},
        digests={
            "kmnist/train-images-idx3-ubyte.gz": "md5:bdb82020997e1d708af4cf47b453dcf7",
            "kmnist/train-labels-idx1-ubyte.gz": "md5:e144d726b3acfaa3e44228e80efcd344",
            "kmnist/t10k-images-idx3-ubyte.gz": "md5:5c965bf0a639b31b8f53240b1b52f4d7",
            "kmnist/t10k-labels-idx1-ubyte.gz": "md5:7320c461ea6c1c855c0b718fb2a4b134",
        },
        arrays={},
    ),
    # The binary version: that for Python is a pickle.
    "cifar10": KnownDataset(
        "cifar10",
        shapes=_shapes(50_000, 10_000, 32, 32, 3),
        layouts=({name: (f"cifar-10-batches-bin/{name}",) for name in BATCHES}, {"archive": (_CIFAR,)}),
        urls={_CIFAR: f"https://www.cs.toronto.edu/~kriz/{_CIFAR}"},
        digests={_CIFAR: "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        arrays={},
    ),
}


class KnownSource(Source):
    """A public data set: in a data folder, or to be fetched into the first of them."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.known = KNOWN[data.name]
        self.urls = tuple(self.known.urls.values())
        train, height, width, *channels = self.known.shapes["x_train"]
        self.known_sizes = (train, self.known.shapes["x_test"][0], (height, width, *(channels or (1,))))

    def place(self, data_dir: Path | None) -> str | None:
        """The folder of its files."""
        files = locate(self.known, data_dir)
        return str(next(iter(files.values())).parent) if files else None

    def fetch(self, data_dir: Path | None, progress: Progress) -> None:
        """Downloads it into the first data folder; raises a DataError that names file, URL and ways out."""
        fetch(self.known, data_dir, progress)

    def read(self, data_dir: Path | None) -> Dataset:
        """The located files as a Dataset; raises DataError if a byte of a known array differs."""
        files = locate(self.known, data_dir)
        if files is None:
            raise DataError(f"{self.name} is not here; `vaecli data fetch {self.name}`")
        return read(self.known, files)

    def folder(self, data_dir: Path | None) -> Path | None:
        """The data folder in which another process finds the same files."""
        files = locate(self.known, data_dir)
        return next((folder.resolve() for folder in folders(data_dir) if locate(self.known, folder) == files), None)

    def read_in(self, folder: Path | None) -> Dataset:
        """The same files as another process sees them."""
        if locate(self.known, folder) is None:
            raise DataError(f"{platform.node()}: does not see {self.name} in {folder}")
        return self.read(folder)


def folders(data_dir: Path | None) -> list[Path]:
    """The folders in which data is searched, in order: the user's folder, then Keras' cache; none without a home."""
    home = os.path.expanduser("~")
    keras = os.environ.get("KERAS_HOME") or (os.path.join(home, ".keras") if home != "~" else None)
    cache = [Path(keras, "datasets")] if keras else []
    asked = named_folder(data_dir)
    return cache if asked is None else [asked, *cache]


def first_folder(data_dir: Path | None) -> Path:
    """The folder into which data are fetched; raises DataError if there is none."""
    found = folders(data_dir)
    if not found:
        raise DataError("there is no home for Keras' cache; --data-dir or VAECLI_DATA_DIR names a folder of data sets")
    return found[0]


def named_folder(data_dir: Path | None) -> Path | None:
    """The folder that the user names, as an argument or in the environment."""
    asked = data_dir or os.environ.get("VAECLI_DATA_DIR")
    return Path(asked).expanduser() if asked else None


def locate(known: KnownDataset, data_dir: Path | None) -> dict[str, Path] | None:
    """The files of the first place that has the data set, by their part in it; None if there is none."""
    for folder in folders(data_dir):
        for layout in known.layouts:
            found = {
                part: path for part, names in layout.items() for name in names if os.path.isfile(path := folder / name)
            }
            if len(found) == len(layout):
                return found
    return None


def fetch(known: KnownDataset, data_dir: Path | None, progress: Progress) -> None:
    """Downloads into the first data folder; raises a DataError that names file, URL and ways out."""
    folder = first_folder(data_dir)
    content = _content(folder)
    for file, url in known.urls.items():
        try:
            download(url, folder / file, known.digests[file], progress)
        except DataError as error:
            raise DataError(
                f"{known.name}: {folder / file} is missing, and {error}",
                f"{folder} {content}",
                "ways out: put the file there by hand; or give its folder with --data-dir or VAECLI_DATA_DIR; "
                "or train on the bundled digits with --set data.name=digits",
            ) from None


def _content(folder: Path) -> str:
    """What lies in a folder, in words."""
    try:
        found = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return f"holds {', '.join(found[:NAMED]) or 'nothing'}{more}"


def read(known: KnownDataset, files: Mapping[str, Path]) -> Dataset:
    """The located files as a Dataset; raises DataError if a byte of a known array differs.

    Where neither the bytes of arrays nor those of these files are known, the source says so.
    """
    first, *others = files.values()
    place = str(first.parent if others else first)
    if "npz" in files:
        arrays: dict[str, NDArray] = read_npz(first)
    elif "x_train" in files:
        arrays = {array: read_array(path) for array, path in files.items()}
    else:
        arrays = _batches(known, files)
    for array in ARRAYS:
        if array not in arrays or arrays[array].shape != known.shapes[array]:
            received = arrays[array].shape if array in arrays else "nothing"
            raise DataError(f"{place}: not {known.name}: {array} {known.shapes[array]} is needed, received {received}")
        expected = known.arrays.get(array)
        if expected and hashlib.sha256(arrays[array].tobytes()).hexdigest() != expected:
            raise DataError(
                f"{place}: damaged, or other data: the bytes of {array} are not those of {known.name}; move it away, "
                "and it is fetched"
            )
        if expected is None and (other := _whose(arrays[array], array)):
            raise DataError(f"{place}: {array} is that of {other}, where {known.name} is looked for; move it away")
    found = build(known.name, arrays, place=place)
    return found if known.arrays or _as_published(known, files) else replace(found, source=f"{place}, {NOT_VERIFIED}")


def _whose(array: NDArray, part: str) -> str | None:
    """The data set whose bytes these are, among those whose bytes are known."""
    same = [known for known in KNOWN.values() if known.arrays and known.shapes[part] == array.shape]
    digest = hashlib.sha256(array.tobytes()).hexdigest() if same else None
    return next((known.name for known in same if known.arrays[part] == digest), None)


def _as_published(known: KnownDataset, files: Mapping[str, Path]) -> bool:
    """Whether every file is to the byte the published one of its name."""
    published = {Path(name).name: digest.partition(":") for name, digest in known.digests.items()}
    for path in files.values():
        algorithm, _, digest = published.get(path.name, ("", "", ""))
        if not digest or hashlib.new(algorithm, path.read_bytes(), usedforsecurity=False).hexdigest() != digest:
            return False
    return True


def _batches(known: KnownDataset, files: Mapping[str, Path]) -> dict[str, NDArray]:
    """The arrays of records of a label and an image, from files of them or from their archive; raises DataError."""
    pixels = known.shapes["x_train"][1:]
    if "archive" in files:
        records = read_records(files["archive"], BATCHES, pixels)
    else:
        records = {name: read_records(path, (name,), pixels)[name] for name, path in files.items()}
    *train, test = (records[name] for name in BATCHES)
    return {
        "x_train": np.concatenate([images for images, _ in train]),
        "y_train": np.concatenate([labels for _, labels in train]),
        "x_test": test[0],
        "y_test": test[1],
    }
