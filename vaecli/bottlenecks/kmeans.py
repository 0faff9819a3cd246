"""k-means with one answer for one seed, whatever the number of threads."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 30  # of Lloyd's algorithm: a start, not an optimum
AT_ONCE = 2**22  # distances

Points = NDArray[np.floating]


def kmeans(points: Points, k: int, *, seed: int) -> NDArray[np.float32]:
    """The centres [k, D] of points [M, D] by Lloyd's algorithm, begun by k-means++ (Arthur and Vassilvitskii 2007).

    scikit-learn's sums differ with the number of threads in the last bits. A centre that no point is nearest to stays
    where it is; of fewer than k distinct points some are centres twice.
    """
    points = points.astype(np.float64)
    centres = _begun(points, k, np.random.default_rng(seed))
    before = None
    for _ in range(ROUNDS):
        found = nearest(points, centres)
        if before is not None and np.array_equal(found, before):
            break
        before = found
        counts = np.bincount(found, minlength=k)
        sums = np.stack([np.bincount(found, column, minlength=k) for column in points.T], 1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return centres.astype(np.float32)


def _begun(points: Points, k: int, rng: np.random.Generator) -> Points:
    """Each centre is a point drawn with a probability that grows with the square of its distance to those before."""
    chosen = [int(rng.integers(len(points)))]
    squares = np.full(len(points), np.inf)
    for _ in range(k - 1):
        squares = np.minimum(squares, ((points - points[chosen[-1]]) ** 2).sum(1))
        cumulative = np.cumsum(squares)
        drawn = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        chosen.append(min(drawn, len(points) - 1))
    return points[chosen]


def nearest(points: Points, centres: Points) -> NDArray[np.int64]:
    """The number of the centre [M] that each point is nearest to."""
    norms, step = (centres**2).sum(1), max(1, AT_ONCE // len(centres))
    parts = [points[first : first + step] for first in range(0, len(points), step)]
    return np.concatenate([(norms - 2 * part @ centres.T).argmin(1) for part in parts])
