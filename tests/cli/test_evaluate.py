"""`vaecli evaluate`: what it says, keeps and refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers import IN_NATS, copied, reseal, small_config, written
from vaecli.data.digits import digits
from vaecli.evaluation.bounds import per_image
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.absent import remarks
from vaecli.runs.added import evaluation_of


@pytest.fixture
def run(vaecli, once):
    """A copy of a run in nats, in outputs/ of the current folder."""
    return copied(once(IN_NATS), Path("outputs"))


def test_what_is_measured_is_kept_and_shown_again(vaecli, run):
    first = vaecli("evaluate", run.name, "--bound-samples", 100)
    assert first.exit_code == 0
    assert first.stderr.splitlines()[0].endswith(f"360 test images, 100 samples of each -> {run.evaluation_json}")
    images = digits().floats(digits().test.images)
    found = per_image(TrainedRun(run).autoencoder, images, samples=100, seed=0)
    (kept,) = run.evaluations
    assert (kept["split"], kept["weights"], kept["images"]) == ("test", "last", 360)
    assert kept["digest"] == run.summary["files"]["weights/last.npz"]
    error = found.log_p.std(ddof=1) / 360**0.5
    assert kept["negative_log_p"] == pytest.approx({"value": -found.log_p.mean(), "standard_error": error})
    assert kept["posterior_gap"]["value"] == pytest.approx(found.gap.mean())
    assert kept["bounds"] == [
        pytest.approx(
            {"value": -found.bound.mean(), "standard_error": found.bound.std(ddof=1) / 360**0.5, "samples": 100}
        )
    ]
    assert f"-log p(x)           {-found.log_p.mean():.2f} ± {error:.2f} nats per image" in first.stdout
    assert "± is the standard error over 360 test images" in first.stdout
    before = run.evaluation_json.stat().st_mtime_ns
    again = vaecli("evaluate", run.name, "--bound-samples", 100)
    assert (again.stdout, again.stderr) == (first.stdout, f"{run.evaluation_json}: this is what it has\n")
    assert run.evaluation_json.stat().st_mtime_ns == before
    shown = vaecli("show", run.name)
    assert set(first.stdout.splitlines()[1:]) <= set(shown.stdout.splitlines())
    assert json.loads(vaecli("show", run.name, "--json").stdout)["evaluations"] == [kept]
    assert f"{-found.log_p.mean():.2f}" in run.report_html.read_text(encoding="utf-8")


def test_other_numbers_of_samples_and_other_splits_are_kept_beside(vaecli, run):
    for arguments in (["--bound-samples", 500], ["--bound-samples", 5], ["--split", "train", "--bound-samples", 5]):
        assert vaecli("evaluate", run.name, "--quiet", *arguments).exit_code == 0
    test, train = run.evaluations
    assert [bound["samples"] for bound in test["bounds"]] == [5, 500]
    assert (train["split"], train["images"]) == ("train", 1437)
    figures = evaluation_of(run)
    assert (figures["bound"], figures["bound_samples"]) == (test["bounds"][1]["value"], 500)
    assert figures["bound"] > figures["negative_log_p"]
    found = json.loads(vaecli("evaluate", run.name, "--bound-samples", 5, "--json").stdout)
    assert found == {"run": run.name, **test}


def test_a_comparison_has_its_columns_in_every_format(vaecli, run):
    vaecli("evaluate", run.name, "--bound-samples", 50)
    (kept,) = run.evaluations
    compare = ("compare", run.name, "--no-train", "--sort-by", "bound", "--format")
    table = vaecli(*compare, "table").stdout
    assert "bound  bound samples  -log p(x)  posterior gap" in table
    assert f"{kept['bounds'][0]['value']:.2f}  50" in table
    (record,) = json.loads(vaecli(*compare, "json").stdout)
    assert record["evaluation.bound"] == kept["bounds"][0]["value"]
    assert record["evaluation.posterior_gap"] == kept["posterior_gap"]["value"]
    (page,) = run.path.parent.glob("compare-*/report.html")
    assert '<th scope="col">-log p(x)</th>' in page.read_text()
    before = page.stat().st_mtime_ns
    vaecli("evaluate", run.name, "--bound-samples", 60)
    vaecli(*compare, "table")
    assert page.stat().st_mtime_ns > before


def damaged(run):
    run.evaluation_json.write_text(run.evaluation_json.read_text().replace('"value": ', '"value": 1', 1))


def of_other_weights(run):
    reseal(run.evaluation_json, lambda tree: tree["evaluations"][0].update(digest="0" * 64))


@pytest.mark.parametrize(
    ("change", "said"), [(damaged, "was changed after it was written"), (of_other_weights, "of other weights than")]
)
def test_a_file_that_does_not_belong_to_the_run_is_named_and_not_used(vaecli, run, change, said):
    vaecli("evaluate", run.name, "--bound-samples", 50)
    whole = run.evaluation_json.read_bytes()
    change(run)
    again = Run(run.path)
    assert evaluation_of(again) == {}
    assert again.whole  # the run itself
    (line,) = remarks([again])
    assert line.startswith(f"{run.evaluation_json}: {said}")
    assert line.endswith(f"`vaecli evaluate {run.name}` makes it again")
    shown = vaecli("show", run.name).stdout
    assert shown.count(line) == 1
    assert "-log p(x)" not in shown
    assert line in vaecli("compare", run.name, "--no-train").stderr
    assert "        evaluation.json: changed" in vaecli("verify", "--files", run.name).stdout
    assert "is already finished" in vaecli("train", "--config", run.config_yaml).stderr
    mended = vaecli("evaluate", run.name, "--bound-samples", 50)
    assert mended.stderr.startswith(line)
    assert run.evaluation_json.read_bytes() == whole
    assert vaecli("verify", "--files", run.name).exit_code == 0


def test_a_point_has_no_bound_and_its_log_p(vaecli, once):
    config = small_config("vqvae", extra="objective: {likelihood: bernoulli}")
    run = copied(once(config), Path("outputs"))
    refused = vaecli("evaluate", run.name, "--bound-samples", 10)
    assert refused.stderr == (
        f"{run.name}: --bound-samples 10: vqvae has a point for q(z|x): -elbo = distortion + capacity\n"
    )
    assert refused.exit_code == 2
    assert vaecli("evaluate", run.name).exit_code == 0
    (kept,) = run.evaluations
    assert kept["bounds"] == []
    test = run.summary["test"]
    gap = test["distortion"] + test["rate"] - kept["negative_log_p"]["value"]
    assert kept["posterior_gap"]["value"] == pytest.approx(gap, abs=1e-3)
    assert 0 < gap < np.log(10)


def test_a_point_of_more_codes_than_are_summed_has_nothing_to_measure(vaecli, once, monkeypatch):
    config = small_config("vqvae", extra="objective: {likelihood: bernoulli}")
    run = copied(once(config), Path("outputs"))
    monkeypatch.setattr("vaecli.evaluation.bounds.MOST_CODES", 9)
    result = vaecli("evaluate", run.name, "--quiet")
    assert result.stderr == (
        f"{run.name}: q(z|x) is a point, so there is no bound but -elbo = distortion + capacity; log p(x) is summed "
        "over at most 16,384 codes, and an image can have more\n"
    )
    assert (result.exit_code, run.evaluation_json.exists()) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["RUN", "--bound-samples", "0"], "--bound-samples 0: a whole number from 1 to 1,000,000 is needed"),
        (["RUN", "--split", "validation"], "RUN: --split validation: data.validation held no images out"),
        (["RUN", "--weights", "best"], "outputs/RUN/weights/best.npz: the run has no such weights; the best are kept"),
        (["xyz"], "xyz: no such run in outputs"),
    ],
)
def test_a_mistake_is_one_line(vaecli, run, arguments, line):
    before = written(run.path)
    result = vaecli("evaluate", *(run.name if word == "RUN" else word for word in arguments))
    assert result.stderr.startswith(line.replace("RUN", run.name))
    assert (result.stderr.count("\n"), result.stdout, result.exit_code) == (1, "", 2)
    assert written(run.path) == before


def test_a_squared_error_has_no_bound_and_an_unfinished_run_none_yet(vaecli, finished):
    run = copied(finished("gumbel"), Path("outputs"))
    result = vaecli("evaluate", run.name)
    assert result.stderr == (
        f"{run.name}: mse is no likelihood in nats, so log p(x) has no bound; a run trained with --set "
        "objective.likelihood=bernoulli --set objective.beta=1 has one\n"
    )
    assert result.exit_code == 2
    run.summary_json.unlink()
    result = vaecli("evaluate", run.name)
    assert result.stderr.startswith(f"{run.name}: not finished (interrupted)")
    assert (result.stderr.count("\n"), result.exit_code) == (1, 2)
