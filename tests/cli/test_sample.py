"""`vaecli sample`: from which prior images are drawn, what is written, and what is refused."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import copied, forge, small_config
from vaecli import load_run
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.experiment.prior import load_prior
from vaecli.experiment.sample import distance

GRID = config_from_text(
    "model: {name: vqvae, num_codes: 8, code_dim: 4}\n"
    "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
)


def arrays(path):
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


@pytest.fixture
def grid(vaecli, once):
    return copied(once(GRID), Path("outputs"))


def test_without_a_prior_each_code_is_drawn_as_often_as_training_images_have_it_and_that_is_said(vaecli, grid):
    done = vaecli("sample", grid.name, "-n", 3000, "-o", "drawn.npz")
    assert done.stdout == "drawn.npz\n"
    assert "has no prior yet (`vaecli prior " in done.stderr
    found, trained = arrays("drawn.npz"), load_run(grid.path)
    assert found["codes"].shape == (3000, 4, 4, 1)
    assert np.array_equal(found["images"], trained.decode(found["codes"]))
    assert str(found["run"]) == grid.name
    of_training = trained.encode(digits().train.images).codes
    for place in range(16):
        often = (np.bincount(of_training[:, place], minlength=8) + 1) / (1437 + 8)
        drawn = np.bincount(found["codes"].reshape(3000, 16)[:, place], minlength=8) / 3000
        assert drawn == pytest.approx(often, abs=5 * np.sqrt(often.max() * (1 - often.max()) / 3000) + 0.01)


def test_it_draws_from_the_prior_that_is_there_or_asked_for(vaecli, grid):
    for options in ([], ["--kind", "independent"], ["--kind", "independent", "--conditional"]):
        vaecli("prior", grid.name, "-q", *options, *(["--epochs", 1] if not options else []))
    priors = {(one["kind"], one["conditional"]): load_prior(grid, one) for one in grid.priors}
    lengths = {one["kind"]: one["code_length"]["test"]["value"] for one in grid.priors if not one["conditional"]}
    best = min(lengths, key=lengths.__getitem__)
    for options, key, of_class in (
        ([], (best, False), 0),
        (["--prior", "autoregressive"], ("autoregressive", False), 0),
        (["--label", 7], ("independent", True), 7),
    ):
        assert vaecli("sample", grid.name, "-n", 5, "--seed", 3, "-o", "s.npz", "--force", *options).exit_code == 0
        expected = priors[key].draw(5, temperature=1.0, of_class=of_class, seed=3)
        assert np.array_equal(arrays("s.npz")["codes"].reshape(5, 16), expected)
    done = vaecli("sample", grid.name, "-n", 4, "--temperature", 0, "-o", "same.npz")
    assert done.exit_code == 0
    images = arrays("same.npz")["images"]
    assert (images == images[0]).all()
    missing = vaecli("sample", grid.name, "--label", 7, "--prior", "autoregressive", "-o", "t.npz")
    assert "--kind autoregressive --conditional` fits it" in missing.stderr.splitlines()[-1]


def test_a_vae_draws_from_its_prior_or_from_a_gaussian_that_fits_its_encodings(vaecli, once):
    run = copied(once(small_config("vae")), Path("outputs"))
    done = vaecli("sample", run.name, "-n", 4000, "-o", "prior.npz")
    assert "nothing pulled its encodings to N(0, 1): the Gaussian of the test images' encodings is " in done.stderr
    latents = arrays("prior.npz")["latents"]
    assert latents.mean(0) == pytest.approx(np.zeros(10), abs=0.1)
    assert latents.std(0) == pytest.approx(np.ones(10), abs=0.1)
    assert vaecli("sample", run.name, "-n", 4000, "--from", "fitted", "-o", "fitted.npz").exit_code == 0
    encodings = load_run(run.path).encode(digits().test.images, seed=0).z[:, 0]
    latents = arrays("fitted.npz")["latents"]
    assert latents.mean(0) == pytest.approx(encodings.mean(0), abs=0.1 * float(encodings.std()))
    assert np.cov(latents.T) == pytest.approx(np.cov(encodings.T), abs=0.15 * float(encodings.var(0).max()))


def test_the_distance_of_gaussians():
    assert distance(np.zeros(3), np.eye(3)) == 0
    assert distance(np.array([2.0]), np.array([[1.0]])) == pytest.approx(2)
    assert distance(np.zeros(1), np.array([[np.e]])) == pytest.approx((np.e - 2) / 2)


def test_a_figure_is_drawn_by_its_ending(vaecli, grid):
    assert vaecli("sample", grid.name, "-n", 7, "-o", "s.svg").exit_code == 0
    text = Path("s.svg").read_text()
    assert "7 samples · independent prior" in text
    refused = vaecli("sample", grid.name, "-o", "s.gif")
    assert (refused.exit_code, refused.stderr) == (2, "s.gif: the format is one of png, svg, pdf\n")


def test_the_images_of_ten_codes_are_what_each_of_the_codes_draws(vaecli, once):
    run = copied(once(small_config("vqvae")), Path("outputs"))
    assert vaecli("sample", run.name, "-n", 500, "-o", "ten.npz").exit_code == 0
    found, prototypes = arrays("ten.npz"), run.reconstructions()["prototypes"]
    assert found["images"] == pytest.approx(prototypes[found["codes"][:, 0]], abs=1e-6)
    used = run.reconstructions()["code_counts"][0]
    assert set(np.flatnonzero(used > 20)) <= set(found["codes"][:, 0])


def test_each_sample_stands_beside_its_nearest_training_image(vaecli, grid):
    assert vaecli("sample", grid.name, "--show", "nearest", "-n", 6, "-o", "s.npz").exit_code == 0
    found, train = arrays("s.npz"), digits().train.images[..., 0].astype(np.float64) * digits().scale
    for image, near, place, distance_ in zip(
        *(found[name] for name in ("images", "nearest", "nearest_index", "nearest_distance")), strict=True
    ):
        squares = np.square(train - np.clip(image, 0, 1)).sum((1, 2))
        assert squares[place] == pytest.approx(squares.min(), rel=1e-5)
        assert distance_ == pytest.approx(squares.min(), rel=1e-5)
        assert near == pytest.approx(train[place], abs=1e-6)
    plain = vaecli("sample", grid.name, "-n", 6, "-o", "plain.npz")
    assert np.array_equal(arrays("plain.npz")["images"], found["images"]), plain.stderr


def test_a_line_of_samples_for_each_label_is_what_label_draws(vaecli, grid):
    assert vaecli("prior", grid.name, "--kind", "independent", "--conditional", "-q").exit_code == 0
    assert vaecli("sample", grid.name, "--show", "labels", "-n", 3, "-o", "s.npz").exit_code == 0
    found = arrays("s.npz")
    assert list(found["labels"]) == [label for label in range(10) for _ in range(3)]
    assert vaecli("sample", grid.name, "--label", 4, "-n", 3, "-o", "four.npz").exit_code == 0
    assert np.array_equal(found["codes"][12:15], arrays("four.npz")["codes"])


def test_a_traversal_changes_one_code_in_each_line(vaecli, grid):
    assert vaecli("sample", grid.name, "--show", "traversal", "--images", 5, "-n", 4, "-o", "s.npz").exit_code == 0
    found, trained = arrays("s.npz"), load_run(grid.path)
    codes, itself = found["codes"].reshape(-1, 16), trained.encode(digits().test.images[5:6]).codes[0]
    assert list(np.unique(found["row"])) == [0, 1, 2, 3, 4]
    assert np.array_equal(codes[0], itself)
    assert np.array_equal(found["images"], trained.decode(found["codes"]))
    every, places = trained.encode(digits().test.images).codes, []
    for row in range(1, 5):
        line = codes[found["row"] == row]
        (place,) = np.flatnonzero((line != itself).any(0))
        places.append(place)
        counts = np.bincount(every[:, place], minlength=8)
        assert list(line[:, place]) == sorted(np.flatnonzero(counts), key=lambda code: -counts[code])
    assert places == sorted(places)


def test_an_interpolation_changes_one_code_after_the_other(vaecli, grid):
    done = vaecli("sample", grid.name, "--show", "interpolation", "--images", "5,8,9", "-n", 4, "-o", "s.npz")
    assert done.exit_code == 0
    found, ends = arrays("s.npz"), load_run(grid.path).encode(digits().test.images[[5, 8, 9]]).codes
    for row in range(2):
        codes = found["codes"].reshape(-1, 16)[found["row"] == row]
        assert np.array_equal(codes[[0, -1]], ends[row : row + 2])
        changed = [np.flatnonzero(code != codes[0]) for code in codes]
        for before, after in itertools.pairwise(changed):
            assert len(before) < len(after)
            assert np.array_equal(before, after[: len(before)])


def test_a_vae_goes_along_lines_and_through_its_deviations(vaecli, once):
    run = copied(once(small_config("vae")), Path("outputs"))
    for show, options in (("interpolation", ["-n", 5]), ("traversal", ["-n", 2]), ("nearest", ["-n", 2])):
        assert vaecli("sample", run.name, "--show", show, *options, "-o", f"{show}.npz").exit_code == 0
    means = load_run(run.path).encode(digits().test.images).z[:, 0]
    line = arrays("interpolation.npz")["latents"]
    assert line == pytest.approx(np.linspace(means[0], means[1], 5), abs=1e-5)
    found = arrays("traversal.npz")
    widest = sorted(np.argsort(-means.std(0))[:2])
    for row, axis in enumerate(widest, 1):
        of_row = found["latents"][found["row"] == row]
        steps = means[:, axis].mean() + np.linspace(-2, 2, 9) * means[:, axis].std()
        assert of_row[:, axis] == pytest.approx(steps, abs=1e-5)
        assert np.array_equal(np.delete(of_row, axis, 1), np.delete(np.tile(means[:1], (9, 1)), axis, 1))


def test_lines_of_labels_need_labels_and_the_nearest_needs_training_images(vaecli, grid, monkeypatch):
    found = digits()
    bare = replace(found, train=replace(found.train, labels=None))
    monkeypatch.setattr("vaecli.experiment.sample.dataset_of", lambda *arguments: bare)
    labels = vaecli("sample", grid.name, "--show", "labels", "-o", "s.npz")
    assert labels.stderr.splitlines()[-1] == f"--show labels: the training images of {grid.name} have no labels"
    forge(grid, lambda info: info["config"]["data"].update(binarization="dynamic"))
    nearest = vaecli("sample", grid.name, "--show", "nearest", "-o", "s.npz")
    assert "--show nearest: among the training images, but data.binarization: dynamic" in nearest.stderr
    assert (labels.exit_code, nearest.exit_code) == (2, 2)


@pytest.mark.parametrize(
    ("show", "words"),
    [
        ("nearest", ["sample", "nearest", "below each its nearest training image"]),
        ("labels", ["a line for each label", "independent prior"]),
        ("traversal", ["image 0", "row 1, column 1", "decoded"]),
        ("interpolation", ["0 to 1", "from one test image to another, code by code"]),
    ],
)
def test_each_is_a_figure_too(vaecli, grid, show, words):
    assert vaecli("sample", grid.name, "--show", show, "-n", 17, "-o", "s.svg").exit_code == 0
    text = Path("s.svg").read_text()
    assert all(word in text for word in words)


@pytest.mark.parametrize(
    ("method", "options", "line"),
    [
        ("vqvae", ["--temperature", "-1"], "--temperature -1: 0 draws the most probable codes"),
        ("vqvae", ["--temperature", "nan"], "--temperature nan: "),
        ("vqvae", ["--label", "11"], "--label 11: no training image has it (they have 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"),
        ("vqvae", ["--from", "fitted"], "--from fitted: vqvae has codes"),
        ("vae", ["--label", "1"], "--label 1: a prior over codes, and vae has none"),
        ("vae", ["--prior", "independent"], "--prior independent: a prior over codes"),
        ("vqvae", ["-o", "nowhere/s.npz"], "there is no folder nowhere"),
        ("vae", ["--show", "labels"], "--show labels: a prior over codes, and vae has none"),
        ("vqvae", ["--images", "3"], "--images: has no effect with --show samples"),
        ("vqvae", ["--show", "traversal", "--images", "360"], "--images 360: the 360 test images are counted from 0"),
        ("vqvae", ["--show", "traversal", "--images", "x"], "--images x: whole numbers such as 0,1,5 are needed"),
        (
            "vqvae",
            ["--show", "traversal", "--seed", "1"],
            "--seed: no effect with --show traversal",
        ),
        ("vqvae", ["--show", "interpolation", "--images", "3"], "two images or more"),
        ("vqvae", ["--show", "interpolation", "-n", "1"], "two steps or more"),
        ("vqvae", ["--show", "labels", "--label", "3"], "--label 3: no effect with --show labels"),
    ],
)
def test_mistakes_are_a_line(vaecli, once, method, options, line):
    run = copied(once(small_config(method)), Path("outputs"))
    done = vaecli("sample", run.name, *options, *([] if "-o" in options else ["-o", "s.npz"]))
    assert done.exit_code == 2
    assert line in done.stderr.splitlines()[-1]
    assert not Path("s.npz").exists()
