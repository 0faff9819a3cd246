"""The runs of published cells: how long, which rows, and the figures that are read of them."""

import csv
import json
import re

import numpy as np
import pytest

from vaecli import reproduce
from vaecli.cli.app import app
from vaecli.config.toys import Tied
from vaecli.errors import ConfigError
from vaecli.launch.cells import earliest, figure_of, of_tied, select, settings_of
from vaecli.papers.schema import cells_of
from vaecli.runs import Run

SOURCE = """\
title: Mine
authors: [Me]
year: 2026
address: arXiv 2601.00000
table: Table 1
protocol: {data: digits}
digits: 2
tolerance: {absolute: 0.5, because: a test}
config:
  model: straight_through
  network: {hidden: [16]}
  data: digits
  training: {compile: graph}
words:
  model:
    ST: {}
    none: {missing: a gradient}
    other: {set: {data.name: npz, data.path: nowhere.npz}}
cells:
- {of: {model: ST}, metric: train mse, epochs: {1: 0.1, 2: 0.07}}
- {of: {model: ST}, metric: test mse, epochs: {2: 9.0}}
- {of: {model: none}, metric: test mse, epochs: {2: 0.07}}
- {of: {model: other}, metric: test mse, epochs: {2: 0.07}}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("sources") / "mine.yaml"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def outputs(source, tmp_path_factory):
    """What the whole source was reproduced in, and what was said of it."""
    folder = tmp_path_factory.mktemp("reproduced")
    return folder, reproduce(source, output_dir=folder, jobs=1, quiet=True)


def test_one_run_answers_all_cells_of_a_setting(outputs):
    folder, found = outputs
    (path,) = [path.parent for path in folder.glob("*/run.json")]
    rows = Run(path).metrics
    assert [row["epoch"] for row in rows] == [1, 2]
    ours = {one.cell.name: one.verdict.ours for one in found.cells}
    assert ours["mine/ST/train mse/e1"] == rows[0]["distortion"]
    assert ours["mine/ST/train mse/e2"] == rows[1]["distortion"]
    assert ours["mine/ST/test mse/e2"] == rows[1]["test_mse_sampled"]
    assert {one.runs[0] for one in found.cells if one.runs} == {path.name}


def test_each_cell_gets_its_verdict(outputs):
    words = {one.cell.name: (one.verdict.word, one.verdict.why) for one in outputs[1].cells}
    assert words["mine/ST/train mse/e1"] == ("verified", "one seed, stated tolerance")
    assert words["mine/ST/test mse/e2"][0] == "better"
    assert words["mine/none/test mse/e2"] == ("not expressible", "a gradient")
    assert words["mine/other/test mse/e2"][0] == "no data"
    assert "nowhere.npz" in words["mine/other/test mse/e2"][1]
    assert outputs[1].reproduced


def test_a_figure_of_the_training_images_at_the_end_is_evaluated_once(tmp_path, monkeypatch):
    """One draw of each image with the last weights; a longer run has no such figure of an earlier epoch."""
    source = tmp_path / "mine.yaml"
    objective = "  objective: {likelihood: bernoulli, beta: 1.0}\n  training: {compile: graph"
    cells = "- {of: {model: ST}, metric: 'train -elbo, evaluated', epochs: {1: 30.0, 2: 29.0}}\n"
    source.write_text(SOURCE.partition("- {of")[0].replace("  training: {compile: graph", objective) + cells)
    done = reproduce(str(source), cells="e2", output_dir=tmp_path, jobs=1, quiet=True)
    (path,) = [path.parent for path in tmp_path.glob("*/run.json")]
    (evaluated,) = Run(path).evaluations
    assert (evaluated["split"], evaluated["images"], evaluated["bounds"][0]["samples"]) == ("train", 1437, 1)
    (one,) = done.cells
    assert one.verdict.ours == evaluated["bounds"][0]["value"]
    assert one.verdict.ours == pytest.approx(
        Run(path).metrics[-1]["distortion"] + Run(path).metrics[-1]["rate"], rel=0.1
    )
    assert (done.folder / "report.html").read_text(encoding="utf-8").count('<svg class="chart"') == 1
    monkeypatch.setattr("vaecli.experiment.evaluate.measure", lambda *args, **kwargs: pytest.fail("it is there"))
    again = reproduce(str(source), list_only=True, output_dir=tmp_path, quiet=True)
    assert [cell.verdict.ours for cell in again.cells] == [None, one.verdict.ours]
    assert reproduce(str(source), cells="e2", output_dir=tmp_path, jobs=1, quiet=True).cells == done.cells


def test_table_records_and_a_page_that_needs_no_network_are_kept(outputs):
    folder, found = outputs
    assert found.folder.parent == folder
    page = (found.folder / "report.html").read_text(encoding="utf-8")
    assert "arXiv 2601.00000" in page
    assert page.count('<svg class="chart"') == 2
    assert "a gradient" in page
    named = page.replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", ""
    )  # a namespace, which is not fetched
    assert "http" not in named
    with (found.folder / "reproduction.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["verified", "verified", "better", "not expressible", "no data"]
    assert [record["ours"] for record in found.records[:2]] == [float(row["ours"]) for row in rows[:2]]
    assert json.loads((found.folder / "reproduction.json").read_text(encoding="utf-8"))["records"] == found.records


def test_what_is_there_is_reused_and_a_longer_run_answers_an_earlier_cell(outputs, source, monkeypatch):
    folder, whole = outputs
    monkeypatch.setattr("vaecli.launch.drive.train_missing", lambda *args, **kwargs: pytest.fail("nothing is missing"))
    found = reproduce(source, cells="e1", list_only=True, output_dir=folder, quiet=True)
    (one,) = found.cells
    assert one.verdict.ours == whole.cells[0].verdict.ours


def test_the_command_ends_with_3_if_a_cell_is_not_reproduced(outputs, source, tmp_path):
    from typer.testing import CliRunner

    wrong = tmp_path / "mine.yaml"
    wrong.write_text(SOURCE.replace("2: 0.07}}", "2: -9.0}}", 1), encoding="utf-8")
    arguments = ["--output-dir", str(outputs[0]), "--quiet", "--format", "csv", "--jobs", "1"]
    done = CliRunner().invoke(app, ["reproduce", str(wrong), *arguments])
    assert done.exit_code == 3
    assert "not reproduced" in done.stdout
    assert CliRunner().invoke(app, ["reproduce", source, *arguments]).exit_code == 0
    arguments[arguments.index("csv")] = "latex"
    latex = CliRunner().invoke(app, ["reproduce", source, *arguments]).stdout.splitlines()
    assert latex[-1] == r"\end{tabular}"
    assert any(re.fullmatch(r"ST & train mse & epoch 2 & 0\.0.* \\\\", line) for line in latex)


def test_a_quick_look_is_at_the_earliest_epoch_of_each_setting(source):
    kept = [cell.name for cell in earliest(list(cells_of(source)))]
    assert kept == ["mine/ST/train mse/e1", "mine/none/test mse/e2", "mine/other/test mse/e2"]


def test_jobs_and_a_scheduler_exclude_each_other(source):
    with pytest.raises(ConfigError, match="--jobs 2: has no effect with --scheduler, whose workers are counted there"):
        reproduce(source, jobs=2, scheduler="tcp://x:1", quiet=True)


def test_a_source_that_is_named_twice_is_there_once_and_another_of_its_name_is_refused(source, tmp_path):
    cells = cells_of(source)
    assert select([source, source], ()) == list(cells)
    (tmp_path / "mine.yaml").write_text(SOURCE, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^mine: two of the sources are called so"):
        select([source, tmp_path / "mine.yaml"], ())


def test_cells_are_selected_by_parts_and_patterns(source):
    names = lambda *patterns: [cell.name for cell in select([source], patterns)]  # noqa: E731
    assert names("test mse", "e1") == [
        *("mine/ST/train mse/e1", "mine/ST/test mse/e2", "mine/none/test mse/e2", "mine/other/test mse/e2"),
    ]
    assert names("*/ST/*/e2") == ["mine/ST/train mse/e2", "mine/ST/test mse/e2"]
    for nothing in ("e3", ""):
        with pytest.raises(ConfigError, match=f"--cells {nothing}: no cell is called so"):
            names(nothing)


def test_a_mean_over_the_last_steps_is_taken_from_means_that_begin_again_in_each_epoch():
    """Steps 1 to 20 of epochs of 8 have the values 1 to 20: those of 11 to 20 have the mean 15.5."""
    values = np.arange(1.0, 21)
    starts = {8: 0, 16: 8, 10: 8, 20: 16}
    rows = [
        {"epoch": step / 8, "step": step, "rate": values[start:step].mean()} for step, start in sorted(starts.items())
    ]
    cell = next(cell for cell in cells_of("ramesh2019_discrete_vae") if cell.metric == "train rate")
    assert figure_of(cell._replace(at=20, over=10), rows, 8) == pytest.approx(15.5)
    assert figure_of(cell._replace(at=20, over=20), rows, 8) == pytest.approx(10.5)
    assert figure_of(cell._replace(at=19, over=10), rows, 8) is None


def test_a_protocol_by_steps_has_the_rows_that_its_means_need():
    cells = [c for c in cells_of("ramesh2019_discrete_vae") if c.missing is None and c.at <= 5000]
    config = settings_of(cells)[0].config(seed=3)
    assert (config.training.steps, config.training.evaluate_at, config.training.seed) == (5000, (900, 1000, 4900), 3)


def test_tied_variables_are_enumerated():
    """E sum_i (x_i - t_i)^2 = sum_i p (1 - t_i)^2 + (1 - p) t_i^2, whose slope in p is sum_i 1 - 2 t_i."""
    toy = Tied(kind="tied", targets=(0.6, 0.51, 0.48), phi=0.7)
    p = 1 / (1 + np.exp(-0.7))
    expected = sum(p * (1 - t) ** 2 + (1 - p) * t**2 for t in toy.targets)
    assert of_tied(toy, "exact loss") == pytest.approx(expected)
    slope = p * (1 - p) * sum(1 - 2 * t for t in toy.targets)
    assert of_tied(toy, "exact gradient") == pytest.approx(slope)


def test_the_published_facts_of_the_tied_variables_are_verified(tmp_path):
    found = reproduce("kool2020_bernoulli_toy", list_only=True, output_dir=tmp_path, quiet=True)
    assert [one.verdict[:2] for one in found.cells] == 2 * [("verified", "printed digits")]
