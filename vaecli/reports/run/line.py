"""A line of images in a figure, made where no figure is drawn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Line(NamedTuple):
    """Images side by side, with a label at their left and a word above each."""

    label: str
    images: NDArray[np.float32]  # [N, H, W] or [N, H, W, C]
    words: Sequence[str] = ()  # above each; none at all, or N
    marked: int | None = None  # the image with a frame
