"""Networks of convolutions: their shapes, what a cell sees, and that they are in every way like dense ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled
from vaecli.backend.random import fold_in, normal, uniform
from vaecli.config import config_from_text
from vaecli.config.resolve import resolved
from vaecli.config.schema import Config
from vaecli.config.shapes import latent_of, shapes
from vaecli.data import load
from vaecli.data.digits import digits
from vaecli.errors import ConfigError
from vaecli.experiment.plan import plan_run
from vaecli.models.autoencoder import PARTS, build
from vaecli.papers.schema import cells_of
from vaecli.training.trainer import Trainer

SEED = tf.constant([0, 1])


def config_of(model="gumbel", network="channels: [4, 8]", training="epochs: 1"):
    text = f"model: {model}\nnetwork: {{kind: conv, {network}}}\ndata: digits\ntraining: {{{training}}}"
    return resolved(config_from_text(text))


@pytest.mark.parametrize("image", [(28, 28, 1), (9, 5, 1), (8, 8, 3)])
@pytest.mark.parametrize(
    ("network", "cells"),
    [
        ("channels: [4]", 1),
        ("channels: [4, 8]", 2),
        ("channels: [4, 8], residual_blocks: 2", 2),
        ("channels: [4, 8], residual_blocks: 1, grid: false, activation: leaky_relu", 2),
        ("channels: [4, 8], grid: false", 2),
        ("channels: [4, 8], residual_blocks: 1, grid: false, dense: [6, 5]", 2),
    ],
)
def test_the_sizes_known_beforehand_are_those_of_the_network(image, network, cells):
    config = config_of("{name: gumbel, num_latents: 2, num_classes: 3}", network)
    known, model = shapes(config, image), build(config, image)
    small = tuple(-(-side // 2**cells) for side in image[:2]) if config.network.grid else (1, 1)
    assert known.latent.positions == small
    x = np.random.default_rng(0).uniform(size=(5, *image)).astype(np.float32)
    features = model.encoder(x)
    assert features.shape == (5, known.latent.num_positions, known.features)
    z = model.bottleneck.encode(features).z
    assert z.shape == (5, known.latent.num_codes, known.latent.width)
    assert model.pixels(z).shape == (5, *image)
    assert known.weights == sum(variable.numpy().size for variable in model.weights.values())


def test_the_network_of_a_published_autoencoder_has_its_numbers_of_weights():
    """Encoder and decoder of keras.io's variational autoencoder."""
    protocol = cells_of("keras_io_vae")[0].protocol
    assert isinstance(protocol, Config)
    model = build(protocol, (28, 28))
    sizes = dict.fromkeys(PARTS, 0)
    for name, variable in model.weights.items():
        sizes[name.partition("/")[0]] += variable.numpy().size
    assert sizes["encoder"] + sizes["bottleneck"] == 69_076
    assert sizes["decoder"] == 65_089


def test_a_cell_sees_its_neighbourhood_and_draws_there():
    """With kernels of 3 and two strides of 2, a pixel of 28 x 28 reaches cells near it, and cell 3 pixels 11 to 19."""
    model = build(config_of("{name: vqvae, num_codes: 8, code_dim: 4}"), (28, 28))
    images = np.zeros((2, 28, 28, 1), np.float32)
    images[1, 12, 12] = 1
    black, dot = model.encoder(images).numpy().reshape(2, 7, 7, -1)
    seen = np.argwhere(np.abs(dot - black).sum(-1) > 0)
    assert {(3, 3)} <= set(map(tuple, seen)) <= {(i, j) for i in (2, 3) for j in (2, 3)}
    z = np.zeros((2, 49, 4), np.float32)
    z[1, 3 * 7 + 3] = 1
    empty, filled = model.decode(z).numpy().reshape(2, 28, 28)
    drawn = np.argwhere(filled != empty)
    assert drawn.min() >= 11
    assert drawn.max() <= 19


