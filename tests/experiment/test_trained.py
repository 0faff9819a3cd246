import keras
import numpy as np
import pytest

import vaecli
from helpers import train
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.errors import DataError, RunError

IMAGES = digits().test.images[:50]
FLOATS = IMAGES.astype(np.float32) / 16


def test_load_run_tells_what_the_run_was(finished_run):
    run = vaecli.load_run(finished_run.path)
    assert run.config == finished_run.config
    assert run.metrics == finished_run.metrics
    assert run.summary == finished_run.summary


def test_reconstruct_is_decode_of_encode(finished_run):
    run = vaecli.load_run(finished_run.path)
    encoded = run.encode(IMAGES)
    latents = encoded.z[:, 0] if encoded.codes is None else encoded.codes
    assert np.array_equal(run.decode(latents), run.reconstruct(IMAGES))
    assert encoded.rate.shape == (len(IMAGES),)


def test_any_number_of_images_has_the_same_bits(finished_run):
    run = vaecli.load_run(finished_run.path)
    images = digits().test.images[:300]  # more than one chunk
    latents = run.latents(images).latents
    pixels = run.reconstruct(images)
    assert np.array_equal(run.decode(latents), pixels)
    assert np.array_equal(run.reconstruct(images[:256]), pixels[:256])
    assert np.array_equal(run.reconstruct(images[:3]), pixels[:3])
    assert len(run.reconstruct(images[:0])) == len(run.encode(images[:0]).rate) == len(run.decode(latents[:0])) == 0


def test_each_program_is_compiled_once(finished):
    run = vaecli.load_run(finished("gumbel").path)
    images = digits().test.images
    for count in (1, 5, 256, 257, 300):
        run.decode(run.encode(images[:count]).codes)
    assert [program.experimental_get_tracing_count() for program in run._programs.values()] == [1, 1]


def test_a_sample_of_an_image_does_not_depend_on_those_that_follow_and_chunks_draw_apart(finished):
    run = vaecli.load_run(finished("straight_through").path)
    same = np.repeat(digits().test.images[:1], 512, 0)
    codes = run.encode(same, seed=1).codes
    assert np.array_equal(run.encode(same[:7], seed=1).codes, codes[:7])
    assert not np.array_equal(codes[:256], codes[256:])


def test_pixels_and_floats_are_the_same_images(finished_run):
    run = vaecli.load_run(finished_run.path)
    assert np.array_equal(run.reconstruct(IMAGES), run.reconstruct(FLOATS))


def test_the_reconstructions_are_those_of_the_figures(finished_run):
    arrays = finished_run.reconstructions()
    outputs = vaecli.load_run(finished_run.path).reconstruct(arrays["images"])
    np.testing.assert_allclose(outputs, arrays["mode"], atol=1e-6)  # another batch, another program


def test_the_test_error_is_that_of_the_summary(finished_run):
    data = digits()
    outputs = vaecli.load_run(finished_run.path).reconstruct(data.test.images)
    error = np.square(outputs - data.floats(data.test.images)[..., 0]).mean()
    assert error == pytest.approx(finished_run.summary["test"]["mse"]["mode"], rel=1e-5)


def test_a_seed_draws_and_repeats(finished):
    run = vaecli.load_run(finished("straight_through").path)
    first, again, other = (run.encode(IMAGES, seed=seed).codes for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_plain_keras_loads_the_model_in_safe_mode_and_gives_the_runs_reconstructions_bit_for_bit(finished_run):
    arrays = finished_run.reconstructions()
    model = keras.models.load_model(finished_run.model_keras, safe_mode=True, compile=False)
    assert np.array_equal(model.predict(arrays["images"], verbose=0), arrays["mode"])
    assert np.array_equal(model(arrays["images"]), arrays["mode"])


def test_the_weights_file_loads_into_plain_keras_and_gives_the_same_bits(finished_run):
    arrays = finished_run.reconstructions()
    model = keras.models.load_model(finished_run.model_keras, safe_mode=True, compile=False)
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 0.5))
    assert not np.array_equal(model(arrays["images"]), arrays["mode"])
    model.load_weights(finished_run.model_weights)
    assert np.array_equal(model(arrays["images"]), arrays["mode"])


