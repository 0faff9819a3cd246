"""The two ways to compile a step: the same training up to rounding, and each the same to the bit."""

import numpy as np
import pytest

from helpers import small_config
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.models.autoencoder import build
from vaecli.training import trainer as module
from vaecli.training.trainer import Trainer

DATA = digits()
CONV = "model: {name: vqvae, num_codes: 8}\nnetwork: {kind: conv, channels: [9]}\ntraining: {epochs: 1, compile: xla}"


def trained(config, state=None):
    """The chunks of a training from this state."""
    trainer = Trainer(build(config, DATA.image_shape, DATA), DATA, config)
    return list(trainer.chunks(state or trainer.initial_state()))


@pytest.mark.parametrize("method", ["{name: gumbel, num_latents: 3}", "vqvae", "rebar"])
def test_both_ways_draw_the_same_numbers_and_train_alike(method):
    """A draw of its own in one of them would move the loss of the first steps by a percent and more."""
    xla, graph = (trained(small_config(method, epochs=1, compiler=way))[0].state for way in ("xla", "graph"))
    losses = [state.log.numpy()[: module.FIRST_CALL_STEPS, 0] for state in (xla, graph)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


MIXED = CONV.replace("compile: xla", "precision: mixed_bfloat16, force_precision: true")
RESUMED = {
    "mlp": small_config("rebar", compiler="graph"),
    "conv": config_from_text(CONV),
    "mixed": config_from_text(MIXED),
}


@pytest.mark.parametrize("config", RESUMED.values(), ids=RESUMED)
def test_a_resumed_training_has_the_same_bits_in_the_way_that_is_not_the_default(config, monkeypatch):
    whole = trained(config)
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 5)
    resumed = trained(config, whole[0].state)[-1]
    assert 0 < whole[0].state.step < resumed.state.epoch * len(whole[0].state.log)
    for one, two in zip(whole[-1].state.weights, resumed.state.weights, strict=True):
        assert np.array_equal(one, two)
