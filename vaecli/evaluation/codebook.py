"""Where the rows of a codebook lie among the encodings that choose them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.bottlenecks.bottleneck import OfRows
from vaecli.models.autoencoder import Autoencoder

MOST_IMAGES, MOST_ENCODINGS = 1000, 2000
PARTS = ("effective_dimension", "row_norm", "encoding_norm", "drift")

Floats = NDArray[np.float32]


class Placed(NamedTuple):
    """The rows and encodings of some images, as the nearest is looked for."""

    rows: Floats  # [K, D]
    encodings: Floats  # [M, D]


def placed(autoencoder: Autoencoder, images: Floats) -> Placed | None:
    """The rows, and encodings spread evenly over images [B, H, W, C]; None without a codebook of rows."""
    bottleneck = autoencoder.bottleneck
    if not isinstance(bottleneck, OfRows):
        return None
    e = bottleneck.embed(autoencoder.encoder(tf.constant(images[:MOST_IMAGES]))).numpy()
    e = e.reshape(-1, e.shape[-1])
    return Placed(tf.convert_to_tensor(bottleneck.rows).numpy(), e[:: -(-len(e) // MOST_ENCODINGS)])


def described(found: Placed | None, counts: NDArray[np.int64] | None) -> Mapping[str, float | None]:
    """The block `codebook` of summary.json; all None without a codebook of rows.

    The effective dimension is that of the rows in use, (sum of l)^2 / sum of l^2 over the eigenvalues l of their
    covariance: 1 if they lie on a line, D if they spread alike in every direction, 0 for a single one. Drift is the
    mean |e - q|^2 over the mean |e - mean e|^2, how far encodings have gone from the rows that they choose, in which
    arXiv 2305.08842 sees why rows die; it has no value where all encodings are alike.
    """
    if found is None or counts is None:
        return dict.fromkeys(PARTS)
    used = found.rows[counts > 0].astype(np.float64)
    spread = np.linalg.svd(used - used.mean(0), compute_uv=False) ** 2
    dimension = spread.sum() ** 2 / (spread**2).sum() if spread.any() else 0.0
    rows, e = (x.astype(np.float64) for x in found)
    norms = (float(np.linalg.norm(x, axis=1).mean()) for x in (rows, e))
    chosen = rows[((rows**2).sum(1) - 2 * e @ rows.T).argmin(1)]
    variance = ((e - e.mean(0)) ** 2).sum()
    drift = float(((e - chosen) ** 2).sum() / variance) if variance else None
    return dict(zip(PARTS, (float(dimension), *norms, drift), strict=True))
