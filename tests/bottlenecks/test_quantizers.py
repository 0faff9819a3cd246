"""What each quantiser does to its vectors, and what all of them promise."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from helpers import softmax
from vaecli.bottlenecks.diveq import DiVeQ
from vaecli.bottlenecks.fsq import FiniteScalarQuantizer
from vaecli.bottlenecks.hard_em import HardEM
from vaecli.bottlenecks.lfq import LookupFreeQuantizer
from vaecli.bottlenecks.residual import ResidualQuantizer
from vaecli.bottlenecks.simvq import SimVQ
from vaecli.bottlenecks.vector_quantizer import VectorQuantizer

SEED = tf.constant([1, 2])
FEATURES = tf.constant(np.random.default_rng(0).normal(size=(64, 6)), tf.float32)
ROWS = {"num_codes": 7, "code_dim": 3}
MAKE = {
    "vqvae": lambda p: VectorQuantizer(6, p, seed=0, num_latents=2, **ROWS, commitment=0.25),
    "rotation": lambda p: VectorQuantizer(6, p, seed=0, num_latents=2, **ROWS, commitment=0.25, gradient="rotation"),
    "cosine": lambda p: VectorQuantizer(6, p, seed=0, num_latents=2, **ROWS, commitment=0.25, distance="cosine"),
    "simvq": lambda p: SimVQ(6, p, seed=0, num_latents=2, **ROWS, commitment=0.25),
    "diveq": lambda p: DiVeQ(6, p, seed=0, num_latents=2, **ROWS, noise_variance=1e-3),
    "hard_em": lambda p: HardEM(6, p, seed=0, num_latents=2, **ROWS),
    "residual": lambda p: ResidualQuantizer(6, p, seed=0, stages=3, **ROWS, commitment=0.25),
    "residual of simvq": lambda p: ResidualQuantizer(6, p, seed=0, stages=3, of="simvq", **ROWS, commitment=0.25),
    "residual of diveq": lambda p: ResidualQuantizer(6, p, seed=0, stages=3, of="diveq", **ROWS, noise_variance=1e-3),
    "fsq": lambda p: FiniteScalarQuantizer(6, p, seed=0, levels=(5, 4, 2)),
    "lfq": lambda p: LookupFreeQuantizer(6, p, seed=0, bits=4, entropy_weight=0.1, commitment=0.25),
}
# Hard EM decodes all codes of an image, so that it has no grid, and no code of its own in training.
REPLACE = [name for name in MAKE if name != "hard_em"]


def read(bottleneck, features=FEATURES):
    """z and codes as the decoder gets them in training, and the step."""
    seen = []
    objective = lambda z, codes=None: seen.append((z, codes)) or tf.reduce_sum(z, (1, 2))  # noqa: E731
    step = bottleneck.train(features, objective, state=(), seed=SEED)
    return *seen[0], step


@pytest.mark.parametrize("name", [name for name in REPLACE if "diveq" not in name])
def test_the_decoder_reads_exactly_what_the_codes_stand_for_in_training_too(name):
    bottleneck = MAKE[name](1)
    z, codes, _ = read(bottleneck)
    latents = bottleneck.encode(FEATURES)
    assert np.array_equal(latents.z, bottleneck.lookup(latents.codes))
    assert np.array_equal(z, latents.z)
    if codes is not None:
        assert np.array_equal(codes.numpy().argmax(-1), latents.codes)
        assert (codes.numpy().sum(-1) == 1).all()


@pytest.mark.parametrize("name", REPLACE)
def test_positions_are_quantised_alike(name):
    bottleneck = MAKE[name](4)
    alike = tf.tile(FEATURES[:, None], (1, 4, 1))
    latents = bottleneck.encode(alike)
    assert latents.z.shape[1:] == bottleneck.latent_shape
    of_positions = latents.codes.numpy().reshape(64, 4, -1)
    assert np.array_equal(of_positions, np.tile(of_positions[:, :1], (1, 4, 1)))
    assert np.array_equal(latents.z, bottleneck.lookup(latents.codes))
    assert np.array_equal(read(bottleneck, alike)[2].rate, latents.rate)


@pytest.mark.parametrize("name", MAKE)
def test_the_prior_is_uniform_over_all_codes_and_the_posterior_is_a_point(name):
    bottleneck = MAKE[name](1)
    codes = bottleneck.encode(FEATURES).codes
    stages = 3 if name.startswith("residual") else 2
    sizes = {"fsq": [40], "lfq": [16]}.get(name, [7] * stages)
    every = np.array(list(itertools.product(*map(range, sizes))), np.int32)
    assert np.exp(bottleneck.log_prior(every).numpy().astype(np.float64)).sum() == pytest.approx(1, rel=1e-5)
    log_q = bottleneck.log_posterior(FEATURES, every).numpy()
    assert np.array_equal(log_q == 0, (every[:, None] == codes.numpy()).all(-1))
    assert np.isneginf(log_q[log_q != 0]).all()
    z, log_weight = bottleneck.log_weight(FEATURES, seed=SEED)
    assert np.array_equal(z, bottleneck.lookup(codes))
    np.testing.assert_allclose(log_weight, -bottleneck.encode(FEATURES).rate)


@pytest.mark.parametrize("levels", [(5, 2), (8, 6, 5), (2, 2, 2), (3,), (4, 3)])
def test_the_codes_of_fsq_are_a_bijection_with_its_integers(levels):
    """Every code has a vector of its own, and encoding far out numbers gives each of them back."""
    bottleneck = FiniteScalarQuantizer(6, 1, seed=0, levels=levels)
    codes = np.arange(math.prod(levels))[:, None]
    z = bottleneck.lookup(codes).numpy()
    assert len(np.unique(z[:, 0], axis=0)) == len(codes)
    middle = np.array(levels) // 2
    integers = np.round(z[:, 0] * middle + middle).astype(int)
    assert np.array_equal(np.ravel_multi_index(integers.T[::-1], levels[::-1]), codes[:, 0])
    wide = np.random.default_rng(0).normal(scale=4, size=(200 * len(codes), 1, len(levels))).astype(np.float32)
    found = bottleneck.nearest(wide).numpy()
    assert np.array_equal(np.unique(found), codes[:, 0])
    bounded = bottleneck.bounded(wide).numpy()
    np.testing.assert_allclose(bottleneck.lookup(found) * middle, np.round(bounded), atol=1e-6)


def test_the_gradient_of_fsq_is_that_of_its_bound():
    bottleneck = FiniteScalarQuantizer(6, 1, seed=0, levels=(5, 4))
    e = tf.constant(np.random.default_rng(0).normal(size=(9, 1, 2)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(e)
        z = tf.reduce_sum(bottleneck.quantized(e, seed=SEED).z)
    half = np.array([4, 3]) * (1 - 1e-3) / 2
    shift = np.arctanh(np.array([0.0, 0.5]) / half)
    np.testing.assert_allclose(tape.gradient(z, e), half / 2 * (1 - np.tanh(e + shift) ** 2), rtol=1e-4)
    np.testing.assert_allclose(bottleneck.bounded(tf.zeros((1, 2))), 0, atol=1e-6)


def test_the_entropies_of_lfq_are_those_of_all_codes():
    """Softmax over -|e - c|^2 of every code, by enumeration; an image's is the sum over its bits."""
    bottleneck = LookupFreeQuantizer(6, 2, seed=0, bits=3, entropy_weight=1.0, commitment=0.0)
    e = np.random.default_rng(0).normal(size=(5, 2, 3))
    codes = np.array(list(itertools.product((-1, 1), repeat=3)))
    p = softmax(-((e[:, :, None] - codes) ** 2).sum(-1))
    of_images = -(p * np.log(p)).sum(-1).mean(1)
    mean = p.mean((0, 1))
    expected = of_images + (mean * np.log(mean)).sum()
    found = bottleneck.entropies(tf.constant(e, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    bit = 1 / (1 + np.exp(-4 * e))
    binary = -(bit * np.log(bit) + (1 - bit) * np.log(1 - bit)).sum(-1).mean(1)
    np.testing.assert_allclose(of_images, binary, rtol=1e-6)
    np.testing.assert_allclose(bottleneck.quantized(tf.constant(e, tf.float32), seed=SEED).penalty, found)


def test_the_codes_of_lfq_are_the_signs_of_its_numbers():
    bottleneck = MAKE["lfq"](1)
    e = bottleneck.embed(FEATURES).numpy()
    latents = bottleneck.encode(FEATURES)
    assert np.array_equal(latents.z, np.where(e > 0, 1, -1))
    assert np.array_equal(latents.codes, (e > 0) @ [1, 2, 4, 8])


@pytest.mark.parametrize("name", ["residual", "residual of simvq", "residual of diveq"])
def test_the_stages_of_a_residual_reconstruct_the_sum_and_each_leaves_the_nearest(name):
    bottleneck = MAKE[name](2)
    features = tf.tile(FEATURES[:, None], (1, 2, 1))
    left = bottleneck.embed(features).numpy()
    latents = bottleneck.encode(features)
    codes, total = latents.codes.numpy().reshape(64, 2, 3), 0
    for stage, book in enumerate(bottleneck.books):
        rows = tf.convert_to_tensor(book.rows).numpy()
        distances = ((left[:, :, None] - rows) ** 2).sum(-1)
        assert np.array_equal(codes[..., stage], distances.argmin(-1))
        total, left = total + rows[codes[..., stage]], left - rows[codes[..., stage]]
    np.testing.assert_allclose(latents.z, total, rtol=1e-6, atol=1e-7)
    assert len({book.table.embeddings.numpy().tobytes() for book in bottleneck.books}) == 3


def gradients(bottleneck, loss=lambda step: tf.reduce_sum(step.surrogate + step.penalty)):
    """The gradients of one step by "layer/weight", None where there is none."""
    weights = {f"{layer.name}/{weight.name}": weight for layer in bottleneck.layers for weight in layer.weights}
    with tf.GradientTape() as tape:
        step = bottleneck.train(FEATURES, lambda z, codes=None: tf.reduce_sum(z, (1, 2)), state=(), seed=SEED)
        total = loss(step)
    found = tape.gradient(total, [weight.value for weight in weights.values()])
    return {name: g for name, g in zip(weights, found, strict=True) if weights[name].trainable}


def test_hard_em_trains_the_best_of_all_codes_and_teaches_the_encoder_its_name():
    """Against a loop over images and codes; the loss of a code is its distance to the image's own point."""
    bottleneck = MAKE["hard_em"](1)
    e, rows = bottleneck.embed(FEATURES).numpy(), bottleneck.rows.numpy()
    points = np.random.default_rng(1).normal(scale=0.05, size=(64, 2, 3)).astype(np.float32)
    embeddings = bottleneck.book.table.embeddings.value
    with tf.GradientTape(persistent=True) as tape:
        step = bottleneck.train(
            FEATURES, lambda z, codes=None: tf.reduce_sum((z - points) ** 2, (-2, -1)), state=(), seed=SEED
        )
        loss, penalty = tf.reduce_sum(step.surrogate), tf.reduce_sum(step.penalty)
    moved = np.zeros_like(rows)
    for image, point in enumerate(points):
        best = min(itertools.product(range(7), repeat=2), key=lambda code: ((rows[list(code)] - point) ** 2).sum())
        np.testing.assert_allclose(step.surrogate[image], ((rows[list(best)] - point) ** 2).sum(), rtol=1e-4)
        named = softmax(-((e[image][:, None] - rows) ** 2).sum(-1))[range(2), best]
        np.testing.assert_allclose(step.penalty[image], -np.log(named).sum(), rtol=1e-4)
        for code, target in zip(best, point, strict=True):
            moved[code] += 2 * (rows[code] - target)
    np.testing.assert_allclose(tape.gradient(loss, embeddings), moved, atol=1e-4)
    assert tape.gradient(loss, bottleneck.head.kernel.value) is None
    assert np.abs(tape.gradient(penalty, bottleneck.head.kernel.value)).max() > 0


def test_the_table_of_simvq_is_frozen_and_its_matrix_moves_every_row():
    bottleneck = MAKE["simvq"](1)
    assert not bottleneck.book.table.embeddings.trainable
    found = gradients(bottleneck)
    assert "codebook/embeddings" not in found
    assert np.abs(found["matrix/kernel"]).max() > 0
    table, matrix = bottleneck.book.table.embeddings.numpy(), bottleneck.book.matrix.kernel.numpy()
    np.testing.assert_allclose(bottleneck.book.rows, table @ matrix, rtol=1e-5, atol=1e-6)


def test_the_step_of_diveq_has_the_length_of_the_step_to_the_row_and_its_direction_but_for_noise():
    bottleneck = MAKE["diveq"](1)
    e, q = bottleneck.embed(FEATURES).numpy(), bottleneck.encode(FEATURES).z.numpy()
    z, codes, step = read(bottleneck)
    assert codes is None
    assert not step.penalty.numpy().any()
    lengths = np.linalg.norm(q - e, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(z - e, axis=-1), lengths, rtol=1e-3)
    assert np.abs(z - q).max() > 0
    quiet = DiVeQ(6, 1, seed=0, num_latents=2, **ROWS, noise_variance=0.0)
    np.testing.assert_allclose(read(quiet)[0], q, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_diveq_reaches_encoder_and_rows_without_a_loss_of_its_own():
    """dz = de + u d|q - e|, u the direction: of sum z, (1 - u sum u) for e and u sum u for the row."""
    bottleneck = DiVeQ(6, 1, seed=0, num_latents=2, **ROWS, noise_variance=0.0)
    e, latents = bottleneck.embed(FEATURES).numpy(), bottleneck.encode(FEATURES)
    u = (latents.z - e) / np.linalg.norm(latents.z - e, axis=-1, keepdims=True)
    along = u * u.numpy().sum(-1, keepdims=True)
    rows = np.zeros((7, 3))
    np.add.at(rows, latents.codes.numpy().reshape(-1), along.numpy().reshape(-1, 3))
    found = gradients(bottleneck)
    np.testing.assert_allclose(tf.convert_to_tensor(found["codebook/embeddings"]), rows, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["embedding/bias"], (1 - along).numpy().sum(0).reshape(-1), rtol=1e-3, atol=1e-3)


def test_a_residual_of_diveq_is_one_step_to_the_sum_with_a_gradient_to_the_rows_of_each_stage():
    bottleneck = MAKE["residual of diveq"](1)
    e, total = bottleneck.embed(FEATURES).numpy(), bottleneck.encode(FEATURES).z.numpy()
    z, _, step = read(bottleneck)
    assert not step.penalty.numpy().any()
    np.testing.assert_allclose(np.linalg.norm(z - e, axis=-1), np.linalg.norm(total - e, axis=-1), rtol=1e-3)
    found = gradients(bottleneck, loss=lambda step: tf.reduce_sum(step.surrogate))
    for stage in range(3):
        assert np.abs(tf.convert_to_tensor(found[f"codebook_{stage}/embeddings"])).max() > 0


def test_a_residual_of_simvq_moves_each_stage_by_a_matrix_of_its_own():
    found = gradients(MAKE["residual of simvq"](1))
    moved = {name for name, gradient in found.items() if np.abs(tf.convert_to_tensor(gradient)).max() > 0}
    assert {f"matrix_{stage}/kernel" for stage in range(3)} <= moved
    assert not any("codebook" in name for name in found)


@pytest.mark.parametrize("name", ["vqvae", "simvq", "residual", "fsq", "lfq", "rotation"])
def test_a_gradient_of_the_distortion_reaches_the_encoder(name):
    found = gradients(MAKE[name](1), loss=lambda step: tf.reduce_sum(step.surrogate))
    assert np.abs(found["embedding/kernel"]).max() > 0
