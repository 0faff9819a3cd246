"""`vaecli export`: what plain Keras, TensorFlow and ONNX make of it."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import copied, small_config, written
from vaecli import load_run
from vaecli.config import config_from_text
from vaecli.data.digits import digits

IMAGES = digits().floats(digits().test.images[:50])[..., 0]
CONV = "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
CONFIGS = {
    "vae": small_config("vae"),
    "three codes": small_config("{name: gumbel, num_latents: 3}"),
    "vqvae": small_config("vqvae"),
    "a grid": config_from_text("model: {name: vqvae, num_codes: 8, code_dim: 4}\n" + CONV),
    "cosine": small_config("{name: vqvae, distance: cosine, codebook: ema, restart: 1.0, init: kmeans}"),
    "simvq": small_config("simvq"),
    **{
        name: config_from_text(f"model: {{name: {name}, {keys}}}\n" + CONV)
        for name, keys in {"residual": "stages: 3", "fsq": "levels: [5, 4, 2]", "lfq": "bits: 5"}.items()
    },
}
without_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tf2onnx", "onnx", "onnxruntime"))),
    reason="needs vaecli[onnx] and onnxruntime",
)


def in_keras(path):
    return keras.models.load_model(path, safe_mode=True, compile=False)


def in_tensorflow(path):
    served = tf.saved_model.load(path)
    return lambda x: served.serve(x)  # which keeps the variables


def in_onnx(path):
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


READERS = [
    pytest.param("keras", ".keras", in_keras, 1e-6, id="keras"),
    pytest.param("savedmodel", "", in_tensorflow, 1e-6, id="savedmodel"),
    pytest.param("onnx", ".onnx", in_onnx, 1e-5, id="onnx", marks=without_onnx),
]


@pytest.mark.parametrize(("form", "ending", "reader", "within"), READERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_each_part_computes_what_load_run_does(vaecli, once, name, form, ending, reader, within):
    run = once(CONFIGS[name])
    trained, models = load_run(run.path), {}
    for part in ("encoder", "decoder", "whole"):
        done = vaecli("export", f"{run.path}/", "--part", part, "--format", form, "-o", f"{part}{ending}")
        assert (done.stdout, done.exit_code) == (f"{part}{ending}\n", 0), done.stderr
        models[part] = reader(f"{part}{ending}")
    latents, expected = trained.latents(IMAGES).latents, trained.reconstruct(IMAGES)
    found = np.asarray(models["encoder"](IMAGES))
    assert (found.shape, found.dtype) == (latents.shape, latents.dtype)
    np.testing.assert_allclose(found, latents, atol=within)  # of codes, which are whole numbers: equal
    np.testing.assert_allclose(models["decoder"](found), expected, atol=within)
    np.testing.assert_allclose(models["whole"](IMAGES), expected, atol=within)


def test_weights_may_be_those_of_an_earlier_epoch(vaecli, once):
    run = once(CONFIGS["vae"])
    vaecli("export", f"{run.path}/", "-o", "early.keras", "--weights", "epoch-00001")
    expected = load_run(run.path, weights="epoch-00001").reconstruct(IMAGES)
    np.testing.assert_allclose(in_keras("early.keras")(IMAGES), expected, atol=1e-6)


@pytest.fixture
def run(vaecli, once):
    return copied(once(CONFIGS["vae"]), Path("outputs"))


def test_a_saved_model_makes_room_for_another_and_no_other_folder_does(vaecli, run):
    Path("mine").mkdir()
    Path("mine/letter").write_text("dear")
    arguments = ("export", run.name, "--format", "savedmodel", "--part", "decoder", "--force", "-o")
    done = vaecli(*arguments, "mine")
    assert done.stderr == "mine: is a folder; choose another place with --output\n"
    assert written(Path("mine")) == ["letter"]
    assert vaecli(*arguments, "model").exit_code == 0
    Path("model/old").touch()
    assert vaecli(*arguments, "model").exit_code == 0
    assert not Path("model/old").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["mine", "model", "outputs"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-o", "model.h5"], "model.h5: a file that ends in .keras is needed for --format keras"),
        (["-o", "there.keras"], "there.keras: already exists; --force overwrites it"),
        (["-o", "no/model.keras"], "no/model.keras: there is no folder no"),
        (
            ["-o", "m.keras", "--weights", "first"],
            "outputs/RUN/weights/first.npz: the run has no such weights (it has ",
        ),
    ],
)
def test_a_mistake_is_one_line(vaecli, run, arguments, line):
    Path("there.keras").touch()
    before = written(Path())
    done = vaecli("export", run.name, *arguments)
    assert done.stderr.startswith(line.replace("RUN", run.name))
    assert (done.stderr.count("\n"), done.stdout, done.exit_code) == (1, "", 2)
    assert written(Path()) == before


def test_onnx_says_what_it_needs(vaecli, run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = vaecli("export", run.name, "--format", "onnx", "-o", "model.onnx")
    assert done.stderr == "--format onnx: tf2onnx and onnx missing; pip install 'vaecli[onnx]'\n"
    assert done.exit_code == 2


@without_onnx
def test_what_onnx_cannot_compute_is_one_line(vaecli, once):
    run = once(
        config_from_text("model: vae\nnetwork: {hidden: [4], activation: gelu}\ndata: digits\ntraining: {epochs: 1}")
    )
    done = vaecli("export", f"{run.path}/", "--format", "onnx", "-o", "model.onnx")
    assert "tf2onnx cannot convert this model (No Op registered for Erfc" in done.stderr
    assert done.exit_code == 2
    assert not written(Path())
