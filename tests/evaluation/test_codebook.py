"""Where the rows of a codebook lie."""

import numpy as np
import pytest

from helpers import small_config
from vaecli.data.digits import digits
from vaecli.evaluation.codebook import Placed, described, placed
from vaecli.models.autoencoder import build
from vaecli.runs.reconstructions import wrong_arrays

CORNERS = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "dimension"),
    [
        (CORNERS, 4.0),
        (CORNERS * [2, 2, 0, 0], 2.0),
        (np.outer(np.arange(8), [1, 2, 3, 4]), 1.0),
        (np.ones((8, 4)), 0.0),
    ],
)
def test_the_effective_dimension_is_that_of_the_directions_that_rows_spread_in(rows, dimension):
    found = described(Placed(rows, 3 * CORNERS), np.ones(8, np.int64))
    assert found["effective_dimension"] == pytest.approx(dimension)
    assert found["encoding_norm"] == pytest.approx(3.0)
    assert found["row_norm"] == pytest.approx(np.linalg.norm(rows, axis=1).mean())


def test_rows_that_nothing_uses_have_no_dimension():
    counts = np.array([5, 0, 0, 0, 5, 0, 0, 0])  # two rows on a line
    assert described(Placed(CORNERS, CORNERS), counts)["effective_dimension"] == pytest.approx(1.0)
    assert described(None, None) == dict.fromkeys(("effective_dimension", "row_norm", "encoding_norm", "drift"))


@pytest.mark.parametrize(("away", "drift"), [(0.0, 0.0), (0.5, 0.25), (3.0, 9.0)])
def test_drift_is_the_part_of_the_encodings_variance_that_their_rows_leave(away, drift):
    """Encodings on a cross whose mean is 0, rows at the same places or `away` along a dimension of their own."""
    e = np.pad(CORNERS, ((0, 0), (0, 1)))
    rows = e + away * np.eye(5)[4]
    counts = np.ones(8, np.int64)
    assert described(Placed(rows, e), counts)["drift"] == pytest.approx(drift)
    assert described(Placed(rows, e[:1]), counts)["drift"] is None


@pytest.mark.parametrize("method", ["vqvae", "simvq", "diveq"])
def test_encodings_are_what_rows_are_compared_with(method):
    model = build(small_config(method), (8, 8))
    images = digits().floats(digits().test.images)
    found = placed(model, images)
    assert np.array_equal(found.rows, model.bottleneck.rows)
    np.testing.assert_allclose(found.encodings, model.bottleneck.embed(model.encoder(images))[:, 0], atol=1e-6)


@pytest.mark.parametrize("method", ["vae", "gumbel", "fsq", "residual"])
def test_without_one_codebook_of_rows_there_is_nothing(method):
    assert placed(build(small_config(method), (8, 8)), digits().floats(digits().test.images)) is None


def test_a_codebook_of_another_run_is_refused():
    pictures = np.zeros((2, 3, 3))
    arrays = {"images": pictures, "index": np.arange(2), "mode": pictures, "sampled": pictures}
    arrays |= {"codes": np.zeros((2, 1), int), "code_counts": np.ones((1, 5), int)}
    whole = arrays | {"codebook": np.zeros((5, 3)), "encodings": np.zeros((9, 3))}
    assert wrong_arrays(whole) is None
    assert wrong_arrays(whole | {"codebook": np.zeros((4, 3))}) == "not one row for each code"
    assert wrong_arrays(whole | {"encodings": np.zeros((9, 2))}) == "not a codebook with its encodings"
    assert wrong_arrays(arrays | {"codebook": np.zeros((5, 3))}) == "not a codebook with its encodings"
