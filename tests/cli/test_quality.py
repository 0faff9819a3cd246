"""`vaecli quality`: what is measured, kept, shown and refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import copied, forge, reseal, small_config
from vaecli import load_run
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.evaluation import classifier as module
from vaecli.evaluation.classifier import VERSION, Classifier
from vaecli.evaluation.manifold import entropy_bits, manifold
from vaecli.runs.added import quality_of
from vaecli.runs.classifiers import classifier_path, load_classifier

GRID = config_from_text(
    "model: {name: vqvae, num_codes: 8, code_dim: 4}\n"
    "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 60)


@pytest.fixture
def grid(vaecli, once):
    return copied(once(GRID), Path("outputs"))


def kept_classifier():
    path = classifier_path(Path("outputs"), "digits", digits().digest)
    about, arrays = load_classifier(path, digits().digest, VERSION)
    classifier = Classifier((8, 8, 1), 10)
    classifier.assign(arrays)
    return about, classifier


def test_it_is_measured_once_kept_and_read_by_every_table(vaecli, grid):
    for options in (["--kind", "independent"], ["--kind", "independent", "--conditional"]):
        assert vaecli("prior", grid.name, "-q", *options).exit_code == 0
    done = vaecli("quality", grid.name, "-n", 100, "--json")
    assert "digits: trains a classifier of 10 labels, once for all runs" in done.stderr
    found = json.loads(done.stdout)
    figures = {one["source"]: one for one in found["figures"]}
    assert list(figures) == ["test images", "reconstructions", "independent", "independent by label"]
    assert figures["test images"]["coverage"] > figures["independent"]["coverage"]
    assert figures["test images"]["recognised"] == pytest.approx(found["accuracy"], abs=0.15)
    assert figures["independent"]["recognised"] is None
    assert 0 < figures["independent by label"]["recognised"] <= 1
    again = vaecli("quality", grid.name, "-n", 100, "--json")
    assert (again.stdout, again.stderr) == (done.stdout, f"{grid.quality_json}: this is what it has\n")
    show = vaecli("show", grid.name).stdout
    assert "  samples             100 of each against as many test images" in show
    assert f"{figures['independent by label']['recognised']:.3f}" in show
    (row,) = json.loads(vaecli("compare", grid.path, "--no-train", "--format", "json", "-q").stdout)
    assert row["quality.coverage"] == figures["independent"]["coverage"]
    assert row["quality.coverage_of_reconstructions"] == figures["reconstructions"]["coverage"]
    assert row["quality.recognised"] == figures["independent by label"]["recognised"]
    assert vaecli("verify", "--files", grid.name).exit_code == 0
    reseal(grid.quality_json, lambda tree: tree["quality"]["figures"].pop())
    assert vaecli("quality", grid.name, "-n", 100, "--json").stdout == done.stdout  # a prior's figures are missing


def test_the_figures_are_those_of_the_classifier_that_is_kept(vaecli, grid):
    found = json.loads(vaecli("quality", grid.name, "--json").stdout)
    about, classifier = kept_classifier()
    order = np.random.default_rng((0, 5)).permutation(360)
    real, others = np.sort(order[:180]), np.sort(order[180:])
    images = digits().floats(digits().test.images)[..., 0]
    drawn = classifier.classify(np.clip(load_run(grid.path).reconstruct(digits().test.images[others]), 0, 1))
    one = found["figures"][1]
    expected = manifold(classifier.classify(images[real]).features, drawn.features)
    assert [one[key] for key in expected._fields] == pytest.approx(list(expected))
    assert one["recognised"] == (drawn.classes == digits().test.labels[others]).mean()
    assert one["label_entropy"] == pytest.approx(entropy_bits(drawn.classes))
    assert (
        found["accuracy"] == (classifier.classify(images).classes == digits().test.labels).mean() == about["accuracy"]
    )
    assert found["count"] == 180


def test_a_classifier_is_trained_once_to_the_same_bits_and_again_where_it_is_damaged(vaecli, grid, once):
    first = vaecli("quality", grid.name, "--json")
    vae = copied(once(small_config("vae")), Path("outputs"))
    other = vaecli("quality", vae.name, "--json")
    assert "trains a classifier" not in other.stderr
    sources = [one["source"] for one in json.loads(other.stdout)["figures"]]
    assert sources == ["test images", "reconstructions", "N(0, 1)", "fitted Gaussian"]
    path = classifier_path(Path("outputs"), "digits", digits().digest).with_suffix(".npz")
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + b"x")
    grid.quality_json.unlink()
    again = vaecli("quality", grid.name, "--json")
    assert "cannot be used (it was changed, or is of another classifier); it is trained again" in again.stderr
    assert path.read_bytes() == raw
    assert again.stdout == first.stdout


def test_a_classifier_of_other_labels_is_trained_again(vaecli, grid):
    first = vaecli("quality", grid.name, "--json")
    path = classifier_path(Path("outputs"), "digits", digits().digest)
    reseal(path, lambda tree: tree.update(labels=[*range(9), 12]))
    grid.quality_json.unlink()
    again = vaecli("quality", grid.name, "--json")
    assert "of another classifier (other labels); it is trained again" in again.stderr
    assert again.stdout == first.stdout


def test_figures_of_another_prior_or_of_other_weights_are_not_used(vaecli, grid):
    assert vaecli("prior", grid.name, "--kind", "independent", "-q").exit_code == 0
    assert vaecli("quality", grid.name, "-q").exit_code == 0
    assert quality_of(grid)["coverage"] >= 0
    reseal(grid.quality_json, lambda tree: tree["quality"]["figures"][2].update(prior="1" * 64))
    assert "coverage" not in quality_of(grid)
    assert "coverage_of_reconstructions" in quality_of(grid)
    reseal(grid.quality_json, lambda tree: tree["quality"]["figures"].clear())
    assert quality_of(grid) == {"recognised": None}
    reseal(grid.quality_json, lambda tree: tree["quality"].update(digest="0" * 64))
    assert quality_of(grid) == {}
    show = vaecli("show", grid.name).stdout
    assert "samples  " not in show
    assert "quality.json: of what other weights than" in show


@pytest.mark.parametrize(
    ("count", "line"),
    [(181, "--count 181: 6 to 180: they are compared with a half of the test images"), (5, "--count 5: 6 to 180")],
)
def test_mistakes_are_a_line(vaecli, grid, count, line):
    done = vaecli("quality", grid.name, "-n", count)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert line in done.stderr
    assert not grid.quality_json.exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda info: info["data"].update(test=11), "12 test images or more are needed, and there are 11"),
        (
            lambda info: info["config"]["data"].update(binarization="dynamic"),
            "a classifier is trained on the training images, but data.binarization: dynamic draws these images again",
        ),
    ],
)
def test_a_run_without_enough_images_is_refused(vaecli, grid, change, line):
    forge(grid, change)
    done = vaecli("quality", grid.name)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert line in done.stderr


def test_a_label_that_only_test_images_have_is_refused(vaecli, grid, monkeypatch):
    found = digits()
    other = replace(found, test=replace(found.test, labels=np.where(found.test.labels == 3, 12, found.test.labels)))
    monkeypatch.setattr("vaecli.experiment.quality.dataset_of", lambda *arguments: other)
    done = vaecli("quality", grid.name)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"{grid.name}: no training image has the label 12 of test images"


def test_images_without_labels_have_no_classifier(vaecli, tmp_path):
    floats = (split.images[..., 0].astype(np.float32) / 16 for split in (digits().train, digits().test))
    np.savez("mine.npz", **dict(zip(("x_train", "x_test"), floats, strict=True)))
    (tmp_path / "mine.yaml").write_text(
        "model: vqvae\nnetwork: {hidden: [8]}\ndata: {name: npz, path: mine.npz}\n"
        "training: {epochs: 1, compile: graph}\n"
    )
    assert vaecli("train", "-c", "mine.yaml", "-q").exit_code == 0
    done = vaecli("quality", "vqvae")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith("a classifier measures what is drawn, and mine has no labels")
