"""Precision, recall, density and coverage against loops over the formulas, and the nearest image against a loop."""

import numpy as np
import pytest

from vaecli.evaluation import manifold as module
from vaecli.evaluation import neighbours
from vaecli.evaluation.manifold import entropy_bits, manifold, more_often_nearer
from vaecli.evaluation.neighbours import nearest

RNG = np.random.default_rng(0)
REAL, OTHERS = RNG.normal(0, 1, (40, 3)), RNG.normal(1.5, 0.9, (30, 3))


def distance(one, two):
    return np.sqrt(((one - two) ** 2).sum())


def by_loops(real, others, k):
    def radius(points, i):
        return sorted(distance(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    of_real = [radius(real, i) for i in range(len(real))]
    of_others = [radius(others, j) for j in range(len(others))]
    inside = [[distance(x, y) < r for x, r in zip(real, of_real, strict=True)] for y in others]
    within = [[distance(x, y) < r for y, r in zip(others, of_others, strict=True)] for x in real]
    return (
        np.mean([any(row) for row in inside]),
        np.mean([any(row) for row in within]),
        np.sum(inside) / (k * len(others)),
        np.mean([any(column) for column in zip(*inside, strict=True)]),
    )


@pytest.mark.parametrize("at_once", [7, 1000])
@pytest.mark.parametrize("k", [1, 5])
def test_the_figures_are_those_of_loops(k, at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    found = by_loops(REAL, OTHERS, k)
    assert manifold(REAL, OTHERS, k) == pytest.approx(found)
    assert 0 < min(found) < max(found[:2] + found[3:]) < 1


def test_equal_laws_cover_each_other_and_far_ones_do_not():
    one, two = RNG.normal(0, 1, (2, 500, 4))
    assert manifold(one, two).coverage == pytest.approx(1 - 2**-5, abs=0.03)
    assert manifold(one, two + 100) == (0, 0, 0, 0)


@pytest.mark.parametrize("at_once", [3, 2000])
def test_the_nearest_image_is_that_of_a_loop(at_once, monkeypatch):
    monkeypatch.setattr(neighbours, "AT_ONCE", at_once)
    images = RNG.integers(0, 256, (20, 4, 5, 1), np.uint8)
    queries = RNG.random((8, 4, 5), np.float32)
    told = []
    found = nearest(queries, images, scale=1 / 255, told=told.append)
    table = [[distance(query, image[..., 0] / 255) ** 2 for image in images] for query in queries]
    assert list(found.place) == list(np.argmin(table, 1))
    assert found.distance == pytest.approx(np.min(table, 1), rel=1e-5)
    assert told[-1] == 20
    copies = nearest(images[3:5, ..., 0].astype(np.float32) / np.float32(255), images, scale=1 / 255)
    assert (list(copies.place), copies.distance) == ([3, 4], pytest.approx([0, 0], abs=1e-9))


def test_pairs_of_equal_distances_count_half():
    one, two = np.array([1.0, 2.0, 5.0]), np.array([2.0, 4.0])
    expected = np.mean([[(a < b) + (a == b) / 2 for b in two] for a in one])
    assert more_often_nearer(one, two) == pytest.approx(expected)
    assert more_often_nearer(two, two) == 0.5


def test_the_entropy_of_labels_is_in_bits():
    assert entropy_bits(np.array([3, 3, 7, 9])) == pytest.approx(1.5)
    assert entropy_bits(np.array([3, 3])) == 0
