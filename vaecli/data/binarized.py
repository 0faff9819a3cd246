"""Published draws of binarized images, in place of the grey ones: those of MNIST by Larochelle, or in an npz.

Most published likelihoods of binarized MNIST are of one draw, which its author published as three text files
(Larochelle and Murray, AISTATS 2011): binarized_mnist_train.amat with the first 50,000 training images, _valid.amat
with the last 10,000, and _test.amat; a line of 784 digits, each 0 or 1, for each image.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaecli.data.dataset import Dataset, Images, Split, as_pixels
from vaecli.data.files import no_file, read_npz
from vaecli.errors import DataError

TRAIN = ("binarized_mnist_train.amat", "binarized_mnist_valid.amat")
TEST = "binarized_mnist_test.amat"
_DIGITS, _SPACE = np.frombuffer(b"01", np.uint8), np.frombuffer(b" \t\r\n", np.uint8)


def published(path: Path, grey: Dataset) -> Dataset:
    """The grey data set with its pixels exchanged for published ones of 0 or 1 (times 1 / scale).

    An image keeps the label of the grey one in its place where it can be a draw of it: white only where the grey pixel
    is not black, black only where it is not white. If one image of a split cannot, the split has another order, and no
    labels.

    Args:
        path: a folder of the three .amat files, or an npz with x_train and x_test.

    Raises:
        DataError: a file is missing or damaged, a pixel is neither 0 nor 1, or the number of images or of pixels is not
            that of the grey data.
    """
    pixels = grey.num_pixels
    if os.path.isdir(path):
        train = np.concatenate([read_amat(path / name, pixels) for name in TRAIN])
        test = read_amat(path / TEST, pixels)
    else:
        arrays = read_npz(path)
        if missing := [name for name in ("x_train", "x_test") if name not in arrays]:
            raise DataError(f"{path}: array {' and '.join(missing)} missing, found {sorted(arrays) or 'none'}")
        train, test = (_zeros_and_ones(arrays[name], f"{path}: {name}") for name in ("x_train", "x_test"))
    splits = {}
    for name, white, split in (("training", train, grey.train), ("test", test, grey.test)):
        if white.size != split.images.size or len(white) != len(split):
            raise DataError(
                f"{path}: {len(white):,} {name} images of {white[:1].size:,} pixels, where {grey.called} has "
                f"{len(split):,} of {pixels:,}"
            )
        splits[name] = _in_place_of(split, white.reshape(split.images.shape), grey)
    return replace(grey, train=splits["training"], test=splits["test"], binarization="static, published")


def read_amat(path: Path, pixels: int) -> NDArray[np.bool_]:
    """The images [N, pixels] of a text file of digits 0 and 1, a line for each image; raises DataError."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: {no_file(path)}; data.binarized_path needs this file")
    try:
        text = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror}); data.binarized_path needs this file") from None
    digits = text[(text == _DIGITS[0]) | (text == _DIGITS[1])]
    spaces = np.isin(text, _SPACE)
    if len(digits) + np.count_nonzero(spaces) != len(text):
        raise DataError(f"{path}: holds something else than the digits 0 and 1 and spaces")
    lines = np.count_nonzero(text == ord("\n")) + int(len(text) > 0 and text[-1] != ord("\n"))
    if lines == 0 or len(digits) != lines * pixels:
        raise DataError(f"{path}: {len(digits):,} digits in {lines:,} lines, where each line needs {pixels:,}")
    return digits.reshape(lines, pixels) == _DIGITS[1]


def _zeros_and_ones(array: NDArray, place: str) -> NDArray[np.bool_]:
    if array.ndim < 2 or 0 in array.shape or array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise DataError(f"{place}: images of pixels 0 and 1 are needed, received {array.dtype} of shape {array.shape}")
    return array == 1


def _in_place_of(split: Split, white: NDArray[np.bool_], grey: Dataset) -> Split:
    possible = not np.any(np.where(white, split.images == 0, split.images == round(1 / grey.scale)))
    images: Images = as_pixels(white, split.images, grey.scale)
    return Split(images, split.labels if possible else None)
