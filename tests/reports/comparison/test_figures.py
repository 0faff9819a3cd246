"""What the figures of a comparison hold, read back from their axes."""

import math
import re

import numpy as np
import pytest

from helpers import copied, cut_off, forge, small_config
from vaecli.evaluation.references import compute
from vaecli.reports.columns import numbers
from vaecli.reports.comparison import figures
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.panels import scenes
from vaecli.reports.comparison.sweeps import sweeps
from vaecli.reports.style import draw_each, styled
from vaecli.runs.references import references_of


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    found = [finished(method, seed=seed) for method in ("gumbel", "exact") for seed in (0, 1)]
    found.append(finished("vae"))
    list(compute([run.config for run in found], folder, None, lambda line: None))
    return [copied(run, folder) for run in found]


@pytest.fixture
def scene(runs):
    (found,), left_out = scenes(compared(runs))
    assert left_out == []
    return found


def member(scene, label):
    return next(one for one in scene.members if one.label == label)


def frames(axis):
    """How many tiles there are."""
    return sum(len(found.get_paths()) for found in axis.collections)


def centres(drawn, pixels):
    """The position of the middle of each pixel among the drawn ones."""
    return ((np.arange(pixels) + 0.5) * drawn / pixels).astype(int)


def test_latents_share_a_figure_and_epochs_do_not(runs, finished):
    longer = finished("gumbel", epochs=3)
    assert [len(scene.members) for scene in scenes(compared([*runs, longer]))[0]] in ([3, 1], [1, 3])


def test_of_many_rows_the_first_of_each_group_are_drawn_and_the_title_says_so(runs, monkeypatch):
    monkeypatch.setattr("vaecli.reports.comparison.panels.MOST_ROWS", 2)
    (scene,), (line,) = scenes(compared(runs))
    assert [len([m for m in scene.members if m.group is group]) for group in scene.groups] == [1, 1]
    assert line == "data digits, epochs 2: figures show 2 of 3 rows; the table has all"
    for draw in figures.figures(scene).values():
        assert "the first 2 of 3 rows" in draw().get_suptitle()


def test_a_title_of_the_data_parts_no_runs(runs, tmp_path):
    one, two = (copied(run, tmp_path) for run in runs[:2])
    (group,) = compared([one, forge(two, lambda info: info["data"].update(title="mine"))])
    assert [len(row.runs) for row in group.rows] == [2]


def test_axes_side_by_side_are_equal(scene):
    for figure in (figures.loss_curves(scene), figures.distortion_and_bits(scene)):
        codes, gaussian = figure.axes
        assert codes.get_ylim() == gaussian.get_ylim()


def test_a_curve_is_the_mean_over_seeds_inside_its_band(scene):
    figure = figures.loss_curves(scene)
    rows = [[row["test_mse_sampled"] for row in run.metrics] for run in member(scene, "gumbel").row.runs]
    curves = [line.get_ydata() for axis in figure.axes for line in axis.lines]
    assert any(len(curve) == 2 and np.allclose(curve, np.mean(rows, 0)) for curve in curves)
    bands = [band.get_paths()[0].get_extents() for axis in figure.axes for band in axis.collections]
    assert any(band.y0 == pytest.approx(np.min(rows)) and band.y1 == pytest.approx(np.max(rows)) for band in bands)
    assert len(bands) == 2  # the Gaussian has one seed


@pytest.mark.parametrize(("widest", "beside"), [(1.0, True), (0.0, False)])
def test_a_legend_of_long_labels_stands_below_and_leaves_the_axes_their_width(scene, monkeypatch, widest, beside):
    monkeypatch.setattr(figures, "WIDEST_LEGEND", widest)
    with styled():
        figure = figures.loss_curves(scene)
        figure.draw_without_rendering()
    (legend,) = figure.legends
    axes = [axis.get_window_extent() for axis in figure.axes]
    box = legend.get_window_extent()
    assert bool(box.x0 > max(axis.x1 for axis in axes)) == beside
    assert bool(box.y1 < min(axis.y0 for axis in axes)) != beside
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_references_stand_at_their_values(scene, runs):
    references = references_of(runs[0])
    codes, gaussian = figures.loss_curves(scene).axes

    def heights(axis):
        return {line.get_ydata()[0] for line in axis.lines if len(set(line.get_ydata())) == 1}

    assert heights(codes) == {references.mean_image, references.kmeans["10"]["mse"]}
    assert heights(gaussian) == {references.mean_image, references.pca["10"]["mse"]}


def test_bits_are_the_measured_rate(scene):
    bits, errors = figures.bits_and_errors(member(scene, "exact").row.runs)
    tests = [run.summary["test"] for run in member(scene, "exact").row.runs]
    assert bits == pytest.approx([test["rate"] / math.log(2) for test in tests])
    assert list(errors) == [test["mse"]["sampled"] for test in tests]


