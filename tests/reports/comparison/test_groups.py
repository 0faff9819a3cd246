import csv
import io
import itertools
import json
import shutil

import pytest

from helpers import forge, made_up, reseal
from vaecli.errors import ConfigError
from vaecli.reports.comparison.groups import compared, csv_text, records, sort_key, titles, unseen
from vaecli.reports.comparison.table import columns, table_lines
from vaecli.runs import Run
from vaecli.runs.absent import Absent


def test_methods_stand_in_rows_and_the_best_first(three_seeds):
    (group,) = compared(three_seeds)
    assert [row.name for row in group.rows] == ["exact", "categorical", "gumbel"]
    found = group.rows[0].interval("mse sampled")
    assert (found.mean, found.runs) == (pytest.approx(0.06), 3)
    assert found.half_width == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)


def test_differences_are_paired_by_seed(three_seeds):
    (group,) = compared(three_seeds)
    rows = {row.name: row for row in group.rows}
    assert group.best is rows["exact"]
    assert group.behind_best(rows["exact"]) is None
    assert group.behind_best(rows["gumbel"]) == pytest.approx((0.01, 0.0, 3))
    # differences -0.001, 0.002, 0.002: mean 0.001, standard deviation 0.001732, t = 4.302653
    assert group.behind_best(rows["categorical"]) == pytest.approx((0.001, 0.004303, 3), abs=1e-6)


def test_methods_without_a_common_seed_are_not_paired(tmp_path):
    (group,) = compared([made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 1, 0.06)])
    assert group.behind_best(group.rows[1]) is None


@pytest.mark.parametrize(
    ("column", "order"),
    [
        ("mse sampled", ["exact", "categorical", "gumbel"]),
        ("method", ["categorical", "exact", "gumbel"]),
        ("seconds", ["categorical", "exact", "gumbel"]),  # equal: by name
        ("accuracy", ["gumbel", "categorical", "exact"]),  # more is better; without a value last
    ],
)
def test_rows_are_sorted_by_a_column_and_the_best_stays_the_best(tmp_path, column, order):
    runs = [
        made_up(tmp_path, "exact", 0, 0.05),
        made_up(tmp_path, "gumbel", 0, 0.07, accuracy=0.9),
        made_up(tmp_path, "categorical", 0, 0.06, accuracy=0.4),
    ]
    (group,) = compared(runs, column)
    assert [row.name for row in group.rows] == order
    assert group.best.name == "exact"


def test_where_the_likelihood_is_in_nats_rows_are_ordered_by_the_elbo_and_differences_are_in_nats(tmp_path):
    """From runs whose summary has an ELBO and nothing else, as earlier versions wrote it."""
    runs = [
        made_up(tmp_path, "exact", 0, 0.09, distortion=100.0),
        made_up(tmp_path, "gumbel", 0, 0.05, distortion=120.0),
        made_up(tmp_path, "vqvae", 0, 0.07, distortion=110.0),
    ]
    (group,) = compared(runs)
    assert group.judged == "-elbo"
    assert [row.name for row in group.rows] == ["exact", "vqvae", "gumbel"]
    assert group.rows[0].interval("-elbo").mean == pytest.approx(101.4)
    assert group.behind_best(group.rows[2]).mean == pytest.approx(20)
    assert columns(group)[2] == ["behind", "lowest", "+10.00, one seed", "+20.00, one seed"]
    assert any("the posterior of vqvae is a point" in note for note in group.notes)
    assert [row.name for row in compared(runs, "mse sampled")[0].rows] == ["gumbel", "vqvae", "exact"]


def test_a_point_posterior_is_ranked_with_every_weight_of_the_rate_where_the_order_is_by_elbo(tmp_path):
    """Its rate is constant, so that a weight changes nothing; with a squared error it keeps to its own scale."""
    runs = [
        made_up(tmp_path, "gumbel", 0, 0.05, distortion=120.0, beta=1.0),
        made_up(tmp_path, "gumbel", 0, 0.05, distortion=121.0, beta=0.5),
        made_up(tmp_path, "vqvae", 0, 0.07, distortion=110.0),
    ]
    groups = compared(runs)
    assert [group.protocol["beta"] for group in groups] == [1.0, 0.5]
    assert [[row.name for row in group.rows] for group in groups] == [["vqvae", "gumbel"]] * 2
    squared = [made_up(tmp_path, "exact", 0, 0.05, beta=1.0), made_up(tmp_path, "vqvae", 1, 0.07)]
    assert len(compared(squared)) == 2


