"""How a codebook's rows are found, moved, replaced and begun."""

import numpy as np
import pytest
import tensorflow as tf

from vaecli.backend.layers import layer_seed
from vaecli.backend.progress import Progress
from vaecli.bottlenecks.codebook import KEPT, SMOOTHING, Codebook
from vaecli.bottlenecks.kmeans import kmeans, nearest
from vaecli.bottlenecks.vector_quantizer import VectorQuantizer, rotated

K, D = 7, 3
SEED = tf.constant([1, 2])
RNG = np.random.default_rng(0)
FEATURES = tf.constant(RNG.normal(size=(64, 6)), tf.float32)


def book(**options):
    """A codebook whose last two rows are far from every vector."""
    found = Codebook(K, D, seed=0, **options)
    rows = np.random.default_rng(1).normal(size=(K, D))
    rows[-2:] = 100.0
    found.table.embeddings.assign(rows)
    return found


def batch(seed, size=50):
    return tf.constant(np.random.default_rng(seed).normal(size=(size, 2, D)), tf.float32)


def assign(codebook, updates):
    for layer in codebook.layers:
        for weight in layer.weights:
            name = f"{layer.name}/{weight.name}"
            weight.assign(updates.get(name, weight.value))


def test_averages_are_those_of_a_loop_over_vectors():
    """Running k-means: counts and sums decay, and a row is their ratio, with the counts smoothed by Laplace's rule."""
    codebook = book(codebook="ema", decay=0.8)
    rows = codebook.table.embeddings.numpy().astype(np.float64)
    counts, sums = np.ones(K), codebook.averages[1].numpy().astype(np.float64)
    for step in range(5):
        e = batch(step)
        _, codes = codebook.quantize(e)
        updates, replaced = codebook.moved(e, codes, seed=SEED)
        assign(codebook, updates)
        assert not replaced
        chosen = [int(np.argmin(((rows - vector) ** 2).sum(1))) for vector in e.numpy().reshape(-1, D)]
        counts, sums = 0.8 * counts, 0.8 * sums
        for vector, k in zip(e.numpy().reshape(-1, D), chosen, strict=True):
            counts[k] += 0.2
            sums[k] += 0.2 * vector
        smooth = (counts + SMOOTHING) / (counts.sum() + K * SMOOTHING) * counts.sum()
        for k in set(chosen):
            rows[k] = sums[k] / smooth[k]
        np.testing.assert_allclose(codebook.table.embeddings.numpy(), rows, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(codebook.averages[0].numpy(), counts, rtol=1e-5)
    np.testing.assert_allclose(codebook.averages[1].numpy(), sums, rtol=1e-4, atol=1e-5)


def test_averages_begin_as_of_one_vector_each_which_is_the_row():
    codebook = Codebook(K, D, seed=0, codebook="ema")
    assert np.array_equal(codebook.averages[0].numpy(), np.ones(K))
    assert np.array_equal(codebook.averages[1].numpy(), codebook.table.embeddings.numpy())


def test_a_row_that_nothing_chose_is_held_to_the_bit():
    codebook = book(codebook="ema")
    before = codebook.table.embeddings.numpy()
    for step in range(3):
        e = batch(step)
        assign(codebook, codebook.moved(e, codebook.quantize(e)[1], seed=SEED)[0])
    after = codebook.table.embeddings.numpy()
    assert np.array_equal(after[-2:], before[-2:])
    assert (after[:-2] != before[:-2]).any(1).all()


def test_averages_need_no_loss_of_their_own():
    e = batch(0)
    q, _ = book().quantize(e)
    own = 0.25 * np.square(e - q).mean((1, 2))
    np.testing.assert_allclose(book(codebook="ema").loss(e, q, commitment=0.25), own, rtol=1e-5)
    np.testing.assert_allclose(book().loss(e, q, commitment=0.25), 5 * own, rtol=1e-5)
    assert not book(codebook="ema").table.embeddings.trainable


def is_a_vector_of(e, rows):
    vectors = {tuple(vector) for vector in e.numpy().reshape(-1, D)}
    return [tuple(row) in vectors for row in np.asarray(rows)]


@pytest.mark.parametrize("how", ["gradient", "ema"])
def test_a_restart_replaces_exactly_the_dead_rows(how):
    codebook, e = book(codebook=how, restart=1.0), batch(0)
    before, codes = codebook.table.embeddings.numpy(), codebook.quantize(e)[1]
    chose = codes.numpy().reshape(-1, K).sum(0)
    dead = KEPT + (1 - KEPT) * chose < 1 - 1e-6
    assert dead.tolist() == [False] * (K - 2) + [True] * 2
    updates, replaced = codebook.moved(e, codes, seed=SEED)
    if how == "gradient":
        (name, rows) = next(iter(replaced.items()))
        assert (name, rows.places.numpy().tolist()) == ("codebook/embeddings", dead.tolist())
        assert all(is_a_vector_of(e, rows.values))
        assert "codebook/embeddings" not in updates
    else:
        after = updates["codebook/embeddings"].numpy()
        assert is_a_vector_of(e, after) == dead.tolist()
        counts, sums = (updates[f"codebook_averages/{of}"].numpy() for of in ("counts", "sums"))
        np.testing.assert_allclose(counts[dead], 1.0)
        np.testing.assert_allclose(sums[dead], after[dead])
        np.testing.assert_allclose(counts[~dead], 0.99 + 0.01 * chose[~dead], rtol=1e-5)
    uses = updates["codebook_uses/counts"].numpy()
    np.testing.assert_allclose(uses, np.where(dead, 1.0, KEPT + (1 - KEPT) * chose), rtol=1e-6)
    assert np.array_equal(before, codebook.table.embeddings.numpy())


def test_a_used_row_is_dead_only_when_its_moving_count_has_fallen():
    codebook, e = book(restart=1.0), batch(0)
    codebook.uses.assign(np.full(K, 5.0))
    codes = codebook.quantize(e)[1]
    steps = 0
    while not codebook.moved(e, codes, seed=SEED)[1]["codebook/embeddings"].places.numpy().any():
        assign(codebook, codebook.moved(e, codes, seed=SEED)[0])
        steps += 1
    assert 5.0 * KEPT ** (steps + 1) < 1.0 <= 5.0 * KEPT**steps


def test_without_these_keys_a_step_changes_nothing_beside_the_gradient():
    assert book().moved(batch(0), book().quantize(batch(0))[1], seed=SEED) == ({}, {})
    assert [layer.name for layer in book().layers] == ["codebook"]


def test_the_row_of_a_cosine_has_the_smallest_angle_and_length_one():
    codebook = book(distance="cosine")
    e = codebook.placed(3 * batch(0))
    q, codes = codebook.quantize(e)
    table, vectors = codebook.table.embeddings.numpy(), batch(0).numpy()
    cosines = vectors @ table.T / np.linalg.norm(table, axis=1)
    assert np.array_equal(codes.numpy().argmax(-1), cosines.argmax(-1))
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, rtol=1e-6)