def test_plain_keras_reconstructs_other_images_as_load_run_does(finished_run):
    model = keras.models.load_model(finished_run.model_keras, safe_mode=True, compile=False)
    expected = vaecli.load_run(finished_run.path).reconstruct(IMAGES)
    # another program, another order of sums
    np.testing.assert_allclose(model.predict(FLOATS, verbose=0), expected, atol=1e-6)


def test_milestones_can_be_loaded(finished):
    path = finished("vae").path
    first, last = (vaecli.load_run(path, weights=name).reconstruct(IMAGES) for name in ("epoch-00000", "last"))
    assert not np.array_equal(first, last)


@pytest.mark.parametrize(
    ("method", "latents", "message"),
    [
        ("gumbel", np.array([10]), r"codes lie in 0..9, received 10..10"),
        ("gumbel", np.array([[0, 1]]), r"integer codes \[N, 1\] are needed"),
        ("vqvae", np.array([0.5]), r"integer codes"),
        ("vae", np.full((2, 10), np.inf), "latent vectors that are NaN or infinite: 20"),
        ("vae", np.zeros((2, 3)), r"latent vectors \[N, 10\] are needed, received float64 of shape \(2, 3\)"),
    ],
)
def test_latents_that_do_not_fit_are_refused(finished, method, latents, message):
    with pytest.raises(DataError, match=message):
        vaecli.load_run(finished(method).path).decode(latents)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (FLOATS * 255, r"images: float pixels must lie in \[0, 1\], .* received 0.0 to 255.0 \(divide by 255\?\)"),
        (FLOATS - 0.1, r"must lie in \[0, 1\], .* received -0.1 to 0.9"),
        (FLOATS * np.nan, r"images: pixels that are NaN or infinite: 3,200"),
        (2 * FLOATS - 1, r"must lie in \[0, 1\], .* received -1.0 to 1.0 \(from \[-1, 1\]\?\)"),
        (IMAGES * 15, r"images: integer pixels lie in 0..16 here, received 0 to 240"),
        (IMAGES.astype(np.int64) - 1, r"images: integer pixels lie in 0..16 here, received -1 to 15"),
        ((IMAGES > 8).astype(np.uint8), r"images: integer pixels lie in 0..16 here; zeros and ones are floats"),
        (IMAGES.astype("datetime64[s]"), r"are integers, bools, or floats in \[0, 1\], received type datetime64"),
    ],
)
@pytest.mark.parametrize("function", ["encode", "latents", "reconstruct"])
def test_pixels_that_training_would_refuse_are_refused_in_its_words(finished, function, images, message):
    with pytest.raises(DataError, match=message):
        getattr(vaecli.load_run(finished("vae").path), function)(images)


def test_a_run_of_floats_refuses_integers(tmp_path):
    np.savez(tmp_path / "floats.npz", x_train=FLOATS[..., 0], x_test=FLOATS[..., 0])
    text = f"model: vae\nnetwork: {{hidden: [4]}}\ndata: {{name: npz, path: {tmp_path}/floats.npz}}\n"
    run = vaecli.load_run(train(config_from_text(text + "training: {epochs: 1, batch_size: 10}"), tmp_path).path)
    assert run.encode(FLOATS).rate.shape == (50,)
    with pytest.raises(DataError, match=r"images: integer pixels lie in 0..1 here, received 0 to 16"):
        run.encode(IMAGES)
    white = FLOATS > 0.5
    for alike in (white, white.astype(np.uint8), white.astype(np.int64)):
        assert np.array_equal(run.encode(alike).z, run.encode(white.astype(np.float32)).z)


def test_pixels_in_other_forms_mean_the_same(finished):
    run = vaecli.load_run(finished("gumbel").path)
    expected = run.encode(IMAGES).codes
    for alike in (IMAGES.astype(np.int64), IMAGES[..., 0], np.moveaxis(IMAGES, 3, 1), FLOATS):
        assert np.array_equal(run.encode(alike).codes, expected)


def test_images_that_do_not_fit_are_refused(finished):
    with pytest.raises(DataError, match=r"images \[N, 8, 8\] are needed, received shape \(2, 28, 28\)"):
        vaecli.load_run(finished("vae").path).encode(np.zeros((2, 28, 28)))


def test_what_is_no_finished_run_is_refused(tmp_path, finished):
    with pytest.raises(RunError, match="not a run folder"):
        vaecli.load_run(tmp_path)
    with pytest.raises(RunError, match="epoch-00099"):
        vaecli.load_run(finished("vae").path, weights="epoch-00099")