def test_a_column_is_named_as_people_write_it():
    assert sort_key("MSE-mode") == "mse mode"
    assert sort_key("encoder_gradient") == "encoder gradient"
    assert sort_key("-elbo") == sort_key("elbo") == "-elbo"
    assert sort_key("log-p-x") == sort_key("-log p(x)") == "-log p(x)"
    with pytest.raises(ConfigError, match="--sort-by acuracy: no such column, did you mean 'accuracy'"):
        sort_key("acuracy")


def test_rows_of_one_method_are_named_by_what_differs(tmp_path):
    runs = [
        made_up(tmp_path, "gumbel", 0, 0.05, temperature=0.5),
        made_up(tmp_path, "gumbel", 0, 0.06, temperature=1.0),
        made_up(tmp_path, "exact", 0, 0.04),
    ]
    (group,) = compared(runs)
    assert [row.name for row in group.rows] == ["exact", "gumbel, temperature 0.5", "gumbel, temperature 1"]


def test_what_a_method_is_without_is_not_named(tmp_path):
    models = ("vqvae, codebook: ema, restart: 1.0", "vqvae", "vqvae, gradient: rotation")
    runs = [made_up(tmp_path, model, 0, 0.05 + place / 100) for place, model in enumerate(models)]
    (group,) = compared(runs)
    assert [row.name for row in group.rows] == ["vqvae, codebook ema, restart 1", "vqvae", "vqvae, gradient rotation"]


def test_a_setting_that_methods_do_not_share_is_named_in_every_row(tmp_path):
    runs = [made_up(tmp_path, "gumbel", 0, 0.05, batch_size=32), made_up(tmp_path, "exact", 0, 0.06, batch_size=64)]
    (group,) = compared(runs)
    assert [row.name for row in group.rows] == ["gumbel, batch_size 32", "exact, batch_size 64"]


def test_a_run_that_is_named_twice_counts_once(tmp_path):
    run = made_up(tmp_path, "gumbel", 0, 0.05)
    copy = made_up(tmp_path / "copies", "gumbel", 0, 0.05)
    renamed = copy.path.rename(tmp_path / "mine")
    (group,) = compared([run, run, type(run)(renamed)])
    assert [(row.name, len(row.runs)) for row in group.rows] == [("gumbel", 1)]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"model": "vae"}, ("latent Gaussian, 10 dimensions", "latent 1 of 10 codes")),
        ({"data": "digits"}, ("data mnist", "data digits")),
        ({"epochs": 2}, ("epochs 10", "epochs 2")),
        ({"beta": 0.1}, ("beta 0.0", "beta 0.1")),
    ],
)
def test_unlike_runs_are_never_on_one_scale_and_the_difference_comes_first(tmp_path, other, named):
    runs = [
        made_up(tmp_path, "gumbel", 0, 0.05),
        made_up(tmp_path, **{"model": "exact", "seed": 0, "mse": 0.04} | other),
    ]
    groups = compared(runs)
    assert [len(group.rows) for group in groups] == [1, 1]
    assert {title.startswith(named) for title in titles(groups)} == {True}
    assert [group.best.name for group in groups] == [group.rows[0].name for group in groups]


def with_and_without(folder, block, **keys):
    """Two runs that differ in these keys of a block alone."""
    one, other = (made_up(folder / name, "gumbel", 0, 0.05, distortion=100.0, beta=1.0) for name in ("one", "other"))
    return [one, forge(other, lambda info: info["config"][block].update(keys))]


def test_a_learned_prior_stands_in_one_table_with_a_uniform_one_and_both_say_which(tmp_path):
    (group,) = compared(with_and_without(tmp_path, "objective", prior="learned"))
    assert {row.name for row in group.rows} == {"gumbel, prior uniform", "gumbel, prior learned"}


@pytest.mark.parametrize("codes", ["mode", "relaxed"])
def test_what_is_no_bound_is_never_on_one_scale_with_a_bound(tmp_path, codes):
    groups = compared(with_and_without(tmp_path, "evaluation", codes=codes))
    assert [len(group.rows) for group in groups] == [1, 1]
    assert [title.startswith("codes ") for title in titles(groups)] == [False, True]
    assert titles(groups)[1].startswith(f"codes {codes}, data ")


