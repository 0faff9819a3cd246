"""What the codes of a grid draw: each in its places among other codes, and alone in all of them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.models.autoencoder import Autoencoder

MOST = 100  # codes
IMAGES = 1000  # whose decoded cells are averaged
BATCH = 50


class Drawn(NamedTuple):
    """M codes, the most used first."""

    codes: NDArray[np.int64]  # [M]
    in_place: NDArray[np.float32]  # [M, h, w, C], the mean of the decoded images' cells that have the code
    alone: NDArray[np.float32]  # [M, H, W, C], decoded from a grid that has it in every cell


def drawn_by_codes(autoencoder: Autoencoder, codes: NDArray[np.int32]) -> Drawn:
    """What the most used codes of a grid with one code in each cell draw.

    Args:
        codes: [B, N] of images, N cells in the order of rows.
    """
    positions, (alphabet, *_) = autoencoder.latent.positions, autoencoder.latent.alphabets or (0,)
    order = np.argsort(-np.bincount(codes.reshape(-1), minlength=alphabet), kind="stable")
    codes = codes[:IMAGES]
    counts = np.bincount(codes.reshape(-1), minlength=alphabet)
    most = order[counts[order] > 0][:MOST]

    def decoded(rows: NDArray[np.int32]) -> NDArray[np.float32]:
        parts = (rows[first : first + BATCH] for first in range(0, len(rows), BATCH))
        images = [autoencoder.pixels(autoencoder.bottleneck.lookup(tf.constant(part))).numpy() for part in parts]
        return np.concatenate(images)

    alone = decoded(np.repeat(most.astype(np.int32)[:, None], codes.shape[1], 1))
    images = decoded(codes)
    shape = [-(-side // cells) for side, cells in zip(images.shape[1:3], positions, strict=True)]
    sums = np.zeros((alphabet, *shape, images.shape[3]))
    for cell, (i, j) in enumerate(np.ndindex(*positions)):
        top, left = (
            min(round(place * side / cells), side - length)
            for place, side, cells, length in zip((i, j), images.shape[1:3], positions, shape, strict=True)
        )
        np.add.at(sums, codes[:, cell], images[:, top : top + shape[0], left : left + shape[1]])
    return Drawn(most, (sums[most] / counts[most, None, None, None]).astype(np.float32), alone)
