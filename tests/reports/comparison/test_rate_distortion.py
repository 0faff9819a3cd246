"""Code lengths of a comparison: which prior they are under, what is drawn, and what is not on one scale."""

import pytest

from helpers import copied
from vaecli.metrics.intervals import interval
from vaecli.reports.comparison.figures import figures, rate_and_distortion
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.page import write_report
from vaecli.reports.comparison.panels import scenes
from vaecli.runs import Run
from vaecli.runs.run import file_digest


def prior_of(run, kind, bits):
    """A prior with invented lengths, of which no array is read."""
    lengths = {name: {"value": bits, "standard_error": None} for name in ("train", "test")}
    digest = file_digest(run.weights / "last.npz")
    made = {"kind": kind, "conditional": False, "labels": [], "digest": digest, "file": "1" * 64, "epochs": None}
    return {**made, "asked": None, "parameters": 10, "code_length": lengths}


@pytest.fixture
def runs(finished, tmp_path):
    """Codes at two seeds, a quantiser at one, and a Gaussian, which has no code length."""
    found = [copied(finished("gumbel", seed=seed), tmp_path) for seed in (0, 1)]
    found += [copied(finished(method), tmp_path) for method in ("vqvae", "vae")]
    lengths = {0: [("independent", 3.0), ("autoregressive", 2.5)], 1: [("independent", 2.0)], 2: [("independent", 1.5)]}
    for place, priors in lengths.items():
        with found[place].lock():
            found[place].save_priors([prior_of(found[place], kind, bits) for kind, bits in priors])
    return [Run(run.path) for run in found]


def rows_of(groups):
    return {row.name: row for group in groups for row in group.rows}


def test_lengths_are_under_the_prior_that_is_asked_for(runs):
    rows = rows_of(compared(runs, code_prior="independent"))
    assert rows["gumbel"].interval("code length") == interval([3.0, 2.0])
    assert rows["vqvae"].interval("code length").mean == 1.5
    assert rows["vae"].interval("code length") is None
    rows = rows_of(compared(runs, code_prior="autoregressive"))
    assert rows["gumbel"].values["code length"] == {0: 2.5}
    assert rows["vqvae"].interval("code length") is None


def test_lengths_under_priors_of_two_kinds_have_no_mean_and_a_note(runs):
    groups = compared(runs)
    assert rows_of(groups)["gumbel"].interval("code length") is None
    notes = [note for group in groups for note in group.notes]
    assert any(
        "its code lengths are under autoregressive and independent priors, so they have no mean" in n for n in notes
    )
    assert any("are not on one scale; --code-prior chooses one" in note for note in notes)


def test_each_method_is_a_point_with_its_interval_and_a_line_to_its_capacity(runs):
    groups = compared(runs, code_prior="independent")
    (scene,), _ = scenes(groups)
    (axis,) = rate_and_distortion(scene).axes
    errors = [run.summary["test"]["mse"]["sampled"] for run in runs[:2]]
    points = [tuple(line.get_xydata()[0]) for line in axis.lines if line.get_marker() in ("o", "s", "^")]
    assert (2.5, pytest.approx(sum(errors) / 2)) in points
    ends = {
        tuple(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    }
    capacity = runs[0].latent.capacity_bits
    assert {(2.5, capacity), (1.5, capacity)} <= ends
    bars = [segment for found in axis.collections for segment in found.get_segments()]
    half = interval([3.0, 2.0]).half_width
    assert any(bar[:, 0] == pytest.approx([2.5 - half, 2.5 + half]) for bar in bars)
    assert axis.get_xlim()[0] == 0


def test_it_is_drawn_where_a_row_has_a_code_length_and_drawn_again_for_another_prior(runs, tmp_path):
    (scene,), _ = scenes(compared(runs[3:]))
    assert "rate_distortion" not in figures(scene)
    assert write_report(compared(runs, code_prior="independent"), {}, tmp_path / "report").drawn
    assert (tmp_path / "report" / "rate_distortion.png").is_file()
    assert not write_report(compared(runs, code_prior="independent"), {}, tmp_path / "report").drawn
    assert write_report(compared(runs, code_prior="autoregressive"), {}, tmp_path / "report").drawn