def test_every_format_holds_the_same_figures(three_seeds):
    groups = compared(three_seeds)
    rows = list(csv.DictReader(io.StringIO(csv_text(groups))))
    assert [float(row["test.mse.sampled"]) for row in rows] == [r["test.mse.sampled"] for r in records(groups)]
    assert rows[0]["test.mse.relaxed"] == ""
    assert json.loads(json.dumps(records(groups), allow_nan=False))[2]["behind_best.resolved"] is True


def test_a_run_that_failed_is_a_record_of_its_own(three_seeds):
    found = records(compared(three_seeds), {"vqvae-1-s0": "diverged"})
    assert [row["failed"] for row in found] == [None, None, None, "diverged"]
    text = csv_text(compared(three_seeds), {"vqvae-1-s0": "diverged"})
    assert (
        list(csv.DictReader(io.StringIO(text)))[3] | {"failed": "diverged"}
        == list(csv.DictReader(io.StringIO(text)))[3]
    )


def test_nothing_to_compare_is_an_empty_table():
    assert compared([]) == []
    assert records([]) == []


def test_the_absent_are_named_in_their_row(tmp_path):
    runs = [made_up(tmp_path, "gumbel", seed, 0.05) for seed in range(4)]
    lost = [
        Absent(run.config, run.info["data"], why) for run, why in zip(runs[2:], ("failed", "half done"), strict=True)
    ]
    (group,) = compared(runs[:2], absent=lost)
    assert columns(group)[1] == ["seeds", "0, 1; without 2 (failed), 3 (half done)"]
    (record,) = records([group])
    assert (record["seeds"], record["absent"]) == ("0 1", "seed 2: failed; seed 3: half done")
    assert unseen([group], lost) == {}


def test_the_absent_whose_row_has_no_run_are_named_too(tmp_path):
    there, other = made_up(tmp_path, "gumbel", 0, 0.05), made_up(tmp_path, "exact", 0, 0.05)
    lost = [Absent(other.config, other.info["data"], "missing")]
    assert unseen(compared([there]), lost) == {"exact": "seed 0 missing"}
    assert compared([there], absent=lost)[0].rows[0].absent == {}


def test_a_seed_that_is_there_is_not_absent_whatever_else_was_asked_for(tmp_path):
    run = made_up(tmp_path, "gumbel", 0, 0.05)
    (group,) = compared([run], absent=[Absent(run.config, run.info["data"], "missing")])
    assert group.rows[0].absent == {}


def test_means_over_different_seeds_are_said(tmp_path):
    runs = [made_up(tmp_path, method, seed, 0.05) for method, seed in (("gumbel", 0), ("gumbel", 1), ("exact", 0))]
    (group,) = compared(runs)
    assert "the means of these rows are over different seeds" in group.notes[0]
    assert f"  note: {group.notes[0]}" in list(table_lines([group], {}))
    (alike,) = compared(runs[::2])
    assert alike.notes == []


def test_a_copy_under_another_name_counts_once_whatever_the_names(tmp_path):
    """The one that has the name that it began with, in any order and beside copies on either side of the alphabet."""
    run = made_up(tmp_path, "gumbel", 0, 0.05)
    copies = [Run(shutil.copytree(run.path, tmp_path / name)) for name in ("aaa", "zzz")]
    for order in itertools.permutations([run, *copies]):
        (group,) = compared(order)
        assert [found.name for found in group.rows[0].runs] == [run.name]
        assert len(group.notes) == 2
        assert all(note.endswith("and has the same weights: it is not counted") for note in group.notes)


def test_a_run_of_the_same_seed_with_other_weights_is_said(tmp_path):
    run = made_up(tmp_path, "gumbel", 0, 0.05)
    other = Run(shutil.copytree(run.path, tmp_path / "elsewhere"))
    digest = {"weights/last.npz": "0" * 64}
    reseal(other.summary_json, lambda summary: summary["files"].update(digest))
    (group,) = compared([Run(other.path), run])
    assert "has other weights" in group.notes[0]


