"""What a config leaves open is decided before a run has a name."""

import os

import pytest

from vaecli.config import config_from_text
from vaecli.config.resolve import resolved, standing_in


@pytest.mark.parametrize(
    ("objective", "start"),
    [("mse", "zero"), ("l1", "zero"), ("bernoulli", "data_mean"), ("gaussian", "data_mean")],
)
def test_the_first_output_is_the_mean_image_where_the_likelihood_is_in_nats(objective, start):
    config = resolved(config_from_text(f"model: gumbel\nobjective: {{likelihood: {objective}}}"))
    assert config.training.output_bias == start
    assert resolved(config) == config


@pytest.mark.parametrize(
    ("model", "network", "rate"),
    [
        ("gumbel", "{hidden: [512, 256]}", 3e-4),
        ("vqvae", "{hidden: [64, 64, 64]}", 3e-4),
        ("gumbel", "{hidden: [128]}", 1e-3),
        ("gumbel", "{kind: conv}", 1e-3),
        ("{name: gumbel, num_latents: 2}", "{hidden: [512, 256]}", 1e-3),
        ("vae", "{hidden: [512, 256]}", 1e-3),
    ],
)
def test_one_latent_behind_several_hidden_layers_has_a_smaller_step(model, network, rate):
    config = resolved(config_from_text(f"model: {model}\nnetwork: {network}"))
    assert config.training.learning_rate == rate
    assert resolved(config) == config
    asked = resolved(config_from_text(f"model: {model}\nnetwork: {network}\ntraining: {{learning_rate: 0.01}}"))
    assert asked.training.learning_rate == 0.01


def test_data_are_found_from_every_folder():
    data = resolved(config_from_text("model: vae\ndata: {name: npz, path: mine.npz}")).data
    assert data.path == os.path.abspath("mine.npz")


def test_a_run_on_what_was_found_has_no_fallback():
    assert resolved(config_from_text("model: vae\ndata: {name: mnist, fallback: digits}")).data.fallback is None


def test_what_is_counted_in_epochs_is_longer_on_data_that_stand_in():
    text = (
        "model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5, horizon: 8, warm_up: 1}}\n"
        "data: {name: mnist, fallback: digits, validation: 100}\n"
        "training: {epochs: 3, learning_rate: {schedule: cosine, start: 0.001, end: 0}}"
    )
    found = standing_in(config_from_text(text), "digits")
    assert (found.data.name, found.data.fallback, found.data.validation) == ("digits", None, 100)
    assert found.training.epochs == 30
    temperature = found.model.options()["temperature"]
    assert (temperature.horizon, temperature.warm_up) == (80, 10)
    assert found.training.learning_rate == config_from_text(text).training.learning_rate
    assert standing_in(config_from_text("model: vae\ntraining: {steps: 50}"), "digits").training.steps == 50
