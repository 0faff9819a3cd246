"""A folder of the user's own pictures: found, decoded once into a cache, and never trusted."""

import hashlib
import json
import os
import secrets
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vaecli.config.schema import FolderDataConfig
from vaecli.data.dataset import Dataset, Labels, Split, split_off
from vaecli.data.files import title_of_file
from vaecli.data.known import first_folder
from vaecli.data.source import Source
from vaecli.errors import DataError, printable, shut

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
OTHER_ENDINGS = (".gif", ".tif", ".tiff", ".heic", ".avif")  # pictures that are not read, which must be said
UNREAD = "no readable PNG, JPEG, WebP or BMP"
MOST_PIXELS = 50_000_000  # of a picture before it is scaled: 200 MB
MOST_BYTES = 1 << 28  # of a file
MOST_FILES_NAMED = 100  # of those that cannot be read
CLASSES_NAMED = 5
CACHED_AS = 1  # rises when the same pictures give other pixels


class Picture(NamedTuple):
    """A file below the folder, before it is opened."""

    name: str  # from the folder on
    size: int  # bytes
    modified: int  # nanoseconds
    wrong: str | None  # why it cannot be read


class Decoded(NamedTuple):
    """The pictures that could be read, and what was wrong with the others."""

    images: NDArray[np.uint8]  # [N, size, size, channels]
    names: list[str]  # [N]
    skipped: list[tuple[str, str]]  # name, reason


class FolderSource(Source):
    """PNG, JPEG, WebP and BMP files, each scaled until it covers a square, of which the middle is kept."""

    data: FolderDataConfig

    def place(self, data_dir: Path | None) -> str | None:
        """The path, if it is a folder."""
        del data_dir
        return self.data.path if os.path.isdir(self.data.path) else None

    def folder(self, data_dir: Path | None) -> Path | None:
        """The data folder, in which the decoded pictures are kept."""
        return first_folder(data_dir).absolute()

    def read(self, data_dir: Path | None) -> Dataset:
        """The pictures, decoded or from the cache in the data folder.

        Raises:
            DataError: there is no such folder or no picture in it, one cannot be read and none is to be skipped, or
                classes and splits have no sub-folders of their own.
        """
        data = self.data
        root = Path(data.path)
        if reason := shut(root):
            raise DataError(f"{root}: {reason}")
        if not root.is_dir():
            raise DataError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
        pictures = sorted(_pictures(root.resolve()))
        found, made = _decoded(root.resolve(), pictures, data, first_folder(data_dir) / "decoded")
        if found.skipped and data.on_error == "refuse":
            raise DataError(*_lines(root, found.skipped, "not read (data.on_error: skip goes on without)"))
        if found.skipped:
            made += _lines(root, found.skipped, "skipped")
        if not found.names:
            raise DataError(f"{root}: no picture that can be read ({', '.join(ENDINGS)})", *made)
        return self._split(root, found, made)

    def _split(self, root: Path, found: Decoded, made: list[str]) -> Dataset:
        """The pictures as training and test images, by the sub-folders train and test or by a seeded draw."""
        tops = {name.partition("/")[0] for name in found.names if "/" in name}
        parts = tops & {"train", "test"}
        if len(parts) == 1:
            raise DataError(f"{root}: has a folder {parts.pop()} but not the other one of train and test")
        if parts and (beside := [name for name in found.names if name.partition("/")[0] not in parts]):
            raise DataError(f"{root}: {beside[0]} lies in neither train nor test")
        names = [name.partition("/")[2] for name in found.names] if parts else found.names
        labels, classes = self._labels(root, names)
        if classes:
            most = f" and {len(classes) - CLASSES_NAMED:,} more" if len(classes) > CLASSES_NAMED else ""
            made = [*made, f"{root}: labels from 0 are {', '.join(classes[:CLASSES_NAMED])}{most}"]
        source = f"{root}, {len(names):,} pictures"
        if parts:
            test = np.array([name.startswith("test/") for name in found.names])
            train, held = (Split(found.images[at], None if labels is None else labels[at]) for at in (~test, test))
        elif len(names) < 2:
            raise DataError(f"{root}: one picture alone is no training set and test set")
        else:
            train, held = split_off(found.images, labels)
            drawn = f"{len(held):,} of {len(names):,} pictures drawn as the test set"
            source = f"{root}, {drawn}"
            made = [*made, f"{root} has no folders train and test: {drawn}, the same ones for every run"]
        title = self.data.title or title_of_file(f"{root.resolve().name}.folder")
        return Dataset("folder", train, held, 1 / 255, source=source, title=title, made=tuple(map(printable, made)))

    def _labels(self, root: Path, names: Sequence[str]) -> tuple[Labels | None, list[str]]:
        """The number of each picture's first sub-folder among all of them in the order of names, and the names."""
        tops = [name.partition("/")[0] if "/" in name else "" for name in names]
        if self.data.labels == "none" or not any(tops):
            return None, []
        if not all(tops):
            beside = names[tops.index("")]
            raise DataError(
                f"{root}: {beside} lies beside the sub-folders that are labels; move it, or set data.labels to none"
            )
        classes = sorted(set(tops))
        place = {name: number for number, name in enumerate(classes)}
        return np.array([place[top] for top in tops], np.int32), classes


