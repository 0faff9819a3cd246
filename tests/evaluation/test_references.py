import numpy as np
import pytest

from helpers import small_config
from vaecli.config import config_from_text
from vaecli.config.latent import Latent
from vaecli.data.digits import digits
from vaecli.errors import RunError
from vaecli.evaluation import references as module
from vaecli.evaluation.references import compute, kmeans, mean_image, pca
from vaecli.runs.references import References, load_references, references_path, save_references

DATA = digits()


def test_the_mean_image_is_the_best_constant():
    train, test = (DATA.floats(split.images).astype(np.float64) for split in (DATA.train, DATA.test))
    assert mean_image(DATA) == pytest.approx(((test - train.mean(0)) ** 2).mean(), rel=1e-6)


def test_references_are_ordered():
    """More codes and more components come closer, and all beat the mean image."""
    errors = [mean_image(DATA), kmeans(DATA, 2)["mse"], kmeans(DATA, 10)["mse"]]
    assert errors == sorted(errors, reverse=True)
    errors = [mean_image(DATA), pca(DATA, 2)["mse"], pca(DATA, 10)["mse"]]
    assert errors == sorted(errors, reverse=True)
    assert pca(DATA, 64)["mse"] == pytest.approx(0, abs=1e-9)


def test_they_are_computed_once(tmp_path, monkeypatch):
    configs = [small_config("gumbel"), small_config("vqvae"), small_config("vae")]
    (path,) = compute(configs, tmp_path, None, lambda line: None)
    found = load_references(path, DATA.digest)
    assert found.kmeans.keys() == {"10"}
    assert found.pca.keys() == {"10"}
    for name in ("kmeans", "pca", "mean_image"):
        monkeypatch.setattr(module, name, None)  # calling it now would fail
    (again,) = compute(configs, tmp_path, None, lambda line: None)
    assert load_references(again, DATA.digest) == found


def test_what_was_computed_before_is_kept(tmp_path):
    for num_classes, known in ((2, {"2"}), (3, {"2", "3"})):
        text = f"model: {{name: gumbel, num_classes: {num_classes}}}\ndata: digits"
        (path,) = compute([config_from_text(text)], tmp_path, None, lambda line: None)
        assert load_references(path, DATA.digest).kmeans.keys() == known


def test_a_file_of_other_data_is_computed_anew(tmp_path):
    path = references_path(tmp_path, DATA.name, DATA.digest)
    save_references(path, References(DATA.name, DATA.digest[:12], 99.0, kmeans={"2": {"mse": 99.0}}))
    config = config_from_text("model: {name: gumbel, num_classes: 2}\ndata: digits")
    assert list(compute([config], tmp_path, None, lambda line: None)) == [path]
    found = load_references(path, DATA.digest)
    assert found.mean_image == mean_image(DATA)
    assert found.kmeans["2"]["mse"] < found.mean_image


def test_more_components_than_pixels_have_no_reference(tmp_path):
    config = config_from_text("model: {name: vae, latent_dim: 65}\ndata: digits")
    (path,) = compute([config], tmp_path, None, lambda line: None)
    assert load_references(path, DATA.digest).pca == {}


def test_learned_is_the_share_of_the_way_to_the_reference():
    references = References("mnist", "x", 0.07, kmeans={"10": {"mse": 0.05}}, pca={"10": {"mse": 0.03}})
    assert references.learned(Latent((1, 1), 1, (10,), 10), 0.06) == pytest.approx(0.5)
    other = References("mnist", "x", 0.05, kmeans={"10": {"mse": 0.05}})
    assert other.learned(Latent((1, 1), 1, (10,), 10), 0.06) is None
    assert references.learned(Latent((1, 1), 1, None, 10), 0.06) == pytest.approx(0.25)
    assert References("mnist", "x", 0.07).learned(Latent((1, 1), 1, (10,), 10), 0.06) is None


def test_references_of_other_data_are_not_used(tmp_path):
    save_references(tmp_path / "r.json", References("mnist", "1" * 64, 0.07))
    assert load_references(tmp_path / "r.json", "1" * 64).mean_image == 0.07
    assert load_references(tmp_path / "r.json", "another") is None
    assert load_references(tmp_path / "none.json", "another") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"data": 1}', "\x00"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(RunError, match=r"r\.json: damaged, "):
        load_references(tmp_path / "r.json", "x")
