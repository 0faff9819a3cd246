"""What codes say about labels: computed from the pairs of code and label that occur, not from a table of all pairs.

For many codes and labels such a table is almost all zeros; the number of pairs is limited by the number of images.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class Pairs(NamedTuple):
    """The pairs of code and label that occur among the images."""

    codes: Counts  # [P]
    labels: Counts  # [P], indices into `values`
    counts: Counts  # [P] images, at least 1
    values: Counts  # [V], the distinct labels, ascending

    def table(self, num_codes: int) -> Counts:
        """The full table [K, V], zeros included."""
        table = np.zeros((num_codes, len(self.values)), np.int64)
        table[self.codes, self.labels] = self.counts
        return table


def contingency(codes: NDArray[np.int32], labels: NDArray[np.int32]) -> Pairs:
    """Counts how often each code occurs with each label; codes [N], labels [N]."""
    values, places = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(codes.astype(np.int64) * len(values) + places.reshape(-1), return_counts=True)
    return Pairs(*np.divmod(pairs, len(values)), counts, values.astype(np.int64))


def perplexity(counts: Counts) -> float:
    """exp of the entropy of code use [K]: the effective number of codes in use, from 1 to K."""
    p = counts[counts > 0] / counts.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def normalized_mutual_information(pairs: Pairs) -> float:
    """I(code; label) / mean of their entropies, 0 to 1; 0 where either is constant."""
    total = pairs.counts.sum()
    code, label = (np.bincount(of, pairs.counts) / total for of in (pairs.codes, pairs.labels))
    joint = pairs.counts / total
    information = float((joint * np.log(joint / (code[pairs.codes] * label[pairs.labels]))).sum())
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (code, label)]
    return information / float(np.mean(entropies)) if min(entropies) > 0 else 0.0


def matching_accuracy(pairs: Pairs) -> float:
    """The share of images whose label matches their code, under the best matching of each code to at most one label.

    Each code may also be matched to a private label that no image has, so that a full matching always exists. The
    matching of least cost is taken, where a pair with more images costs less.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    _, rows = np.unique(pairs.codes, return_inverse=True)
    num_codes, num_labels = int(rows.max()) + 1, len(pairs.values)
    own = np.arange(num_codes)
    most = pairs.counts.max() + 1
    costs = np.concatenate([most - pairs.counts, np.full(num_codes, most)]).astype(np.float64)
    places = np.concatenate([rows, own]), np.concatenate([pairs.labels, num_labels + own])
    graph = coo_array((costs, places), shape=(num_codes, num_labels + num_codes)).tocsr()
    matched = set(zip(*min_weight_full_bipartite_matching(graph), strict=True))
    found = sum(int(n) for *pair, n in zip(rows, pairs.labels, pairs.counts, strict=True) if tuple(pair) in matched)
    return found / int(pairs.counts.sum())
