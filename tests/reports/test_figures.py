import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from helpers import small_config, train
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.errors import RunError
from vaecli.reports import canvas, figures
from vaecli.reports.summary import summary_lines
from vaecli.runs import Run
from vaecli.runs.references import References, references_path, save_references

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def draw(run, **options):
    """Every figure, none of which may fail."""
    failures = []
    paths = figures.draw_run(run, failed=failures.append, **options)
    assert failures == []
    return paths


@pytest.fixture
def text_kept(monkeypatch):
    """An SVG holds words and no outlines."""
    monkeypatch.setitem(canvas.STYLE, "svg.fonttype", "none")


def words(path):
    """The text of an SVG that keeps its text."""
    return " ".join(text for text in ElementTree.parse(path).getroot().itertext() if text.strip())


def test_every_figure_is_drawn_and_again_the_same(finished_run, tmp_path):
    discrete = finished_run.config.model.method.discrete
    names = ["reconstructions", "loss", *(["codes", "code_use"] if discrete else [])]
    drawn = draw(finished_run, output=tmp_path)
    assert [path.name for path in drawn] == [f"{name}.png" for name in names]
    for path in drawn:
        assert path.read_bytes().startswith(MAGIC["png"])
        assert path.read_bytes() == (finished_run.figures / path.name).read_bytes()  # drawn when training ended


def test_a_run_without_a_row_of_metrics_is_damaged(finished, tmp_path):
    run = Run(shutil.copytree(finished("vae").path, tmp_path / "run"))
    run.metrics_csv.write_text("")
    with pytest.raises(RunError, match=r"metrics\.csv: damaged, it has no row"):
        draw(run)


@pytest.mark.parametrize("fmt", ["svg", "pdf"])
def test_every_format_is_what_it_says_and_twice_the_same(finished, tmp_path, fmt):
    first, second = (draw(finished("gumbel"), output=tmp_path / name, fmt=fmt) for name in "ab")
    assert len(first) == len(second) == 4
    for one, two in zip(first, second, strict=True):
        assert one.suffix == f".{fmt}"
        assert one.read_bytes().startswith(MAGIC[fmt])
        assert one.read_bytes() == two.read_bytes()


def test_figures_say_what_they_show(finished, tmp_path, text_kept):
    drawn = draw(finished("gumbel"), output=tmp_path, fmt="svg")
    text = {path.stem: words(path) for path in drawn}
    for said in text.values():
        assert "gumbel (L = 1, K = 10, τ = 1)" in said
        assert "digits 8×8 · 2 epochs · seed 0" in said
    assert "relaxed" in text["reconstructions"]
    assert "mean squared error per pixel" in text["loss"]
    assert "what each code draws" in text["codes"]
    assert "share of the label's images" in text["code_use"]


def test_reconstructions_show_one_test_image_of_each_label_in_all_runs(finished_run):
    arrays = finished_run.reconstructions()
    assert np.array_equal(arrays["labels"], np.arange(10))
    data = digits()
    assert np.array_equal(arrays["images"], data.floats(data.test.images[arrays["index"]]))


def test_code_counts_are_of_the_whole_test_set(finished):
    arrays = finished("vqvae").reconstructions()
    assert arrays["code_counts"].sum() == 360
    assert np.array_equal(arrays["contingency"].sum(1), arrays["code_counts"][0])
    assert np.array_equal(arrays["contingency"].sum(0), np.bincount(digits().test.labels))


def test_several_latents_have_no_figures_of_single_codes(tmp_path):
    run = train(small_config("{name: straight_through, num_latents: 2, num_classes: 3}", epochs=1), tmp_path)
    assert sorted(path.name for path in run.figures.iterdir()) == ["loss.png", "reconstructions.png"]


def test_images_without_labels_have_no_figure_of_labels(tmp_path):
    path = tmp_path / "$x^$ <b> & %.npz"  # no markup in a figure either
    np.savez(path, x_train=digits().test.images, x_test=digits().test.images)
    run = train(
        config_from_text(f"{{model: vqvae, data: {{name: npz, path: '{path}'}}, training: {{epochs: 1}}}}"), tmp_path
    )
    assert sorted(path.name for path in run.figures.iterdir()) == ["codes.png", "loss.png", "reconstructions.png"]
    assert figures.title(run).startswith("vqvae (L = 1, K = 10, D = 10, commitment = 0.25) · $x^$ <b> & % · 1 epoch · ")


def test_of_many_codes_the_most_used_are_drawn(finished, tmp_path, text_kept):
    counts = np.arange(150)[None]
    arrays = {"prototypes": np.zeros((150, 8, 8), np.float32), "code_counts": counts}
    with canvas.styled():
        text = words(canvas.save(figures.what_codes_draw(finished("gumbel"), arrays), tmp_path / "x.svg"))
    assert "the 100 most used of 150 codes" in text
    assert "code 149" in text
    assert "code 50" in text
    assert "code 49 " not in text


def test_the_references_are_lines_beside_the_test_error(finished, tmp_path):
    run = Run(Path(shutil.copytree(finished("vae").path, tmp_path / "vae")))
    digest = run.info["data"]["digest"]
    save_references(
        references_path(tmp_path, "digits", digest), References("digits", digest, 0.07, pca={"10": {"mse": 0.03}})
    )
    (_, axis) = figures.loss_curves(run).axes
    levels = {line.get_label(): set(line.get_ydata()) for line in axis.lines}
    assert levels["mean image"] == {0.07}
    assert levels["PCA, 10 components"] == {0.03}


def test_another_format_is_refused(finished, tmp_path):
    with pytest.raises(RunError, match="the format is one of png, svg, pdf"):
        draw(finished("vae"), output=tmp_path, fmt="exe")


def test_a_fallback_stands_in_every_title(finished):
    run = Run(finished("vae").path)  # another object, because it is changed
    run.info["data"]["fallback_for"] = "mnist"
    assert "digits 8×8 (for want of MNIST)" in figures.title(run)


def test_the_gumbel_max_figure_has_equal_histograms():
    figure = figures.gumbel_max(logits=(1.2, 2.3, 1.4, 3.3, 0.1), draws=100_000, seed=0)
    heights = np.array([bar.get_height() for bar in figure.axes[0].patches]).reshape(2, 5)
    p = np.exp([1.2, 2.3, 1.4, 3.3, 0.1])
    p /= p.sum()
    assert np.abs((heights - p) / np.sqrt(p * (1 - p) / 100_000)).max() < 4


def test_the_summary_measures_against_the_references(finished, tmp_path):
    run = finished("exact")
    mse = run.summary["test"]["mse"]["sampled"]
    path = references_path(run.path.parent, "digits", digits().digest)
    save_references(path, References("digits", digits().digest, 2 * mse, kmeans={"10": {"mse": 0.5 * mse}}))
    said = "\n".join(summary_lines(run))
    path.unlink()
    assert "learned             67% of the way from the mean image" in said  # (2 - 1) / (2 - 0.5)
    assert "unknown until `vaecli data references`" in "\n".join(summary_lines(run))


def test_the_summary_says_the_relaxation_gap(finished):
    mse = finished("gumbel").summary["test"]["mse"]
    assert f"relaxation gap {mse['sampled'] - mse['relaxed']:+.4f}" in "\n".join(summary_lines(finished("gumbel")))
