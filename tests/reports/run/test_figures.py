import itertools
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from helpers import cut_off, reseal, small_config, train
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.errors import RunError
from vaecli.metrics.codes import contingency
from vaecli.reports import style
from vaecli.reports.run import figures
from vaecli.reports.run.summary import summary_lines
from vaecli.reports.style import Figure, styled
from vaecli.runs import Run
from vaecli.runs.references import References, references_path, save_references
from vaecli.runs.run import file_digest

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
    monkeypatch.setitem(style.STYLE, "svg.fonttype", "none")


def words(path):
    """The text of an SVG that keeps its text."""
    return " ".join(text for text in ElementTree.parse(path).getroot().itertext() if text.strip())


def test_every_figure_is_drawn_and_again_the_same(finished_run, tmp_path):
    discrete = finished_run.latent.discrete
    names = ["reconstructions", "loss", *(["codes", "code_use"] if discrete else [])]
    names += ["codebook"] * (finished_run.config.model.name == "vqvae")
    drawn = draw(finished_run, output=tmp_path)
    assert [path.name for path in drawn] == [f"{name}.png" for name in names]
    for path in drawn:
        assert path.read_bytes().startswith(MAGIC["png"])
        assert path.read_bytes() == (finished_run.figures / path.name).read_bytes()  # drawn when training ended


def test_a_run_without_a_row_of_metrics_is_damaged(finished, tmp_path):
    run = Run(shutil.copytree(finished("vae").path, tmp_path / "run"))
    run.metrics_csv.write_text("")
    with pytest.raises(RunError, match=r"metrics\.csv: was changed after the run was finished"):
        draw(run)
    digest = file_digest(run.metrics_csv)
    reseal(run.summary_json, lambda summary: summary["files"].update({"metrics.csv": digest}))
    run = Run(run.path)
    with pytest.raises(RunError, match=r"metrics\.csv: damaged, it has no rows"):
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
    assert np.array_equal(arrays["images"], data.floats(data.test.images[arrays["index"]])[..., 0])


def test_code_counts_are_of_the_whole_test_set(finished):
    arrays = finished("vqvae").reconstructions()
    assert arrays["code_counts"].sum() == 360
    assert np.array_equal(arrays["contingency"].sum(1), arrays["code_counts"][0])
    assert np.array_equal(arrays["contingency"].sum(0), np.bincount(digits().test.labels))


@pytest.mark.drawn
def test_several_latents_have_no_figures_of_single_codes(tmp_path):
    run = train(small_config("{name: straight_through, num_latents: 2, num_classes: 3}", epochs=1), tmp_path)
    assert sorted(path.name for path in run.figures.iterdir()) == ["loss.png", "reconstructions.png"]


@pytest.mark.drawn
def test_images_without_labels_have_no_figure_of_labels(tmp_path):
    path = tmp_path / "$x^$ <b> & %.npz"  # no markup in a figure either
    np.savez(path, x_train=digits().test.images / np.float32(16), x_test=digits().test.images / np.float32(16))
    run = train(
        config_from_text(f"{{model: vqvae, data: {{name: npz, path: '{path}'}}, training: {{epochs: 1}}}}"), tmp_path
    )
    assert sorted(path.name for path in run.figures.iterdir()) == [
        "codebook.png",
        "codes.png",
        "loss.png",
        "reconstructions.png",
    ]
    assert figures.title(run).startswith("vqvae (L = 1, K = 10, D = 10, commitment = 0.25) · $x^$ <b> & % · 1 epoch · ")


def test_a_codebook_is_drawn_with_its_use_and_what_keeps_it_alive(tmp_path, text_kept):
    run = train(small_config("{name: vqvae, codebook: ema, restart: 1.0}"), tmp_path)
    draw(run, output=tmp_path, fmt="svg")
    said = words(tmp_path / "codebook.svg")
    used = round(10 * run.summary["test"]["codes_used"])
    for text in (
        f"{used} of 10 codes are used on the test set",
        "codebook ema, restart 1",
        "encodings",
        "use over the run",
    ):
        assert text in said
    assert ("rows never used" in said) == (used < 10)