def gradient_in_e(e, q, g):
    with tf.GradientTape() as tape:
        tape.watch(e)
        z = rotated(e, q)
        loss = tf.reduce_sum(z * g)
    return z, tape.gradient(loss, e).numpy()


def test_rotation_keeps_the_row_and_the_angle_of_its_gradient():
    """g_e = |q| / |e| R' g with R e = |e| q / |q|: g_e.e = g.q, and lengths and angles are those of g against q."""
    z, of_e = gradient_in_e(batch(0), batch(1), batch(2))
    e, q, g = (batch(seed).numpy() for seed in range(3))
    assert np.array_equal(z, q)
    np.testing.assert_allclose((of_e * e).sum(-1), (g * q).sum(-1), rtol=1e-3, atol=1e-4)
    lengths = [np.linalg.norm(x, axis=-1) for x in (of_e, g, q, e)]
    np.testing.assert_allclose(lengths[0], lengths[1] * lengths[2] / lengths[3], rtol=1e-4)
    # what is orthogonal to both is only scaled
    across = np.cross(e, q)
    np.testing.assert_allclose(
        (of_e * across).sum(-1), (g * across).sum(-1) * lengths[2] / lengths[3], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    ("e", "q"), [((1.0, 2.0, 2.0), (1.0, 2.0, 2.0)), ((0, 0, 0), (1, 0, 0)), ((1, 0, 0), (-1, 0, 0))]
)
def test_rotation_is_finite_where_there_is_nothing_to_turn(e, q):
    e, q = (tf.constant([[x]], tf.float32) for x in (e, q))
    z, of_e = gradient_in_e(e, q, tf.ones_like(q))
    assert np.array_equal(z, q)
    assert np.isfinite(of_e).all()


