"""A codebook's state in the loop: chunks, resumes, restarts, and the start at encodings."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import small_config
from vaecli.bottlenecks import kmeans
from vaecli.data.digits import digits
from vaecli.models.autoencoder import build
from vaecli.runs.files import read_npz, write_npz
from vaecli.training import trainer as module
from vaecli.training.optimizers import optimizer
from vaecli.training.state import from_arrays, to_arrays
from vaecli.training.trainer import Trainer

DATA = digits()
EVERYTHING = "codebook: ema, init: kmeans, restart: 1.0, gradient: rotation, unquantized_steps: 9"
MODELS = {
    "ema": f"{{name: vqvae, {EVERYTHING}, distance: cosine}}",
    "restart": "{name: vqvae, init: kmeans, restart: 1.0, unquantized_steps: 9}",
    "residual": f"{{name: residual, {EVERYTHING}}}",
    "diveq": "diveq",
    "residual of simvq": "{name: residual, of: simvq}",
}


def new_trainer(model, **options):
    config = small_config(model, **options)
    return Trainer(build(config, DATA.image_shape), DATA, config)


def bits(state):
    return [w.numpy().tobytes() for w in state.weights]


def steps(trainer, state, monkeypatch, count):
    """The state after the first call, of so many steps."""
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", count)
    return next(trainer.chunks(state)).state


def last(trainer, state):
    *_, chunk = trainer.chunks(state)
    return chunk.state


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("cut", [4, 9, 14])
def test_a_state_saved_before_at_or_after_the_start_of_a_codebook_goes_on_with_the_same_bits(
    model, cut, tmp_path, monkeypatch
):
    expected = bits(last(new_trainer(MODELS[model]), new_trainer(MODELS[model]).initial_state()))
    first = new_trainer(MODELS[model])
    state = first.initial_state()
    while first.done(state) < cut:
        state = steps(first, state, monkeypatch, cut - first.done(state))
    assert first.done(state) == cut
    write_npz(tmp_path / "state.npz", to_arrays(state, first.names, first.learnt))
    second = new_trainer(MODELS[model])
    restored = from_arrays(read_npz(tmp_path / "state.npz"), second.initial_state(), second.names, second.learnt)
    assert bits(last(second, restored)) == expected


def weight(trainer, state, name):
    return state.weights[trainer.names.index(f"bottleneck/{name}")].numpy()


def test_a_codebook_of_kmeans_begins_at_encodings_of_the_trained_encoder(monkeypatch):
    """The step after the last unquantised one begins with rows that are centres of what the encoder gives."""
    monkeypatch.setattr(kmeans, "ROUNDS", 1000)  # until nothing moves; a start needs fewer
    trainer = new_trainer("{name: vqvae, init: kmeans, unquantized_steps: 9}")
    state = steps(trainer, trainer.initial_state(), monkeypatch, 9)
    order = tf.constant(trainer._order(0)[: 22 * 64].reshape(22, 64))
    begun = weight(trainer, trainer._begun(state, order), "codebook/embeddings")
    before = (weight(trainer, found, "codebook/embeddings") for found in (state, trainer.initial_state()))
    assert np.array_equal(*before)
    e = np.concatenate(
        [trainer._embed(state.weights, trainer.images, rows, tf.constant([0, 0])).numpy() for rows in order]
    ).reshape(-1, 10)
    nearest = ((e[:, None] - begun) ** 2).sum(-1).argmin(1)
    assert np.array_equal(np.unique(nearest), np.arange(10))
    for k in range(10):
        np.testing.assert_allclose(begun[k], e[nearest == k].mean(0), rtol=1e-3, atol=1e-4)


def test_a_restarted_row_is_an_encoding_and_its_memory_in_the_optimiser_is_cleared(monkeypatch):
    """With a threshold that no row reaches all rows are replaced at each step; the head's memory is kept."""
    trainer = new_trainer("{name: vqvae, restart: 1000.0}")
    state = steps(trainer, trainer.initial_state(), monkeypatch, 1)
    order = tf.constant(trainer._order(0)[:64])
    start = trainer.initial_state()
    e = trainer._embed(start.weights, trainer.images, order, tf.constant([0, 0])).numpy().reshape(-1, 10)
    rows = weight(trainer, state, "codebook/embeddings")
    distances = np.abs(rows[:, None] - e).max(-1).min(1)
    assert distances.max() < 1e-6
    place, head = (trainer.learnt.index(f"bottleneck/{name}") for name in ("codebook/embeddings", "embedding/kernel"))
    for of_kind in state.slots:
        assert not of_kind[place].numpy().any()
        assert of_kind[head].numpy().any()


@pytest.mark.parametrize("name", ["adam", "sgd", "adamw", "muon", "rmsprop, momentum: 0.5, centered: true"])
def test_rows_are_cleared_of_one_weight_alone(name):
    config = small_config("vqvae", extra_training=f", optimizer: {name}")
    weights = build(config, (8, 8)).weights
    chosen = optimizer(config.training, list(weights.values()), 0.1)
    values = [tf.identity(weight.value) for weight in weights.values()]
    ones = [tf.ones_like(value) for value in values]
    _, slots = chosen.update(values, ones, chosen.slots(values), tf.constant(1))
    place = list(weights).index("bottleneck/codebook/embeddings")
    rows = tf.constant([True] * 3 + [False] * 7)
    before, after = (tf.nest.flatten(found) for found in (slots, chosen.cleared(slots, place, rows)))
    changed = [(one.numpy(), two.numpy()) for one, two in zip(before, after, strict=True) if (one != two).numpy().any()]
    assert changed
    for one, two in changed:
        assert one.shape == (10, 10)
        assert not two[:3].any()
        assert np.array_equal(one[3:], two[3:])
