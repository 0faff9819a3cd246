import math

import numpy as np
import pytest

from helpers import KINDS, small_config, softmax
from vaecli.data import Split
from vaecli.data.digits import digits
from vaecli.evaluation import evaluator as module
from vaecli.evaluation.evaluator import Evaluator, of_mean_image
from vaecli.evaluation.references import mean_image
from vaecli.metrics.metric import test_block as block_of
from vaecli.models.autoencoder import build
from vaecli.models.likelihood import likelihood

DATA = digits()
TEST = Split(DATA.test.images[:50], DATA.test.labels[:50])


def evaluate(method, *, test=TEST, extra="", **options):
    config = small_config(method, extra=extra)
    model = build(config, (8, 8))
    found = Evaluator(model, test, DATA.scale, 0, **options)([v.value for v in model.weights.values()])
    return found, model, config


@pytest.mark.parametrize("method", KINDS)
def test_the_mode_error_is_the_mean_over_images_and_pixels(method):
    found, model, _ = evaluate(method)
    images = DATA.floats(TEST.images)
    outputs = model.pixels(model.bottleneck.encode(model.encoder(images)).z)
    assert found.measured.mse_mode == pytest.approx(np.square(images - outputs).mean(), rel=1e-5)


@pytest.mark.parametrize("method", ["gumbel", "vae", "vqvae"])
def test_padding_of_the_last_batch_does_not_count(method, monkeypatch):
    whole, _, _ = evaluate(method)
    monkeypatch.setattr(module, "BATCH", 16)  # 50 is no multiple
    cut, _, _ = evaluate(method)
    assert cut.measured.mse_mode == pytest.approx(whole.measured.mse_mode, rel=1e-6)
    assert cut.measured.rate == pytest.approx(whole.measured.rate, rel=1e-6)
    assert np.array_equal(cut.measured.codes, whole.measured.codes)


@pytest.mark.parametrize(("codes", "pixels"), [("sample", "sampled"), ("mode", "mode"), ("relaxed", "relaxed")])
def test_the_distortion_is_of_the_codes_that_the_config_names(codes, pixels):
    """With a density of scale 1 / sqrt 2 it is the squared error of those codes but for a constant."""
    scale = 0.5**0.5
    extra = f"objective: {{likelihood: gaussian, scale: {scale}}}\nevaluation: {{codes: {codes}}}"
    measured = evaluate("gumbel", extra=extra)[0].measured
    constant = 64 * math.log(scale * math.sqrt(2 * math.pi))
    error = 64 * getattr(measured, f"mse_{pixels}")
    assert measured.distortion == pytest.approx(error + constant, rel=1e-5)


def test_every_batch_draws_anew(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 5)
    one_image = Split(np.repeat(TEST.images[:1], 10, 0))
    found, _, _ = evaluate("vae", test=one_image, shown=np.arange(10))
    first, second = found.shown.sampled[:5], found.shown.sampled[5:]
    assert not (first == second).all((1, 2, 3)).any()


def test_the_weights_that_are_handed_in_are_measured():
    config = small_config("straight_through")
    model = build(config, (8, 8))
    zeros = [0 * v.value for v in model.weights.values()]
    found = Evaluator(model, TEST, DATA.scale, 0)(zeros)
    black = np.square(DATA.floats(TEST.images)).mean()
    assert found.measured.mse_mode == pytest.approx(black, rel=1e-5)
    assert found.measured.rate == pytest.approx(0, abs=1e-6)
    assert not found.measured.codes.any()


def test_hard_codes_are_measured_by_one_program_whatever_trained_them():
    names = ("categorical", "reinmax", "gumbel", "gumbel_st", "vae")
    models = {name: build(small_config(name), (8, 8)) for name in names}
    programs = {name: Evaluator(model, TEST, DATA.scale, 0)._compiled for name, model in models.items()}
    assert programs["categorical"] is programs["reinmax"] is programs["gumbel_st"]
    assert len({id(program) for program in programs.values()}) == 3  # gumbel measures its relaxed samples too


def test_the_rate_is_the_mean_over_images():
    found, model, _ = evaluate("gumbel")
    p = softmax(model.bottleneck.logits(model.encoder(DATA.floats(TEST.images))))
    of_images = (p * np.log(10 * p)).sum((1, 2))
    assert found.measured.rate == pytest.approx(of_images.mean(), rel=1e-4)  # K log K terms cancel