def test_codes_are_drawn_of_methods_that_have_them(scene):
    assert [one.label for one in figures.with_prototypes(scene)] == [m.label for m in scene.members if m.discrete]
    (axis,) = figures.what_codes_draw(scene).axes
    assert frames(axis) == 2 * 10
    shares = [text.get_text() for text in axis.texts]
    assert sum(float(text.partition("%")[0]) for text in shares if "%" in text) == pytest.approx(200, abs=1.0)


def test_every_row_of_reconstructions_shows_the_same_images(scene):
    (axis,) = figures.reconstructions(scene).axes
    arrays = scene.members[0].row.runs[0].reconstructions()
    assert frames(axis) == (1 + len(scene.members)) * len(arrays["images"])
    row = np.array(axis.images[0].get_array())
    first = row[:, : row.shape[1] // len(arrays["images"])]
    inner = [centres(*sizes) for sizes in zip(first.shape, arrays["images"].shape[1:], strict=True)]
    assert np.array_equal(first[np.ix_(*inner)], arrays["images"][0])


@pytest.fixture(scope="module")
def swept(runs, once, tmp_path_factory):
    """Temperatures and weights of the rate of a method, beside one that has no temperature."""
    folder = tmp_path_factory.mktemp("swept")
    found = [
        once(small_config(f"{{name: {name}}}", epochs=1, extra=f"objective: {{beta: {beta}}}"))
        for name in ("gumbel, temperature: 0.25", "gumbel, temperature: 2.5", "exact")
        for beta in (0.0, 0.5)
    ]
    list(compute([run.config for run in found], folder, None, lambda line: None))
    (scene,), _ = scenes(compared([copied(run, folder) for run in found]))
    return scene


@pytest.mark.parametrize("width", [3.0, 3.3, 5.0, 7.2])
def test_nothing_is_cut_off_or_lies_on_something_else(scene, swept, width, monkeypatch):
    monkeypatch.setattr(
        figures, "data_title", lambda data: "digits, with a title as long as a title may be " + "x" * 13
    )
    drawn = {
        f"{name}, {len(of.members)} rows": draw
        for of in (scene, swept)
        for name, draw in figures.figures(of, width).items()
    }
    for name, draw in drawn.items():
        with styled():
            figure = draw()
            assert figure.get_size_inches()[0] == width, name
            assert cut_off(figure) == [], name


def test_letters_have_one_size_whatever_the_width(scene):
    sizes = [
        {text.get_fontsize() for text in figures.reconstructions(scene, width).axes[0].get_yticklabels()}
        for width in (3.3, 7.2)
    ]
    assert sizes[0] == sizes[1] == {7.0}


def test_a_swept_key_has_a_curve_for_what_else_differs_and_a_level_for_what_has_no_such_key(swept):
    found = sweeps(swept)
    assert {key: sorted(curve.label for curve in curves) for key, curves in found.items()} == {
        "model.temperature": ["exact, beta 0.0", "exact, beta 0.5", "gumbel, beta 0.0", "gumbel, beta 0.5"],
        "objective.beta": ["exact", "gumbel, temperature 0.25", "gumbel, temperature 2.5"],
    }
    over_temperature = figures.over_swept_keys(swept, found).axes[list(found).index("model.temperature")]
    (low, high) = [
        member(swept, f"gumbel, temperature {value}, beta 0.0").row.interval("mse sampled").mean
        for value in (0.25, 2.5)
    ]
    curves = [(list(line.get_xdata()), list(line.get_ydata())) for line in over_temperature.lines]
    assert ([0.25, 2.5], [low, high]) in curves
    assert over_temperature.get_xscale() == "log"
    level = member(swept, "exact, beta 0.5").row.interval("mse sampled").mean
    assert ([0, 1], [level, level]) in curves


def test_without_a_sweep_there_is_no_such_figure(scene):
    assert "sweep" not in figures.figures(scene)


def test_text_can_be_searched_and_fonts_are_embedded_as_truetype(scene, swept, tmp_path):
    drawn = {**figures.figures(scene), **figures.figures(swept)}
    for fmt in ("pdf", "svg"):
        draw_each({f"{name}.{fmt}": draw for name, draw in drawn.items()}, tmp_path, pytest.fail)
    for name in drawn:
        pdf = (tmp_path / f"{name}.pdf").read_bytes()
        assert b"/Type3" not in pdf
        assert b"/CIDFontType2" in pdf
        assert b"/FontFile2" in pdf
        texts = " ".join(re.findall(r"<text [^>]*>(.*?)</text>", (tmp_path / f"{name}.svg").read_text("utf-8")))
        assert "seed" in texts, name
        assert "exact" in texts, name


def test_every_figure_names_data_epochs_and_seeds(scene):
    for name, draw in figures.figures(scene).items():
        words = draw().get_suptitle()
        assert "digits" in words
        assert "2 epochs" in words
        assert "seed" in words, name


def test_seeds_are_told_in_words():
    assert [numbers(seeds) for seeds in ([0], [0, 1], [0, 1, 2], [0, 3, 7])] == ["0", "0, 1", "0 to 2", "0, 3, 7"]
