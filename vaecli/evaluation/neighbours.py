"""The nearest of many images, in pieces of bounded memory."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.data.dataset import Images

AT_ONCE = 2000  # images on either side, whose distances are held at once


class Nearest(NamedTuple):
    """The nearest of N images to each of M others."""

    place: NDArray[np.int64]  # [M], the first of equally near ones
    distance: NDArray[np.float64]  # [M], squared, a sum over pixels in [0, 1]


def nearest(
    queries: NDArray[np.float32],
    images: Images,
    *,
    scale: float,
    told: Callable[[int], None] = lambda done: None,
) -> Nearest:
    """The nearest images by |q - x|^2 = |q|^2 - 2 q x + |x|^2 in float32; its own distance is then exact.

    Args:
        queries: [M, ...], floats in [0, 1].
        images: [N, ...], of as many pixels, times `scale` in [0, 1].
        told: called with how many of the N are done.
    """
    flat = queries.reshape(len(queries), -1)
    least = np.full(len(flat), np.inf, np.float32)
    place = np.zeros(len(flat), np.int64)
    for start in range(0, len(images), AT_ONCE):
        block = _floats(images[start : start + AT_ONCE], scale)
        squares = np.einsum("np,np->n", block, block)
        for first in range(0, len(flat), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            found = squares - 2 * flat[part] @ block.T  # without |q|^2, the same for all
            inside = found.argmin(1)
            value = np.take_along_axis(found, inside[:, None], 1)[:, 0]
            nearer = value < least[part]
            least[part] = np.where(nearer, value, least[part])
            place[part] = np.where(nearer, inside + start, place[part])
        told(start + len(block))
    distance = np.empty(len(flat))
    for first in range(0, len(flat), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        apart = flat[part].astype(np.float64) - _floats(images[place[part]], scale)
        distance[part] = np.square(apart).sum(1)
    return Nearest(place, distance)


def _floats(images: Images, scale: float) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32) * np.float32(scale)
