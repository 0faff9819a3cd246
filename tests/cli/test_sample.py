"""`vaecli sample`: from which prior images are drawn, what is written, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from helpers import copied, small_config
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
    ],
)
def test_mistakes_are_a_line(vaecli, once, method, options, line):
    run = copied(once(small_config(method)), Path("outputs"))
    done = vaecli("sample", run.name, *options, *([] if "-o" in options else ["-o", "s.npz"]))
    assert done.exit_code == 2
    assert line in done.stderr.splitlines()[-1]
    assert not Path("s.npz").exists()
