from dataclasses import replace

import numpy as np
import pytest

from helpers import small_config
from vaecli.config import config_from_text
from vaecli.data import Split
from vaecli.data.digits import digits
from vaecli.runs import run_name
from vaecli.runs.identity import state_hash


def test_the_name_says_method_data_and_seed():
    assert run_name(small_config("gumbel", seed=7), digits()).startswith("gumbel-digits-")
    assert run_name(small_config("gumbel", seed=7), digits()).endswith("-s7")


def test_the_seed_is_not_in_the_hash():
    zero, one = (run_name(small_config("vae", seed=seed), digits()) for seed in (0, 1))
    assert zero.removesuffix("0") == one.removesuffix("1")


@pytest.mark.parametrize(
    "change",
    [
        "model: {name: gumbel, temperature: 0.5}",
        "model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}",
        "model: {name: gumbel, unimix: 0.01}",
        "model: {name: gumbel, num_classes: 11}",
        "model: straight_through",
        "network: {hidden: [128, 64]}",
        "objective: {beta: 0.5}",
        "objective: {likelihood: bernoulli}",
        "training: {epochs: 11}",
        "training: {batch_size: 32}",
        "training: {learning_rate: 0.01}",
        "training: {epsilon: 1.0e-8}",
        "training: {clip_norm: 1.0}",
        "training: {optimizer: sgd}",
        "training: {optimizer: adamw}",
    ],
)
def test_every_setting_that_changes_results_changes_the_name(change):
    base = "model: gumbel\n"
    text = change if change.startswith("model") else base + change
    assert run_name(config_from_text(text), digits()) != run_name(config_from_text(base), digits())


@pytest.mark.parametrize("seconds", [0, 0.5, 3600])
def test_how_often_a_state_is_saved_is_not_in_the_name(seconds):
    config = config_from_text(f"model: vae\ntraining: {{checkpoint_seconds: {seconds}}}")
    assert run_name(config, digits()) == run_name(config_from_text("model: vae"), digits())
    assert state_hash(config, digits()) == state_hash(config_from_text("model: vae"), digits())


@pytest.mark.parametrize(("change", "same"), [("epochs: 99", True), ("seed: 1", False), ("batch_size: 8", False)])
def test_a_state_depends_on_all_but_the_epochs_to_come(change, same):
    config, base = (config_from_text(f"model: vae\ntraining: {{{key}}}") for key in (change, "epochs: 10"))
    assert (state_hash(config, digits()) == state_hash(base, digits())) == same


def test_a_changed_pixel_changes_the_name():
    data = digits()
    images = data.train.images.copy()
    images[0, 0, 0] += 1
    other = replace(data, train=Split(images, data.train.labels))
    config = small_config("gumbel")
    assert run_name(config, other) != run_name(config, data)


def test_a_key_at_its_default_is_as_if_left_out():
    assert run_name(config_from_text("model: vae\ntraining: {epochs: 10}"), digits()) == run_name(
        config_from_text("model: vae"), digits()
    )


def test_names_do_not_change_between_versions():
    """Runs of last year are found again; raise NUMERICS on purpose, never by accident."""
    data = replace(digits(), train=Split(np.zeros((100, 4, 4), np.uint8)), test=Split(np.zeros((10, 4, 4), np.uint8)))
    assert run_name(config_from_text("model: gumbel"), data) == "gumbel-digits-2b3ed0ed-s0"


def test_a_title_of_the_data_is_no_part_of_the_name():
    mine = replace(digits(), name="npz", title="one")
    configs = [config_from_text(f"model: vae\ndata: {{name: npz, path: x, title: {title}}}") for title in ("a", "null")]
    names = {run_name(config, replace(mine, title=title)) for config in configs for title in ("one", "two")}
    assert len(names) == 1
    assert names.pop().startswith("vae-npz-")
    assert len({state_hash(config, mine) for config in configs}) == 1
