"""The article's protocol on the real MNIST, ten epochs: what every method must reach."""

import numpy as np
import pytest

from helpers import Silent
from vaecli.config import read_config
from vaecli.data import load
from vaecli.experiment.plan import plan_run
from vaecli.experiment.train import train_run
from vaecli.runs import Run

pytestmark = pytest.mark.mnist


@pytest.fixture(scope="module")
def reached(tmp_path_factory):
    """(method, seed) -> summary.json, trained once."""
    folder = tmp_path_factory.mktemp("mnist")
    runs: dict[tuple[str, int], Run] = {}

    def summary(method, mnist_dir, seed=0):
        if (method, seed) not in runs:
            config = read_config(method, [f"training.seed={seed}"])
            plan = plan_run(config, load(config.data, mnist_dir), folder)
            train_run(plan, Silent())
            runs[method, seed] = plan.run
        return runs[method, seed].summary

    return summary


@pytest.mark.parametrize(
    ("method", "measure", "low", "high"),
    [
        ("vae", "mode", 0.0, 0.0215),
        ("categorical", "sampled", 0.0670, 0.0680),
        ("gumbel", "relaxed", 0.037, 0.040),
        ("gumbel", "sampled", 0.056, 0.061),
        ("straight_through", "sampled", 0.0535, 0.055),
        ("vqvae", "sampled", 0.0, 0.0545),
    ],
)
def test_the_test_error_per_pixel(reached, mnist_dir, method, measure, low, high):
    assert low <= reached(method, mnist_dir)["test"]["mse"][measure] <= high


def test_no_gradient_reaches_the_naive_encoder(reached, mnist_dir):
    assert reached("categorical", mnist_dir)["gradient_norm"]["encoder"] == 0


def test_the_exact_gradient_reaches_k_means(reached, mnist_dir):
    runs = [reached("exact", mnist_dir, seed)["test"] for seed in range(3)]
    assert np.mean([run["mse"]["sampled"] for run in runs]) <= 0.0506
    assert min(run["perplexity"] for run in runs) >= 9.2
