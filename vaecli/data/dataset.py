"""A data set that is loaded and checked."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.config.schema import TrainingConfig
from vaecli.errors import DataError

Images = NDArray[np.uint8] | NDArray[np.float32]
Labels = NDArray[np.int32]

NAMED = 5  # classes on the screen
CHANNELS = (1, 3)  # grey, or red, green and blue
BINARIZATION_SEED = 20_080_610  # one draw per data set, whatever the run's seed
TEST_SEED = 20_181_203  # one split per number of images, whatever the run's seed
TEST_SHARE, MOST_TEST = 6, 10_000  # of images without a test set of their own: one in six, as in MNIST
VALIDATION_SEED = 20_210_601  # one split per data set and count, whatever the run's seed


@dataclass(frozen=True)
class Split:
    """One split: images [N, H, W, C], uint8 or float32; labels [N] or None."""

    images: Images
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Dataset:
    """Images whose pixel values times `scale` are in [0, 1]."""

    name: str
    train: Split
    test: Split
    scale: float
    source: str  # where the arrays were found, in words
    title: str | None = None  # what users call their own data
    validation: Split | None = None
    binarization: str = "none"  # for people: how pixels came to be 0 or 1
    fallback_for: str | None = None  # the requested data set, which is not available
    fallback_reason: str | None = None  # and why
    made: tuple[str, ...] = ()  # lines on what was made of the user's files

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """H, W, C."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def called(self) -> str:
        """The name shown to people."""
        return self.title or self.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines on what was made of the user's files, and on what it stands in for."""
        if not self.fallback_for:
            return self.made
        return (*self.made, self.fallback_reason or "", f"{self.name} stand in for {self.fallback_for}")

    @property
    def num_pixels(self) -> int:
        """The number of values of one image, over rows, columns and channels."""
        return math.prod(self.image_shape)

    @cached_property
    def mean_image(self) -> NDArray[np.float64]:
        """The mean training image [H, W, C], in [0, 1]."""
        mean: NDArray[np.float64] = self.train.images.mean(0, dtype=np.float64) * self.scale
        return mean

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of a training pixel from the mean image's, over all pixels."""
        return math.sqrt(self.error_of_mean_image(self.train.images))

    def error_of_mean_image(self, images: Images) -> float:
        """The squared error per pixel of predicting the mean training image for each of these."""
        squares = 0.0
        for start in range(0, len(images), 1000):  # as float64 all of them would be large
            squares += float(np.square(images[start : start + 1000] * self.scale - self.mean_image).sum())
        return squares / images.size

    def floats(self, images: Images) -> NDArray[np.float32]:
        """The images in [0, 1], of the same shape."""
        return images.astype(np.float32) * np.float32(self.scale)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 over names, types, shapes, bytes and scale: equal exactly for equal data and split.

        Images of one channel count as [N, H, W].
        """
        total = hashlib.sha256(repr(self.scale).encode())
        for name, array in self._arrays():
            total.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def _arrays(self) -> Iterator[tuple[str, NDArray]]:
        for name in ("train", "validation", "test"):
            split: Split | None = getattr(self, name)
            if split is not None:
                yield f"x_{name}", squeezed(split.images)
                if split.labels is not None:
                    yield f"y_{name}", split.labels

    def steps_per_epoch(self, training: TrainingConfig) -> int:
        """The number of batches in the training images; raises DataError if there is none."""
        steps, batch_size = training.batches(len(self.train)), training.batch_size
        if steps == 0:
            raise DataError(
                f"training.batch_size: {batch_size:,} is more than the {len(self.train):,} training images of "
                f"{self.called}; use a smaller one, e.g. --batch-size {min(64, len(self.train))}"
            )
        return steps

    def binarized(self, how: str, threshold: float = 0.5) -> "Dataset":
        """The same data with pixels of 0 or 1 (times 1 / scale).

        Args:
            how: "none"; "threshold": a pixel is 1 above it; "static": drawn once with a fixed seed, whatever the run's;
                "dynamic": as static, but the training images stay grey and are drawn at each use by the training loop.
        """
        if how == "none":
            return self

        def split(found: Split | None, seed: int) -> Split | None:
            if found is None:
                return None
            if how == "threshold":
                images = as_pixels(self.floats(found.images) > threshold, found.images, self.scale)
            else:
                images = _drawn(found.images, self.scale, seed)
            return replace(found, images=images)

        train = self.train if how == "dynamic" else split(self.train, BINARIZATION_SEED)
        test, validation = split(self.test, BINARIZATION_SEED + 1), split(self.validation, BINARIZATION_SEED + 2)
        assert train is not None
        assert test is not None
        called = f"threshold {threshold:g}" if how == "threshold" else how
        return replace(self, train=train, test=test, validation=validation, binarization=called)

    def hold_out(self, count: int, of: str = "random") -> "Dataset":
        """The same data with `count` training images held out as the validation split.

        Args:
            of: "random": drawn with a fixed seed, whatever the run's; "start" and "end": the first and the last ones.

        Raises:
            DataError: no training image would be left.
        """
        if count == 0:
            return self
        if count >= len(self.train):
            raise DataError(
                f"data.validation: {count} of the {len(self.train)} training images of {self.called} cannot be held out"
            )
        order = np.arange(len(self.train))
        if of == "end":
            order = order[::-1]
        elif of == "random":
            order = np.random.default_rng(VALIDATION_SEED).permutation(len(self.train))
        held, kept = np.sort(order[:count]), np.sort(order[count:])

        def pick(rows: NDArray[np.int64]) -> Split:
            labels = self.train.labels
            return Split(self.train.images[rows], None if labels is None else labels[rows])

        return replace(self, train=pick(kept), validation=pick(held))

    def trained_on(self, more: Split) -> "Dataset":
        """The same data with the test images behind the training images, in the form `more` that is trained on."""
        labels = None
        if self.train.labels is not None and more.labels is not None:
            labels = np.concatenate([self.train.labels, more.labels])
        train = Split(np.concatenate([self.train.images, more.images]), labels)
        said = f"data.train_on: all: the {len(more):,} test images are trained on too, so they test nothing"
        return replace(self, train=train, made=(*self.made, said))


def _drawn(images: Images, scale: float, seed: int) -> Images:
    """Each pixel is 1 with the probability of its grey value, else 0; in the type and range of the images."""
    grey = images.astype(np.float32) * np.float32(scale)
    return as_pixels(np.random.default_rng(seed).random(images.shape, np.float32) < grey, images, scale)


def as_pixels(white: NDArray[np.bool_], images: Images, scale: float) -> Images:
    """Pixels of 0 or 1 / scale, in the type of the images."""
    return np.where(white, np.asarray(round(1 / scale), images.dtype), np.asarray(0, images.dtype))


def squeezed(images: NDArray[Any]) -> NDArray[Any]:
    """Images [N, H, W, C] in the form of files and users: [N, H, W] for one channel."""
    return images[..., 0] if images.shape[-1] == 1 else images


def split_off(images: Images, labels: Labels | None) -> tuple[Split, Split]:
    """Training and test images in their order, of images without a test set: drawn with a fixed seed.

    Args:
        images: at least two.
    """
    count = min(max(1, len(images) // TEST_SHARE), MOST_TEST)
    chosen = np.zeros(len(images), bool)
    chosen[np.random.default_rng(TEST_SEED).permutation(len(images))[:count]] = True
    train, test = (Split(images[rows], None if labels is None else labels[rows]) for rows in (~chosen, chosen))
    return train, test


def pixels_of(arrays: Mapping[str, NDArray], *, place: str) -> dict[str, NDArray]:
    """Arrays of images whose integers are bytes as uint8; zeros and ones, which may be bools, as float32.

    Raises:
        DataError: the range of integers is neither: of 0 to 16, for example, nobody knows which is white; or one array
            has another range than the others.
    """
    whole = {name: array for name, array in arrays.items() if array.dtype.kind in "biu"}
    found = [array for array in whole.values() if array.size]
    if not found:
        return dict(arrays)
    low, high = min(int(array.min()) for array in found), max(int(array.max()) for array in found)
    if 0 <= low <= high <= 1:
        return {**arrays, **{name: array.astype(np.float32) for name, array in whole.items()}}
    if low >= 0 and 128 <= high <= 255:
        if other := next((name for name, array in whole.items() if _zeros_and_ones(array)), None):
            raise DataError(
                f"{place}: {other}: zeros and ones, beside integers to {high}: one white is needed for both"
            )
        return {**arrays, **{name: array.astype(np.uint8, copy=False) for name, array in whole.items()}}
    name, array = next(iter(whole.items()))
    raise DataError(
        f"{place}: {name}: pixels are floats in [0, 1], zeros and ones, or integers from 0 to at least 128 and at most "
        f"255, else nobody knows which is white; received {array.dtype} from {low} to {high}"
    )


def _zeros_and_ones(array: NDArray) -> bool:
    return array.size > 0 and (array.dtype.kind == "b" or (array.min() == 0 and array.max() == 1))


def channels_last(array: NDArray) -> NDArray:
    """Images [N, C, H, W], as other libraries have them, as [N, H, W, C]; all others as they are."""
    if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
        return np.moveaxis(array, 1, 3)
    return array


def checked_images(array: NDArray, *, name: str, place: str, scale: float = 1 / 255) -> Images:
    """Converts images [N, H, W], [N, H, W, C], [N, C, H, W] or [N, P], P a square number, to [N, H, W, C], C 1 or 3.

    Args:
        scale: as of `checked_pixels`.

    Raises:
        DataError: another shape or type, no images at all, or values outside the range.
    """
    shape = array.shape
    if array.ndim == 2 and shape[1] > 0 and int(shape[1] ** 0.5) ** 2 == shape[1]:
        side = int(shape[1] ** 0.5)
        array = array.reshape(-1, side, side)
    if array.ndim == 3:
        array = array[..., None]
    array = channels_last(array)
    if array.ndim != 4 or array.shape[3] not in CHANNELS or 0 in array.shape:
        raise DataError(
            f"{place}: {name}: images [N, H, W], or [N, H, W, C] of 1 or 3 channels, are needed, received shape {shape}"
        )
    return checked_pixels(array, called=f"{place}: {name}", scale=scale)


def checked_pixels(array: NDArray, *, called: str, scale: float = 1 / 255) -> Images:
    """Images of any shape as uint8, whose white is 1 / scale, or as float32 in [0, 1].

    Args:
        called: what an error is about.
        scale: of the data that they belong to.

    Raises:
        DataError: another type, or values outside the range.
    """
    white = round(1 / scale)
    if array.dtype.kind in "iu":
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        if low < 0 or high > white:
            raise DataError(f"{called}: integer pixels lie in 0..{white} here, received {low} to {high}")
        return array.astype(np.uint8, copy=False) if white > 1 else array.astype(np.float32)
    if array.dtype.kind not in "fb":
        raise DataError(f"{called}: pixels are integers, bools, or floats in [0, 1], received type {array.dtype}")
    if not np.isfinite(array).all():
        raise DataError(f"{called}: pixels that are NaN or infinite: {np.count_nonzero(~np.isfinite(array)):,}")
    if outside := np.count_nonzero((array < 0) | (array > 1)):
        low, high = array.min(), array.max()
        bytes_ = low >= 0 and 1.5 < high <= 255
        advice = " (divide by 255?)" if bytes_ else " (from [-1, 1]?)" if -1 <= low < -0.5 and high <= 1 else ""
        raise DataError(
            f"{called}: float pixels must lie in [0, 1], and {outside:,} of {array.size:,} do not: received {low!s} to "
            f"{high!s}{advice}"
        )
    return array.astype(np.float32, copy=False)


def labels_of(arrays: Mapping[str, NDArray], *, place: str) -> tuple[dict[str, NDArray], list[str]]:
    """Arrays of labels as integers, and lines on what was made of them; what has another form is left as it is.

    Whole floats and bools are integers, the place of the one in a row of zeros is its label, and names are numbered
    from 0 in their order.

    Raises:
        DataError: a name is no text.
    """
    found = {name: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for name, array in arrays.items()}
    if found and all(array.ndim == 1 and array.dtype.kind in "US" for array in found.values()):
        texts = {name: _texts(array, f"{place}: {name}") for name, array in found.items()}
        names = np.unique(np.concatenate(list(texts.values())))
        named = {name: np.searchsorted(names, array) for name, array in texts.items()}
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        return named, [f"{place}: labels from 0 are {', '.join(names[:NAMED])}{more}"]
    made = []
    for name, array in found.items():
        if array.dtype.kind == "b" and array.ndim == 1:
            found[name] = array.astype(np.int32)
        elif array.dtype.kind == "f" and array.ndim == 1 and array.size and np.abs(array.astype(float)).max() < 2**31:
            found[name] = array.astype(np.int64) if np.array_equal(array, np.rint(array)) else array
        elif array.ndim == 2 and array.dtype.kind in "biuf" and _one_hot(array):
            found[name] = array.argmax(1)
            made.append(f"{place}: {name} is one-hot: a label is the place of the one")
    return found, made


def _texts(array: NDArray, place: str) -> NDArray[np.str_]:
    try:
        return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: a name of a label is not UTF-8: {error.object!r}") from None


def _one_hot(array: NDArray) -> bool:
    return bool(np.isin(array, (0, 1)).all() and (np.count_nonzero(array, axis=1) == 1).all())


def checked_labels(array: NDArray, count: int, *, name: str, place: str) -> Labels:
    """Labels as [N] integers from 0.

    Raises:
        DataError: another shape or type, or not one label per image.
    """
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise DataError(
            f"{place}: {name}: {count:,} integer labels are needed, received {array.dtype} of shape {array.shape}; "
            "data.labels: none trains without"
        )
    if array.size and (array.min() < 0 or array.max() > 10_000):
        raise DataError(
            f"{place}: {name}: labels must lie in 0..10000, received {array.min()} to {array.max()}; "
            "data.labels: none trains without"
        )
    return array.astype(np.int32)