def test_rotation_onto_itself_is_straight_through():
    e = batch(0)
    _, of_e = gradient_in_e(e, e, batch(2))
    np.testing.assert_allclose(of_e, batch(2), rtol=1e-4, atol=1e-5)


def test_kmeans_ends_where_each_centre_is_the_mean_of_its_points():
    points = np.concatenate([RNG.normal(size=(40, 2)) + 9 * np.array(place) for place in ((0, 0), (0, 1), (1, 1))])
    centres = kmeans(points, 3, seed=0)
    found = nearest(points, centres)
    assert sorted(np.bincount(found)) == [40, 40, 40]
    for k in range(3):
        np.testing.assert_allclose(centres[k], points[found == k].mean(0), rtol=1e-5)
    assert np.array_equal(kmeans(points, 3, seed=0), centres)
    assert kmeans(points[:2], 5, seed=0).shape == (5, 2)


def quantizer(**options):
    sizes = {"num_latents": 2, "num_codes": K, "code_dim": D, "commitment": 0.25}
    return VectorQuantizer(6, 1, seed=0, **sizes | options)


def step_at(bottleneck, step):
    seen = []
    with tf.GradientTape() as tape:
        objective = lambda z, codes=None: seen.append((z, codes)) or tf.reduce_sum(z, (1, 2))  # noqa: E731
        found = bottleneck.train(FEATURES, objective, state=(), seed=SEED, progress=Progress(tf.constant(step), 10, 20))
        loss = tf.reduce_sum(found.surrogate + found.penalty)
    table = tape.gradient(loss, bottleneck.book.table.embeddings.value, unconnected_gradients="zero")
    return seen[0], found, tf.convert_to_tensor(table).numpy()


@pytest.mark.parametrize("how", ["gradient", "ema"])
def test_in_the_first_steps_the_decoder_reads_encodings_and_the_codebook_rests(how):
    bottleneck = quantizer(unquantized_steps=5, restart=1.0, codebook=how)
    (z, codes), found, table = step_at(bottleneck, 4)
    assert np.array_equal(z, bottleneck.embed(FEATURES))
    assert codes is None
    assert not found.penalty.numpy().any()
    assert not table.any()
    assert not any(rows.places.numpy().any() for rows in found.replaced.values())
    before = {f"{layer.name}/{weight.name}": weight for layer in bottleneck.layers for weight in layer.weights}
    assert found.updates
    for name, value in found.updates.items():
        assert np.array_equal(value, before[name])


def test_after_the_first_steps_it_is_as_if_there_had_been_none():
    (z, _), found, table = step_at(quantizer(unquantized_steps=5, restart=1.0), 5)
    (expected_z, _), expected, expected_table = step_at(quantizer(restart=1.0), 5)
    assert np.array_equal(z, expected_z)
    assert np.array_equal(table, expected_table)
    assert np.array_equal(found.penalty, expected.penalty)
    for name, rows in expected.replaced.items():
        assert np.array_equal(found.replaced[name].places, rows.places)
        assert np.array_equal(found.replaced[name].values, rows.values)


def test_kmeans_begins_rows_and_averages():
    bottleneck = quantizer(init="kmeans", codebook="ema", unquantized_steps=5)
    assert bottleneck.begins_at == 5
    assert quantizer(unquantized_steps=5).begins_at is None
    e = batch(3).numpy()
    begun = bottleneck.begun(e, seed=0)
    rows = begun["codebook/embeddings"]
    assert np.array_equal(rows, kmeans(e.reshape(-1, D), K, seed=layer_seed(0, "codebook kmeans")))
    assert np.array_equal(begun["codebook_averages/sums"], rows)
    assert np.array_equal(begun["codebook_averages/counts"], np.ones(K))
