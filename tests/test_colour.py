"""Images of three channels through every room: read, trained on, resumed, drawn, used."""

import keras
import matplotlib.image
import numpy as np
import pytest

import vaecli
from helpers import OFTEN, metrics, stop_after, train, weights
from vaecli.config import config_from_text
from vaecli.data import load
from vaecli.errors import DataError, Interrupted
from vaecli.evaluation.references import kmeans, mean_image, pca
from vaecli.reports.comparison import figures
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.panels import scenes
from vaecli.runs.reconstructions import wrong_arrays

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 200)
# Red, green or blue with a gradient downwards, wider than high
IMAGES = np.zeros((200, 8, 12, 3), np.uint8)
IMAGES[np.arange(200), :, :, LABELS] = RNG.integers(120, 256, (200, 1, 1)) - 8 * np.arange(8)[None, :, None]
NETWORKS = {"mlp": "{hidden: [16]}", "conv": "{kind: conv, channels: [4, 8]}"}


@pytest.fixture(scope="module")
def colours(shared):
    """A file of colour images with labels."""
    path = shared / "colours.npz"
    parts = {"train": slice(160), "test": slice(160, None)}
    np.savez(path, **{f"x_{p}": IMAGES[s] for p, s in parts.items()}, **{f"y_{p}": LABELS[s] for p, s in parts.items()})
    return path


def config(colours, kind, *, method="vqvae", extra=""):
    return config_from_text(
        f"model: {{name: {method}}}\nnetwork: {NETWORKS[kind]}\ndata: {{name: npz, path: '{colours}'}}\n"
        f"training: {{epochs: 4, batch_size: 20, learning_rate: 0.01{extra}}}"
    )


@pytest.fixture(params=NETWORKS)
def kind(request):
    return request.param


@pytest.fixture
def run(colours, kind, once):
    return once(config(colours, kind))


def test_colour_is_read_as_it_is(colours):
    data = load(config(colours, "mlp").data)
    assert data.image_shape == (8, 12, 3)
    assert np.array_equal(data.test.images, IMAGES[160:])


def test_a_run_learns_and_says_the_shape(run):
    assert run.info["data"]["image_shape"] == [8, 12, 3]
    errors = [row["test_mse_mode"] for row in run.metrics]
    assert errors[-1] < errors[0]


def test_a_resumed_run_has_the_same_bits(colours, kind, run, tmp_path):
    asked = config(colours, kind, extra=OFTEN)
    with pytest.raises(Interrupted):
        train(asked, tmp_path, stop=stop_after(3))
    resumed = train(asked, tmp_path)
    assert weights(resumed) == weights(run)
    assert metrics(resumed) == metrics(run)


def test_the_figures_have_the_colours_of_the_images(run):
    drawn = {path.stem for path in run.figures.iterdir()}
    assert {"reconstructions", "loss"} < drawn
    picture = matplotlib.image.imread(run.figures / "reconstructions.png")[..., :3]
    for channel in range(3):  # many dots have its colour alone
        others = np.delete(picture, channel, 2)
        assert np.count_nonzero((picture[..., channel] > 0.3) & (others == 0).all(2)) > 1000


def test_the_arrays_are_images_of_three_channels(run, kind):
    arrays = run.reconstructions()
    shapes = {name: array.shape[1:] for name, array in arrays.items() if array.dtype.kind == "f" and array.ndim > 2}
    cell = {"in_place": (4, 4, 3)} if kind == "conv" else {}
    of_codes = ("alone",) if kind == "conv" else ("prototypes",)
    assert shapes == dict.fromkeys(("images", "mode", "sampled", *of_codes), (8, 12, 3)) | cell


@pytest.mark.parametrize("name", ["images", "mode"])
def test_arrays_of_other_channels_are_damaged(run, name):
    arrays = run.reconstructions()
    assert wrong_arrays(arrays) is None
    for channels in (1, 2):
        other = arrays[name][..., :channels]
        assert wrong_arrays({**arrays, name: other}) == f"{name} is float32 {other.shape}"
    assert wrong_arrays({**arrays, name: arrays[name][..., 0]}) is not None


def test_a_loaded_run_takes_and_gives_colour(run):
    loaded, arrays = vaecli.load_run(run.path), run.reconstructions()
    np.testing.assert_allclose(loaded.reconstruct(IMAGES[160:][arrays["index"]]), arrays["mode"], atol=1e-6)
    np.testing.assert_allclose(loaded.decode(loaded.encode(arrays["images"]).codes), arrays["mode"], atol=1e-6)
    for wrong in (IMAGES[..., 0], IMAGES[..., None]):
        with pytest.raises(DataError, match=r"images \[N, 8, 12, 3\] are needed"):
            loaded.encode(wrong)


def test_plain_keras_reconstructs_in_colour(run):
    model = keras.models.load_model(run.model_keras, safe_mode=True, compile=False)
    arrays = run.reconstructions()
    assert np.array_equal(model(arrays["images"]), arrays["mode"])


def test_references_are_over_all_channels(colours):
    data = load(config(colours, "mlp").data)
    train_, test = (data.floats(split.images) for split in (data.train, data.test))
    assert mean_image(data) == pytest.approx(np.square(test - train_.mean(0)).mean(), rel=1e-5)
    found = kmeans(data, 3)
    assert found["nmi"] == pytest.approx(1)  # three colours
    assert pca(data, 3)["mse"] < found["mse"] < mean_image(data)


@pytest.mark.parametrize("how", ["threshold", "static", "dynamic"])
def test_colour_is_not_binarized(colours, how):
    data = config_from_text(f"model: vae\ndata: {{name: npz, path: '{colours}', binarization: {how}}}").data
    with pytest.raises(DataError) as error:
        load(data)
    assert error.value.lines == (f"data.binarization: {how} is of grey images, and those of colours have 3 channels",)


def test_a_comparison_draws_colour(colours, once):
    runs = [once(config(colours, "mlp", method=method)) for method in ("vqvae", "straight_through")]
    (scene,), _ = scenes(compared(runs))
    for draw in (figures.reconstructions, figures.what_codes_draw):
        pictures = [image.get_array() for image in draw(scene).axes[0].images]
        assert len(pictures) >= len(runs)
        assert all(picture.shape[2] == 3 and picture.min() == 0 and picture.max() == 1 for picture in pictures)