def _lines(root: Path, skipped: Sequence[tuple[str, str]], what: str) -> list[str]:
    """How many files are not read, and each of them with the reason: of a flood, the first ones."""
    first = f"; the first {MOST_FILES_NAMED} are:" if len(skipped) > MOST_FILES_NAMED else ":"
    return [
        f"{root}: {len(skipped):,} file{'s' * (len(skipped) != 1)} {what}{first}",
        *(f"{root / name}: {reason}" for name, reason in skipped[:MOST_FILES_NAMED]),
    ]


def _pictures(root: Path) -> Iterator[Picture]:
    """Every file that is called like a picture; hidden ones are left out, and links to folders are not followed."""
    folders_left = [""]
    while folders_left:
        below = folders_left.pop()
        try:
            entries = list(os.scandir(root / below))
        except OSError as error:
            yield Picture(below, 0, 0, f"not readable ({error.strerror})")
            continue
        for entry in entries:
            called, ending = below + entry.name, os.path.splitext(entry.name)[1].lower()
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders_left.append(f"{called}/")
            elif entry.is_symlink() and os.path.isdir(entry):
                yield Picture(called, 0, 0, "a link to a folder, which is not followed")
            elif ending in ENDINGS:
                yield _examined(entry, called, root)
            elif ending in OTHER_ENDINGS:
                yield Picture(called, 0, 0, UNREAD)


def _examined(entry: os.DirEntry[str], called: str, root: Path) -> Picture:
    try:
        if entry.is_symlink() and not Path(entry).resolve().is_relative_to(root):
            return Picture(called, 0, 0, "a link out of the folder")
        facts = entry.stat()
    except (OSError, RuntimeError) as error:  # a link to itself
        return Picture(called, 0, 0, f"not readable ({getattr(error, 'strerror', None) or error})")
    wrong = None if stat.S_ISREG(facts.st_mode) else "not a file"
    if facts.st_size > MOST_BYTES:
        wrong = f"{facts.st_size:,} bytes, at most {MOST_BYTES:,} are read"
    return Picture(called, facts.st_size, facts.st_mtime_ns, wrong)


def _decoded(root: Path, pictures: Sequence[Picture], data: FolderDataConfig, cache: Path) -> tuple[Decoded, list[str]]:
    """The pictures from the cache, or decoded and put there; and a line if they cannot be kept."""
    asked = [CACHED_AS, str(root), data.size, data.channels, pictures]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]
    target = cache / f"{key}.npz"
    if kept := _kept(target):
        return kept, []
    found = _decode(root, pictures, data.size, data.channels)
    try:
        _keep(found, target)
    except OSError as error:
        return found, [f"{cache} cannot be written ({error.strerror}): the pictures are decoded at each start"]
    return found, []


def _kept(target: Path) -> Decoded | None:
    """The content of the cache, if it is to the byte what was written."""
    try:
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != target.with_suffix(".sha256").read_text():
                return None
        with np.load(target, allow_pickle=False) as archive:
            about = json.loads(archive["about"].tobytes())
            skipped = [(name, reason) for name, reason in about["skipped"]]
            return Decoded(archive["images"], about["names"], skipped)
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _keep(found: Decoded, target: Path) -> None:
    """Writes the cache and its digest, each beside its place and renamed; raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    text = json.dumps({"names": found.names, "skipped": found.skipped}).encode()
    try:
        with part.open("wb") as file:
            np.savez(file, images=found.images, about=np.frombuffer(text, np.uint8))
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(part, target)
        part.write_text(digest)
        os.replace(part, target.with_suffix(".sha256"))
    finally:
        with suppress(OSError):
            part.unlink()


def _decode(root: Path, pictures: Sequence[Picture], size: int, channels: int) -> Decoded:
    images = np.empty((len(pictures), size, size, channels), np.uint8)  # all the memory that it takes
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    for picture in pictures:
        wrong = picture.wrong
        if wrong is None:
            try:
                images[len(names)] = decoded(root / picture.name, size, channels)
            except UnidentifiedImageError:
                wrong = UNREAD
            except Exception as error:  # a damaged picture raises anything
                wrong = str(error) or type(error).__name__
        if wrong is None:
            names.append(picture.name)
        else:
            skipped.append((picture.name, wrong))
    return Decoded(images[: len(names)], names, skipped)


def decoded(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """The picture [size, size, channels] of a file, upright, over white, its middle where it is not square.

    Raises:
        ValueError: it has too many pixels, or several frames.
        OSError: it is damaged, or of no format that is read; and whatever else Pillow raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes, which are checked here, and about odd metadata
        with Image.open(path, formats=FORMATS) as opened:
            wide, high = opened.size
            if wide * high > MOST_PIXELS:
                raise ValueError(f"{wide:,} x {high:,} pixels, at most {MOST_PIXELS:,} are read")
            frames = getattr(opened, "n_frames", 1)
            if frames > 1 and opened.format != "MPO":  # a camera's JPEG with a preview behind it
                raise ValueError(f"has {frames} frames")
            opened.draft(None, (size, size))  # a JPEG need not be decoded at its full size
            image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits; Pillow would cut off what is brighter than 255
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        grey_or_rgb = image.convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(ImageOps.fit(grey_or_rgb, (size, size)))
    return pixels.reshape(size, size, channels)
