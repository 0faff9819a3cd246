"""A page of everything is small enough to be sent."""

import numpy as np

from helpers import made_up
from vaecli.registry import METHODS
from vaecli.reports.comparison import page
from vaecli.reports.comparison.groups import compared
from vaecli.runs import Run


def test_all_estimators_at_three_seeds_on_mnist_are_less_than_a_megabyte_and_a_half(tmp_path, monkeypatch):
    """Noise instead of images: nothing compresses worse."""
    rng = np.random.default_rng(0)
    images = {name: rng.random((10, 28, 28), np.float32) for name in ("images", "mode", "prototypes")}
    counts = {"code_counts": np.full((1, 10), 100), "contingency": np.full((10, 10), 10), "label_values": np.arange(10)}
    arrays = {**images, **counts, "codes": np.zeros((10, 1), np.int64), "index": np.arange(10)}
    rows = [{"epoch": epoch, "test_mse_sampled": rng.random()} for epoch in range(1, 301)]
    monkeypatch.setattr(Run, "reconstructions", lambda run: arrays)
    monkeypatch.setattr(Run, "metrics", rows)
    monkeypatch.setattr(page, "_draw", lambda scenes, folder, say: [])
    names = [name for name, method in METHODS.items() if method.in_all and method.estimator]
    runs = [made_up(tmp_path, name, seed, rng.random()) for name in (*names, "vqvae", "vae") for seed in range(3)]
    assert len(runs) >= 3 * 18
    assert page.write_report(compared(runs), {}, tmp_path / "report").lines == []
    assert 500_000 < (tmp_path / "report" / "report.html").stat().st_size < 1_500_000
