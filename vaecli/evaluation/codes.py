"""What codes say about labels, from the table of counts alone."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def contingency(codes: NDArray[np.int32], labels: NDArray[np.int32], num_codes: int) -> Counts:
    """How often each code goes with each label.

    Args:
        codes: [N], 0..num_codes-1; labels: [N].
    Returns:
        [num_codes, labels.max() + 1].
    """
    num_labels = int(labels.max()) + 1
    flat = codes.astype(np.int64) * num_labels + labels
    return np.bincount(flat, minlength=num_codes * num_labels).reshape(num_codes, num_labels)


def perplexity(counts: Counts) -> float:
    """exp of the entropy of code use [K]: how many codes are in use, from 1 to K."""
    p = counts[counts > 0] / counts.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def normalized_mutual_information(table: Counts) -> float:
    """I(code; label) / mean of their entropies, 0 to 1; 0 where either is constant."""
    joint = table / table.sum()
    code, label = joint.sum(1), joint.sum(0)
    inside = joint > 0
    information = float((joint[inside] * np.log(joint[inside] / np.outer(code, label)[inside])).sum())
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (code, label)]
    return information / float(np.mean(entropies)) if min(entropies) > 0 else 0.0


def matching_accuracy(table: Counts) -> float:
    """Share of images whose label is their code's, when each code is matched to at most one label, at best."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())