def test_codes_used_is_a_share_and_perplexity_that_of_the_whole_split():
    found, _, _ = evaluate("gumbel")
    summary = block_of(found.measured)
    share = np.bincount(found.measured.codes[:, 0], minlength=10) / 50
    assert summary["codes_used"] == np.mean(share > 0)
    assert summary["perplexity"] == pytest.approx(np.prod(share**-share))


def test_two_evaluations_draw_the_same():
    first, second = (evaluate("gumbel")[0].measured for _ in range(2))
    assert block_of(first) == block_of(second)


def test_shown_images_are_found_in_their_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 16)
    shown = np.array([0, 15, 16, 49])
    found, model, _ = evaluate("gumbel", shown=shown)
    images = DATA.floats(TEST.images[shown])
    expected = model.pixels(model.bottleneck.encode(model.encoder(images)).z)
    np.testing.assert_allclose(found.shown.mode, expected, atol=1e-6)
    assert found.shown.relaxed.shape == (4, 8, 8, 1)


def test_bits_and_capacity():
    found, _, _ = evaluate("gumbel")
    summary = block_of(found.measured)
    assert summary["bits"] == pytest.approx(found.measured.rate / math.log(2))
    assert summary["capacity_bits"] == pytest.approx(math.log2(10))
    assert 0 <= summary["bits"] <= summary["capacity_bits"]


def test_an_elbo_is_on_hard_samples_and_without_beta():
    found, _, _ = evaluate("gumbel", extra="objective: {likelihood: bernoulli, beta: 0.3}")
    summary = block_of(found.measured)
    assert summary["elbo"] == pytest.approx(-(summary["distortion"] + summary["rate"]))


@pytest.mark.parametrize("method", KINDS)
def test_a_summary_has_the_same_keys_for_every_method(method):
    found, _, _ = evaluate(method)
    keys = ["mse", "distortion", "scale", "rate", "elbo", "negative_elbo", "bits", "capacity_bits"]
    keys += ["perplexity", "codes_used", "nmi", "accuracy"]
    assert list(block_of(found.measured)) == keys


def test_a_mean_square_has_no_elbo():
    found, _, _ = evaluate("gumbel")
    summary = block_of(found.measured)
    assert summary["elbo"] is None
    assert summary["distortion"] is None


def test_several_latents_are_reported_one_by_one_and_in_the_mean():
    config = small_config("gumbel")
    config = config.model_copy(update={"model": config.model.model_copy(update={"num_latents": 3})})
    model = build(config, (8, 8))
    found = Evaluator(model, TEST, DATA.scale, 0)([v.value for v in model.weights.values()])
    summary = block_of(found.measured)
    assert summary["perplexity"] == pytest.approx(np.mean(summary["per_latent"]["perplexity"]))
    assert len(summary["per_latent"]["nmi"]) == 3
    assert summary["accuracy"] is None


def test_without_labels_nothing_is_said_of_them():
    found, _, _ = evaluate("gumbel", test=Split(TEST.images))
    summary = block_of(found.measured)
    assert summary["nmi"] is None
    assert summary["accuracy"] is None
    assert summary["perplexity"] >= 1


@pytest.mark.parametrize("objective", ["mse", "l1", "bernoulli", "gaussian"])
def test_the_mean_image_is_measured_like_an_output(objective, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 100)  # 360 is no multiple
    config = small_config("vae", extra=f"objective: {{likelihood: {objective}}}")
    found = of_mean_image(DATA, likelihood(config.objective))
    assert found["mse"] == mean_image(DATA)
    images = DATA.floats(DATA.test.images).astype(np.float64)
    mean = DATA.mean_image
    clipped = np.clip(mean, 1e-3, 1 - 1e-3)
    expected = {
        "bernoulli": -(images * np.log(clipped) + (1 - images) * np.log1p(-clipped)),
        "gaussian": (images - mean) ** 2 / 2 + math.log(2 * math.pi) / 2,
    }
    if objective in expected:
        assert found["distortion"] == pytest.approx(expected[objective].sum((1, 2, 3)).mean(), rel=1e-5)
    else:
        assert found["distortion"] is None
