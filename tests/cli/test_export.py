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
from vaecli.experiment.prior import Asked, fit, load_prior
from vaecli.terminal.console import Console

IMAGES = digits().floats(digits().test.images[:50])[..., 0]
CONV = "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
CONFIGS = {
    "vae": small_config("vae"),
    "three codes": small_config("{name: gumbel, num_latents: 3}"),
    "catnat": small_config("{name: gumbel, num_latents: 2, num_classes: 5, parameterization: catnat}"),
    "catnat_sigmoid": small_config("{name: gumbel, parameterization: catnat_sigmoid}"),
    "vqvae": small_config("vqvae"),
    "a grid": config_from_text("model: {name: vqvae, num_codes: 8, code_dim: 4}\n" + CONV),
    "cosine": small_config("{name: vqvae, distance: cosine, codebook: ema, restart: 1.0, init: kmeans}"),
    "simvq": small_config("simvq"),
    "hard_em": small_config("{name: hard_em, num_latents: 2, num_codes: 4}"),
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


@pytest.fixture(scope="module")
def with_priors(once, tmp_path_factory):
    """A grid of codes with an autoregressive prior, and one for each label."""
    run, quiet = copied(once(CONFIGS["a grid"]), tmp_path_factory.mktemp("outputs")), Console(quiet=True)
    options = {"fetching": quiet.fetching, "counting": quiet.counting, "say": quiet.say, "stop": lambda: None}
    for conditional in (False, True):
        fit(run, Asked("autoregressive", conditional, 1), None, **options)
    return run


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


@pytest.mark.parametrize(("form", "ending", "reader", "within"), READERS)
def test_a_prior_computes_what_ours_does(vaecli, with_priors, form, ending, reader, within):
    run = with_priors
    codes = load_run(run.path).latents(IMAGES).latents
    labels = digits().test.labels[:50].astype(np.int32)
    parts = ("prior", "prior-by-label") if form == "keras" else ("prior",)  # others name two inputs in other ways
    for part, inputs, fitted in zip(parts, (codes, [codes, labels]), run.priors, strict=False):
        done = vaecli("export", f"{run.path}/", "--part", part, "--format", form, "-o", f"{part}{ending}")
        assert (done.stdout, done.exit_code) == (f"{part}{ending}\n", 0), done.stderr
        found = np.asarray(reader(f"{part}{ending}")(inputs))
        picked = np.take_along_axis(found, codes[..., None], -1).reshape(50, -1).sum(1)
        classes = labels.astype(np.int64) if fitted["conditional"] else np.zeros(50, np.int64)
        ours = load_prior(run, fitted).log_p(codes.reshape(50, -1), classes)
        np.testing.assert_allclose(picked, ours, atol=100 * within)  # a sum over 16 codes, of the order of 30


def test_a_prior_that_is_not_there_or_of_other_weights_is_a_line(vaecli, once):
    run = once(CONFIGS["a grid"])
    missing = vaecli("export", f"{run.path}/", "--part", "prior-by-label", "-o", "p.keras")
    assert missing.stderr.splitlines()[-1].endswith("--kind autoregressive --conditional` fits it")
    other = vaecli("export", f"{run.path}/", "--part", "prior", "--weights", "epoch-00001", "-o", "p.keras")
    assert other.stderr.endswith("--weights epoch-00001: a prior is of the codes that the last weights give\n")
    assert (missing.exit_code, other.exit_code) == (2, 2)
    assert not Path("p.keras").exists()


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