@pytest.mark.parametrize(
    ("model", "network"),
    [
        ("{name: vqvae, num_codes: 8}", "channels: [4, 8]"),
        ("gumbel", "channels: [4], residual_blocks: 1, activation: silu"),
        ("vae", "channels: [4, 8], grid: false, activation: leaky_relu"),
    ],
)
def test_the_exported_model_is_the_mode(model, network, tmp_path):
    found = build(config_of(model, network), (9, 7))
    images = np.random.default_rng(0).uniform(size=(20, 9, 7)).astype(np.float32)
    found.export().save(tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    _, ours = compiled(lambda x: found.measure(x, seed=SEED))(images[..., None])
    np.testing.assert_allclose(plain(images), ours.mode[..., 0], atol=1e-6)


@pytest.mark.parametrize("model", ["{name: vqvae, num_codes: 8}", "gumbel", "relax", "vae"])
def test_weights_do_not_depend_on_how_steps_are_divided_into_calls(model, monkeypatch):
    config, data = config_of(model), digits()

    def trained():
        *_, last = Trainer(build(config, data.image_shape, data), data, config).chunks(start)
        return [weight.numpy() for weight in last.state.weights]

    start = Trainer(build(config, data.image_shape, data), data, config).initial_state()
    monkeypatch.setattr("vaecli.training.trainer.FIRST_CALL_STEPS", 3)
    monkeypatch.setattr("vaecli.training.trainer.SECONDS_PER_CALL", 0.0)
    often = trained()
    monkeypatch.setattr("vaecli.training.trainer.FIRST_CALL_STEPS", 100)
    assert all(np.array_equal(one, two) for one, two in zip(often, trained(), strict=True))


def test_a_graph_draws_the_numbers_of_a_compiled_program():
    def draws(seed):
        seed = fold_in(seed, 7)
        return uniform(tf.constant([50]), seed=seed), normal(tf.constant([5, 9]), seed=seed)

    graph, xla = (tf.function(draws, jit_compile=way)(SEED) for way in (False, True))
    for one, two in zip(graph, xla, strict=True):
        assert np.array_equal(one, two)


def test_a_mean_image_of_a_convolution_is_one_value_for_each_channel():
    data = digits()
    text = "model: gumbel\nnetwork: {kind: conv}\nobjective: {likelihood: gaussian}\ntraining: {output_bias: data_mean}"
    bias = build(config_from_text(text), data.image_shape, data).weights["decoder/decoder_pixels/bias"]
    assert bias.numpy() == pytest.approx([data.mean_image.mean()])


@pytest.mark.parametrize(
    ("model", "network", "message"),
    [
        (
            "gumbel",
            "channels: [4, 4, 4, 4]",
            "network.channels: images of 8 × 8 pixels can be halved 3 times",
        ),
        ("exact", "channels: [4]", r"a grid of 4×4 of 10 codes has 10\^16 \(network.grid: false has one position\)"),
    ],
)
def test_what_these_images_do_not_allow_is_refused_before_the_start(model, network, message, tmp_path):
    config = config_of(model, network)
    with pytest.raises(ConfigError, match=message):
        plan_run(config, load(config.data), tmp_path)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("kind: conv, hidden: [3]", "network.hidden: `hidden` has no effect with kind: conv"),
        ("channels: [3]", "network.channels: `channels` has no effect with kind: mlp"),
        ("kind: conv, channels: []", "network.channels: "),
        ("kind: conv, channels: [0]", "network.channels.0: should be greater than or equal to 1"),
        ("kind: conv, residual_blocks: -1", "network.residual_blocks: should be greater than or equal to 0"),
        ("kind: conv, grid: 1", "network.grid: should be true or false"),
        ("kind: conv, dense: [16]", "network.dense: has no effect with grid: true"),
        ("dense: [16]", "network.dense: `dense` has no effect with kind: mlp"),
        ("kind: convolutional", r"unknown kind 'convolutional' \(known: mlp, conv\)"),
    ],
)
def test_mistakes_are_told(network, message):
    with pytest.raises(ConfigError, match=message):
        config_from_text(f"model: gumbel\nnetwork: {{{network}}}")


def test_convolutions_are_compiled_as_a_graph_and_everything_else_by_xla(tmp_path):
    """What is resolved enters the name of a convolutional run, and leaves those of all others."""
    data = digits()

    def name(text):
        return plan_run(config_from_text(f"{text}\ndata: digits"), data, tmp_path).run.name

    dense, conv = "model: gumbel", "model: gumbel\nnetwork: {kind: conv}"
    for text, way, other in ((dense, "xla", "graph"), (conv, "graph", "xla")):
        assert resolved(config_from_text(text)).training.compile == way
        assert name(text) == name(f"{text}\ntraining: {{compile: {way}}}")
        assert name(text) != name(f"{text}\ntraining: {{compile: {other}}}")
    assert latent_of(config_from_text(conv), (28, 28)).positions == (7, 7)
