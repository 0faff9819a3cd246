import csv
import io
import json

import pytest

from vaecli.reports.comparison import compared, csv_text, markdown_lines, records, table_lines, titles
from vaecli.runs import Run
from vaecli.runs.files import write_json


def made_up(folder, model, seed, mse, *, epochs=10, data="mnist", beta=0.0, relaxed=None):
    """A finished run of invented figures."""
    options = {"latent_dim": 10} if model == "vae" else {"num_latents": 1, "num_classes": 10}
    run = Run(folder / f"{model}-{epochs}{data}{beta}-s{seed}")
    config = {
        "model": {"name": model, **options},
        "objective": {"likelihood": "mse", "beta": beta},
        "training": {"epochs": epochs, "seed": seed},
    }
    found = {"name": data, "fallback_for": None, "digest": f"{data:0<64}", "train": 60, "validation": 0, "test": 10}
    write_json(run.run_json, {"format": 1, "config": config, "data": found})
    test = {"mse": {"sampled": mse, "mode": mse, "relaxed": relaxed}, "bits": 2.0}
    write_json(run.summary_json, {"test": test, "gradient_norm": {"encoder": 0.0}, "parameters": 7, "seconds": 1.0})
    return run


@pytest.fixture
def three_seeds(tmp_path):
    """gumbel is 0.01 behind exact at every seed; categorical 0.001, but once before it."""
    errors = {"exact": (0.05, 0.06, 0.07), "gumbel": (0.06, 0.07, 0.08), "categorical": (0.049, 0.062, 0.072)}
    return [made_up(tmp_path, model, seed, mse) for model, mses in errors.items() for seed, mse in enumerate(mses)]


def test_methods_stand_in_rows_and_the_best_first(three_seeds):
    (group,) = compared(three_seeds)
    assert [row.name for row in group.rows] == ["exact", "categorical", "gumbel"]
    found = group.rows[0].interval("mse sampled")
    assert (found.mean, found.runs) == (pytest.approx(0.06), 3)
    assert found.half_width == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)


def test_differences_are_paired_and_what_is_not_resolved_says_so(three_seeds):
    text = "\n".join(table_lines(compared(three_seeds)))
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert "+0.0010 ± 0.0043, not resolved" in rows["categorical"]
    assert "+0.0100 ± 0.0000 " in rows["gumbel"]
    assert "first" in rows["exact"]


def test_one_seed_has_no_interval_and_says_so(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 0, 0.06)]
    text = "\n".join(list(table_lines(compared(runs)))[:-1])
    assert "+0.0100, one seed" in text
    assert "±" not in text


def test_methods_without_a_common_seed_are_not_paired(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 1, 0.06)]
    assert "no common seed" in "\n".join(table_lines(compared(runs)))


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
    assert "+0." not in "\n".join(table_lines(groups))


def test_every_format_holds_the_same_figures(three_seeds):
    groups = compared(three_seeds)
    rows = list(csv.DictReader(io.StringIO(csv_text(groups))))
    assert [float(row["test.mse.sampled"]) for row in rows] == [r["test.mse.sampled"] for r in records(groups)]
    assert rows[0]["test.mse.relaxed"] == ""
    assert json.loads(json.dumps(records(groups), allow_nan=False))[2]["behind_best.resolved"] is True
    table = [line for line in markdown_lines(groups) if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_nothing_to_compare_is_an_empty_table():
    assert compared([]) == []
    assert records([]) == []
    assert len(list(table_lines([]))) == 1
