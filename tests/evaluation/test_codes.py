import itertools

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from vaecli.evaluation.codes import contingency, matching_accuracy, normalized_mutual_information, perplexity


def drawn(seed, num_codes=6, num_labels=4, count=500):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_labels, count).astype(np.int32)
    codes = ((labels + rng.integers(0, 3, count)) % num_codes).astype(np.int32)
    return codes, labels


def test_contingency_counts_pairs():
    codes, labels = drawn(0)
    table = contingency(codes, labels, 7)
    assert table.shape == (7, 4)
    for code, label in np.ndindex(table.shape):
        assert table[code, label] == sum((codes == code) & (labels == label))


def test_perplexity_counts_the_codes_in_use():
    assert perplexity(np.array([5, 5, 5, 0, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 9, 0])) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_that_of_scikit_learn(seed):
    codes, labels = drawn(seed)
    table = contingency(codes, labels, 8)
    assert normalized_mutual_information(table) == pytest.approx(normalized_mutual_info_score(labels, codes), rel=1e-9)


def test_a_constant_code_knows_nothing():
    assert normalized_mutual_information(np.array([[3, 4, 5], [0, 0, 0]])) == 0


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_accuracy_is_that_of_the_best_matching(shape):
    table = np.random.default_rng(0).integers(0, 50, shape)
    small, large = sorted(shape)
    tall = table if shape[0] == large else table.T
    matchings = itertools.permutations(range(large), small)
    best = max(sum(tall[row, column] for column, row in enumerate(rows)) for rows in matchings)
    assert matching_accuracy(table) == pytest.approx(best / table.sum())