def test_of_many_codes_the_most_used_are_drawn(finished, tmp_path, text_kept):
    counts = np.arange(150)[None]
    arrays = {"prototypes": np.zeros((150, 8, 8), np.float32), "code_counts": counts}
    with style.styled():
        text = words(style.save(figures.what_codes_draw(finished("gumbel"), arrays), tmp_path / "x.svg"))
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


def test_the_mean_image_is_a_line_from_the_first_run_on(finished):
    run = finished("gumbel")
    (_, axis) = figures.loss_curves(run).axes
    levels = {line.get_label(): set(line.get_ydata()) for line in axis.lines}
    assert levels["mean image"] == {run.summary["mean_image"]["mse"]}


def test_another_format_is_refused(finished, tmp_path):
    with pytest.raises(RunError, match="the format is one of png, svg, pdf"):
        draw(finished("vae"), output=tmp_path, fmt="exe")


def test_a_fallback_stands_in_every_title(finished):
    run = Run(finished("vae").path)  # another object, because it is changed
    run.info["data"]["fallback_for"] = "mnist"
    assert "digits 8×8 (fallback for MNIST)" in figures.title(run)


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


def made_of_labels(values, num_codes=10, count=4000):
    """Arrays as a run leaves them, of labels that go with the codes."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([values, rng.choice(values, count)])
    codes = (np.searchsorted(values, labels) + rng.integers(0, 2, len(labels))) % num_codes
    pairs = contingency(codes.astype(np.int32), labels)
    return {
        "prototypes": np.zeros((num_codes, 8, 8), np.float32),
        "code_counts": np.bincount(codes, minlength=num_codes)[None],
        "contingency": pairs.table(num_codes),
        "label_values": pairs.values,
    }


def test_two_labels_that_are_years_are_two_columns_with_the_years_below(finished):
    figure = figures.code_use(finished("vqvae"), made_of_labels(np.array([1990, 2020])))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1990", "2020"]
    assert figure.axes[0].images[0].get_array().shape == (10, 2)
    assert max(figure.get_size_inches()) < 5


def test_codes_name_their_labels_by_value(finished, tmp_path, text_kept):
    arrays = made_of_labels(np.array([1990, 2020]), num_codes=2)
    with style.styled():
        text = words(style.save(figures.what_codes_draw(finished("vqvae"), arrays), tmp_path / "x.svg"))
    assert "1990: 5" in text
    assert "2020: 5" in text


@pytest.mark.parametrize("number", [51, 1623, 10_000])
def test_of_many_labels_the_commonest_fifty_are_columns_and_the_others_one(finished, number):
    values = np.arange(number) * (10_000 // number)
    arrays = made_of_labels(values)
    figure = figures.code_use(finished("vqvae"), arrays)
    share = np.asarray(figure.axes[0].images[0].get_array())
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert share.shape == (10, 51)
    assert share.sum(0) == pytest.approx(1)
    assert names[-1] == f"{number - 50:,} others"
    shown = np.array(names[:-1], int)
    assert (np.diff(shown) > 0).all()
    counts = dict(zip(arrays["label_values"], arrays["contingency"].sum(0), strict=True))
    assert min(counts[value] for value in shown) >= max(counts[value] for value in set(values) - set(shown))


def test_a_table_of_before_has_the_labels_from_0_and_leaves_out_those_of_no_image():
    table = np.zeros((3, 2021), np.int64)
    table[:, [1990, 2020]] = 5
    found, values = figures.labelled({"contingency": table})
    assert list(values) == [1990, 2020]
    assert found.shape == (3, 2)


@pytest.mark.parametrize(("height", "width"), [(12, 40), (40, 12), (3, 4), (300, 200), (1, 1000), (1000, 1)])
def test_an_image_is_drawn_in_its_own_proportion_as_far_as_it_can_be_seen(finished, height, width):
    shape = (10, height, width)
    arrays = {"images": np.zeros(shape, np.float32), "mode": np.ones(shape, np.float32), "sampled": np.ones(shape)}
    (axis,) = figures.reconstructions(finished("vae"), arrays).axes
    frames = [path.get_extents() for path in axis.collections[0].get_paths()]
    expected = min(5, max(0.2, height / width))
    inner = 2 * figures.TILE_GAP
    assert [(f.height + inner) / (f.width + inner) for f in frames] == pytest.approx([expected] * len(frames))
    assert len(frames) == 20
    assert axis.get_aspect() == 1


def test_no_picture_overlaps_another(finished):
    for shape in ((12, 40), (40, 12), (1, 1000)):
        arrays = {name: np.zeros((10, *shape), np.float32) for name in ("images", "mode", "sampled")}
        (axis,) = figures.reconstructions(finished("vae"), arrays).axes
        boxes = [path.get_extents() for path in axis.collections[0].get_paths()]
        assert not any(one.fully_overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_an_image_of_many_pixels_is_shrunk_to_their_means():
    rng = np.random.default_rng(0)
    images = rng.random((2, 1024, 512), np.float32)
    figure = Figure()
    style.tiles(figure.subplots(), [images], cell=(1.0, 1.0))
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert max(drawn.shape) < 5 * style.MOST_TILE_PIXELS  # the cell is twice as wide as the tile
    block = images[0].reshape(256, 4, 256, 2).mean((1, 3))
    assert any(np.allclose(drawn[8:264, left : left + 256], block) for left in range(drawn.shape[1] - 256))


def test_a_curve_of_many_epochs_keeps_its_ends_and_has_no_more_points_than_can_be_seen():
    points = style.thinned(range(1_000_000))
    assert len(points) == style.MAX_POINTS_DRAWN
    assert (points[0], points[-1]) == (0, 999_999)
    assert np.ptp(np.diff(points)) <= 1
    assert style.thinned([1, 2, 3]) == [1, 2, 3]


def test_a_title_of_a_users_own_stands_in_every_figure(tmp_path, text_kept):
    path = tmp_path / "x.npz"
    upper = digits().test.images[:, :5] / np.float32(16)
    np.savez(path, x_train=upper, x_test=upper)
    data = f"{{name: npz, path: '{path}', title: 手書き & <mine>}}"
    run = train(config_from_text(f"{{model: vqvae, data: {data}, training: {{epochs: 1}}}}"), tmp_path)
    assert run.info["data"]["title"] == "手書き & <mine>"
    assert run.name.startswith("vqvae-npz-")
    assert all("手書き & <mine>" in words(drawn) for drawn in draw(run, output=tmp_path / "svg", fmt="svg"))
    assert next(summary_lines(run)).startswith("vqvae on 手書き & <mine>, 1 epoch")


@pytest.mark.parametrize("width", [None, 3.0, 3.3, 5.0, 7.2])
def test_nothing_is_cut_off_or_lies_on_something_else_at_any_width(finished_run, tmp_path, monkeypatch, width):
    drawn = {}
    monkeypatch.setattr(figures, "draw_each", lambda of_run, folder, failed: drawn.update(of_run) or [])
    figures.draw_run(finished_run, failed=pytest.fail, width=width)
    assert len(drawn) >= 2
    for name, draw in drawn.items():
        with styled():
            figure = draw()
            assert width in (None, figure.get_size_inches()[0])
            assert cut_off(figure) == [], name


def test_one_figure_alone_is_drawn_where_it_is_asked_for(finished_run, tmp_path):
    (path,) = figures.draw_run(finished_run, failed=pytest.fail, output=tmp_path, fmt="pdf", only="loss")
    assert b"/Type3" not in path.read_bytes()
    with pytest.raises(RunError, match=r": has no figure los, did you mean 'loss'\?$"):
        figures.draw_run(finished_run, failed=pytest.fail, output=tmp_path, only="los")
