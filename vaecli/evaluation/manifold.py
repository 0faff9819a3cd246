"""How alike two sets of images are, by the neighbourhoods of their features."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

K = 5  # nearest neighbours, as the paper recommends
AT_ONCE = 1000  # rows of a table of distances

Features = NDArray[np.float64]  # [N, F]


class Manifold(NamedTuple):
    """Precision, recall, density and coverage (Naeem et al. 2020, arXiv 2002.09797)."""

    precision: float  # the share of the other images that lie near a real one
    recall: float  # the share of the real images that lie near another one
    density: float  # in how many neighbourhoods of real images another one lies, in units of k; may exceed 1
    coverage: float  # the share of the real images that have another one in their neighbourhood


def manifold(real: Features, others: Features, k: int = K) -> Manifold:
    """Compares N real images X_i with M others Y_j, more than k of each.

    With r(X_i) the distance from X_i to its k-th nearest among the real ones without itself, r(Y_j) likewise, and
    B(x, r) all points nearer to x than r, as in the authors' code:

        precision = 1/M  sum_j 1[Y_j in some B(X_i, r(X_i))]      recall = 1/N  sum_i 1[X_i in some B(Y_j, r(Y_j))]
        density   = 1/kM sum_j sum_i 1[Y_j in B(X_i, r(X_i))]     coverage = 1/N  sum_i 1[some Y_j in B(X_i, r(X_i))]

    Of two sets of one size and one law, coverage is about 1 - 2^-k, .97.
    """
    of_real, of_others = radii(real, k), radii(others, k)
    inside, within, covered = np.zeros(len(others)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in _squares(real, others):
        near = squares < of_real[rows, None]
        inside += near.sum(0)
        covered[rows] = near.any(1)
        within[rows] = (squares < of_others).any(1)
    return Manifold(
        precision=float((inside > 0).mean()),
        recall=float(within.mean()),
        density=float(inside.mean() / k),
        coverage=float(covered.mean()),
    )


def radii(points: Features, k: int) -> NDArray[np.float64]:
    """The squared distance [N] from each point to its k-th nearest without itself."""
    found = np.empty(len(points))
    for rows, squares in _squares(points, points):
        squares[np.arange(len(squares)), np.arange(rows.start, rows.start + len(squares))] = np.inf
        found[rows] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return found


def _squares(one: Features, two: Features) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Rows of the table of squared distances."""
    of_two = np.einsum("nf,nf->n", two, two)
    for start in range(0, len(one), AT_ONCE):
        part = one[start : start + AT_ONCE]
        squares = np.einsum("nf,nf->n", part, part)[:, None] + of_two - 2 * part @ two.T
        yield slice(start, start + len(part)), np.maximum(squares, 0)


def more_often_nearer(distances: NDArray[np.float64], of_test: NDArray[np.float64]) -> float:
    """The share of pairs of an image and a test image in which the image has the smaller distance; equal ones half."""
    order = np.sort(of_test)
    above = len(order) - np.searchsorted(order, distances, "right")
    equal = len(order) - np.searchsorted(order, distances, "left") - above
    return float((above + equal / 2).mean() / len(order))


def entropy_bits(labels: NDArray[np.int64]) -> float:
    """The entropy of how often each label occurs, in bits."""
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))