def test_seeds_that_were_not_made_alike_are_said_and_their_seconds_are_no_mean(tmp_path):
    runs = [made_up(tmp_path, "gumbel", seed, 0.05) for seed in range(3)]
    changed = forge(runs[2], lambda info: info.update(threads="2", versions={"keras": "3.14"}))
    (group,) = compared([*runs[:2], changed])
    assert group.notes == ["gumbel: its seeds were made with keras 3.14, 3.15; threads 1, 2"]
    assert group.rows[0].interval("seconds") is None
    assert group.rows[0].interval("mse sampled").runs == 3
    (alike,) = compared(runs[:2])
    assert alike.rows[0].interval("seconds").mean == 1.0


def test_rows_that_were_not_made_alike_are_said(tmp_path):
    one, two = made_up(tmp_path, "gumbel", 0, 0.05), made_up(tmp_path, "exact", 0, 0.05)
    two = forge(two, lambda info: info.update(cpu="slow"))
    (group,) = compared([one, two])
    assert group.notes == ["the rows were made with cpu fast, slow"]


def test_a_resume_with_another_version_is_part_of_how_a_run_was_made(tmp_path):
    runs = [made_up(tmp_path, "gumbel", seed, 0.05) for seed in range(2)]

    def resumed(info):
        later = {key: value for key, value in info.items() if key not in ("config", "format", "extends", "run")}
        info["history"] = [{**later, "versions": {"keras": "3.16"}}]

    (group,) = compared([runs[0], forge(runs[1], resumed)])
    assert group.notes == ["gumbel: its seeds were made with keras 3.15, 3.15 then 3.16"]


def evaluated(run, samples, value=100.0):
    """What `vaecli evaluate` leaves, made up."""
    found = {"value": value, "standard_error": 0.5}
    digest = run.summary["files"].get("weights/last.npz", "0" * 64)
    measured = {"split": "test", "weights": "last", "digest": digest, "images": 10}
    measured |= {"negative_log_p": found, "posterior_gap": found, "bounds": [{**found, "samples": samples}]}
    with run.lock():
        run.save_evaluations([measured])
    return run


def test_bounds_of_unlike_numbers_of_samples_have_no_mean_and_are_said(tmp_path):
    runs = [made_up(tmp_path, "gumbel", seed, 0.05, distortion=120.0) for seed in range(2)]
    other = evaluated(made_up(tmp_path, "exact", 0, 0.05, distortion=120.0), 100, 99.0)
    evaluated(runs[0], 1000), evaluated(runs[1], 1000, 102.0)
    (group,) = compared([*runs, other], "bound")
    assert [row.name for row in group.rows] == ["exact", "gumbel"]
    assert group.rows[1].interval("bound").mean == 101
    assert group.rows[1].interval("bound samples").mean == 1000
    assert group.rows[1].interval("-log p(x)").mean == 101
    assert group.notes[-1] == "bounds of 100, 1,000 samples are not on one scale: more samples lower them"
    evaluated(runs[1], 5000)
    (group,) = compared(runs)
    assert group.rows[0].interval("bound") is group.rows[0].interval("bound samples") is None
    assert group.rows[0].interval("posterior gap").runs == 2
    assert "gumbel: its bounds are of 1,000, 5,000 samples, so there is no mean of them" in group.notes


def test_what_changes_no_result_parts_no_row(tmp_path):
    runs = [made_up(tmp_path, "gumbel", seed, 0.05) for seed in range(2)]
    runs[1] = forge(runs[1], lambda info: info["config"]["training"].update(checkpoint_seconds=1.0))
    (group,) = compared(runs)
    assert [row.name for row in group.rows] == ["gumbel"]


def test_a_copy_of_a_run_of_before_is_known_by_its_name(tmp_path):
    """Such a run keeps no record of its name: the one whose name is made as run names are is the original."""
    run = made_up(tmp_path / "made", "gumbel", 0, 0.05)
    run.path.rename(tmp_path / "gumbel-0123abcd-s0")
    run = forge(Run(tmp_path / "gumbel-0123abcd-s0"), lambda info: info.pop("run"))
    copies = [Run(shutil.copytree(run.path, tmp_path / name)) for name in ("aaa", "zzz")]
    for order in itertools.permutations([run, *copies]):
        (group,) = compared(order)
        assert [found.name for found in group.rows[0].runs] == [run.name]
