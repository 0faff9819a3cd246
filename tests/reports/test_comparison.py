import csv
import io
import json

import pytest

from helpers import made_up
from vaecli.errors import ConfigError
from vaecli.reports.comparison import compared, csv_text, records, sort_key, titles


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


def test_a_column_is_named_as_people_write_it():
    assert sort_key("MSE-mode") == "mse mode"
    assert sort_key("encoder_gradient") == "encoder gradient"
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
