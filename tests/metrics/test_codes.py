import itertools
import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score

from vaecli.metrics.codes import contingency, matching_accuracy, normalized_mutual_information, perplexity


def drawn(seed, num_codes=6, num_labels=4, count=500):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_labels, count).astype(np.int32)
    codes = ((labels + rng.integers(0, 3, count)) % num_codes).astype(np.int32)
    return codes, labels


def images_of(table):
    """Codes and labels [N] that give a table."""
    codes, labels = np.nonzero(table)
    return np.repeat(codes, table[codes, labels]).astype(np.int32), np.repeat(labels, table[codes, labels])


def test_contingency_counts_pairs():
    codes, labels = drawn(0)
    table = contingency(codes, labels).table(7)
    assert table.shape == (7, 4)
    for code, label in np.ndindex(table.shape):
        assert table[code, label] == sum((codes == code) & (labels == label))


def test_perplexity_counts_the_codes_in_use():
    assert perplexity(np.array([5, 5, 5, 0, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 9, 0])) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_that_of_scikit_learn(seed):
    codes, labels = drawn(seed)
    found = normalized_mutual_information(contingency(codes, labels))
    assert found == pytest.approx(normalized_mutual_info_score(labels, codes), rel=1e-9)


def test_a_constant_code_knows_nothing():
    codes, labels = images_of(np.array([[3, 4, 5], [0, 0, 0]]))
    assert normalized_mutual_information(contingency(codes, labels)) == 0


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_accuracy_is_that_of_the_best_matching(shape):
    table = np.random.default_rng(0).integers(0, 50, shape)
    small, large = sorted(shape)
    tall = table if shape[0] == large else table.T
    matchings = itertools.permutations(range(large), small)
    best = max(sum(tall[row, column] for column, row in enumerate(rows)) for rows in matchings)
    assert matching_accuracy(contingency(*images_of(table))) == best / table.sum()


@pytest.mark.parametrize("seed", range(20))
def test_accuracy_is_that_of_the_assignment_of_the_whole_table(seed):
    """Tables of few images, where most pairs have none and the best matching leaves codes without a label."""
    rng = np.random.default_rng(seed)
    table = rng.poisson(0.3, rng.integers(1, 30, 2))
    table[0, 0] += 1
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert matching_accuracy(contingency(*images_of(table))) == table[rows, columns].sum() / table.sum()


def test_labels_count_by_how_many_there_are_and_not_by_the_largest():
    codes = np.array([0, 1, 1, 0], np.int32)
    small, large = (contingency(codes, np.array(labels, np.int32)) for labels in ([0, 1, 1, 1], [7, 9999, 9999, 9999]))
    assert np.array_equal(small.table(2), large.table(2))
    assert list(large.values) == [7, 9999]
    assert normalized_mutual_information(small) == normalized_mutual_information(large)


def test_as_many_codes_and_labels_as_may_be_need_no_table_of_all_pairs():
    rng = np.random.default_rng(0)
    codes, labels = (rng.integers(0, most, 12_000).astype(np.int32) for most in (65_536, 10_001))
    tracemalloc.start()
    pairs = contingency(codes, labels)
    assert 0 < normalized_mutual_information(pairs) <= 1
    assert 0.5 < matching_accuracy(pairs) < 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # a table has 65,536 x 10,001 x 8 bytes: 5.2 GB
