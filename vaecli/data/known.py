"""MNIST and Fashion-MNIST: where they may be found, what their bytes must be, where they can be fetched."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from vaecli.config.schema import DataConfig
from vaecli.data.dataset import Dataset
from vaecli.data.download import Progress, download
from vaecli.data.files import ARRAYS, IDX_FILES, build, read_idx, read_npz
from vaecli.data.source import Source
from vaecli.errors import DataError

_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHAPES = {"x_train": (60_000, 28, 28), "y_train": (60_000,), "x_test": (10_000, 28, 28), "y_test": (10_000,)}


@dataclass(frozen=True)
class KnownDataset:
    """A public data set in the layout of Keras' cache."""

    name: str
    npz: str  # file name of the npz form
    folder: str  # location of the IDX form below the data folder
    urls: Mapping[str, str]  # file below the data folder -> where to fetch it
    digests: Mapping[str, str]  # the same files -> algorithm:hex
    arrays: Mapping[str, str]  # array -> sha256 of its bytes; empty: only the fetched files are known


KNOWN: Mapping[str, KnownDataset] = {
    "mnist": KnownDataset(
        "mnist",
        npz="mnist.npz",
        folder="mnist",
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
        npz="fashion_mnist.npz",
        folder="fashion-mnist",
        urls={f"fashion-mnist/{file}.gz": f"{_KERAS}{file}.gz" for file in IDX_FILES.values()},
        digests={
            "fashion-mnist/train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "fashion-mnist/train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "fashion-mnist/t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "fashion-mnist/t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
        arrays={},
    ),
}


class KnownSource(Source):
    """A public data set: in a data folder, or to be fetched into the first of them."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.known = KNOWN[data.name]
        self.urls = tuple(self.known.urls.values())
        (train, *shape), (test, *_) = (SHAPES[array] for array in ("x_train", "x_test"))
        self.known_sizes = (train, test, (shape[0], shape[1], 1))

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
    """The folders in which data is searched, in order: the user's folder, then Keras' cache."""
    asked = data_dir or os.environ.get("VAECLI_DATA_DIR")
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    return [Path(asked), keras] if asked else [keras]


def locate(known: KnownDataset, data_dir: Path | None) -> dict[str, Path] | None:
    """The files of the first place that has the data set, npz before IDX; None if there is none."""
    for folder in folders(data_dir):
        if (folder / known.npz).is_file():
            return {"npz": folder / known.npz}
        below = (folder / known.folder, folder) if known.name == "mnist" else (folder / known.folder,)
        for place in below:
            found = {
                array: path
                for array, file in IDX_FILES.items()
                for path in (place / f"{file}.gz", place / file)
                if path.is_file()
            }
            if len(found) == len(IDX_FILES):
                return found
    return None


def fetch(known: KnownDataset, data_dir: Path | None, progress: Progress) -> None:
    """Downloads into the first data folder; raises a DataError that names file, URL and ways out."""
    folder = folders(data_dir)[0]
    for file, url in known.urls.items():
        try:
            download(url, folder / file, known.digests[file], progress)
        except DataError as error:
            raise DataError(
                f"{known.name}: {folder / file} is missing, and {error}",
                "ways out: put the file there by hand; or give its folder with --data-dir or VAECLI_DATA_DIR; "
                "or train on the bundled digits with --set data.name=digits",
            ) from None


def read(known: KnownDataset, files: Mapping[str, Path]) -> Dataset:
    """The located files as a Dataset; raises DataError if a byte of a known array differs."""
    if "npz" in files:
        place = str(files["npz"])
        arrays: dict[str, NDArray] = read_npz(files["npz"])
    else:
        place = str(files["x_train"].parent)
        arrays = {array: read_idx(path) for array, path in files.items()}
    for array in ARRAYS:
        if array not in arrays or arrays[array].shape != SHAPES[array]:
            received = arrays[array].shape if array in arrays else "nothing"
            raise DataError(f"{place}: not {known.name}: {array} {SHAPES[array]} is needed, received {received}")
        expected = known.arrays.get(array)
        if expected and hashlib.sha256(arrays[array].tobytes()).hexdigest() != expected:
            raise DataError(
                f"{place}: damaged: the bytes of {array} are not those of {known.name}; "
                "remove the file and it is fetched again"
            )
    return build(known.name, arrays, place=place)
