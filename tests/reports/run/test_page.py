"""The page of one run."""

import re

import pytest

from helpers import Page, copied, small_config, train
from vaecli.reports.page.chart import Chart
from vaecli.reports.run import pictures
from vaecli.reports.run.figures import title
from vaecli.reports.run.page import write_page
from vaecli.runs import Run

PICTURES = {"Test images, and what becomes of them", "Training"}
OF_CODES = {"What each code draws", "Codes and labels"}


def titles(run):
    return set(re.findall("<figure>\\s*<b>(.*?)</b>", run.report_html.read_text()))


def test_a_run_of_each_kind_has_a_page_of_the_same_bytes(finished_run, tmp_path):
    run = copied(finished_run, tmp_path)
    first = write_page(run, failed=pytest.fail).read_bytes()
    assert write_page(Run(run.path), failed=pytest.fail).read_bytes() == first
    found = Page(first.decode())
    assert title(run) in found.text
    assert f"{run.summary['test']['mse']['sampled']:.4f}" in found.text
    assert all(f"training.{key}" in found.text or f"{key}:" in found.text for key in ("epochs", "seed"))
    of_kind = OF_CODES if run.latent.discrete else set()
    of_codebook = {"The codebook among encodings"} if run.config.model.name == "vqvae" else set()
    assert titles(run) == PICTURES | of_kind | of_codebook


def test_what_schedules_did_is_drawn(once, tmp_path):
    config = small_config("{name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}")
    chart = pictures.curves(once(config))
    assert isinstance(chart, Chart)
    panel = next(panel for panel in chart.panels if panel.title == "Temperature")
    assert [point.y for point in panel.series[0].points] == pytest.approx(
        [row["temperature"] for row in once(config).metrics]
    )


def test_a_picture_that_fails_is_said_and_the_others_are_there(finished, tmp_path, monkeypatch):
    run, said = copied(finished("gumbel"), tmp_path), []
    monkeypatch.setattr(pictures, "curves", lambda run, arrays=None: 1 / 0)
    write_page(run, failed=lambda picture: said.append(picture.line))
    assert said == [f"{run.report_html}, loss: could not be drawn (ZeroDivisionError: division by zero)"]
    assert titles(run) == PICTURES - {"Training"} | OF_CODES


@pytest.mark.drawn
def test_a_training_leaves_its_page(tmp_path):
    run = train(small_config("categorical", epochs=1), tmp_path)
    assert titles(run) == PICTURES | OF_CODES
