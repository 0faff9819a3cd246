"""Comparisons, audits, reproductions and toys of a folder: listed, and shown again."""

import contextlib
import json
import re

import pytest

from helpers import audit_row, made_up
from vaecli.errors import RunError
from vaecli.reports.comparison.groups import compared, records
from vaecli.reports.comparison.table import table_lines
from vaecli.reports.kept import all_kept, find_kept, kept_lines, kept_table
from vaecli.runs.audits import Audit
from vaecli.runs.files import write_json

CELL = {
    **{
        "source": "keras_io_vae",
        "title": "VAE",
        "year": 2020,
        "address": "keras.io",
        "setting": "vae",
        "metric": "elbo",
    },
    **{"at": 20, "of": "epoch", "published": 98.25, "ours": 98.31, "verdict": "verified", "why": None},
}
TOY = {
    **{"toy": "mean |c(z) - 0.45|^1.5 of 2 codes", "estimator": "zgr", "exponent": 1.5, "loss": 0.3025},
    **{"half_width": None, "optimum": 0.3019, "seeds": [0], "losses": [[0.33, 0.3025]], "folders": ["toy-1a2b3c4d"]},
}


@pytest.fixture
def folder(tmp_path):
    """An output folder with one of each."""
    runs = [made_up(tmp_path, name, seed, 0.05 + seed / 100) for name in ("vae", "gumbel") for seed in (0, 1)]
    rows = records(compared(runs, None, [], None), {"vqvae-s0": "diverged in epoch 1"})
    write_json(tmp_path / "compare-1a2b3c4d" / "comparison.json", {"records": rows})
    audit = Audit(tmp_path / "audit-5e6f7a8b")
    audit.begin()
    about = {"title": "linear toy", "asked": {"subject": {}}, "left_out": {"arsm": "too slow"}, "finished": True}
    audit.write(about, [audit_row("gumbel_st", 0.4, 0.9, temperature=0.5, epoch=10)])
    write_json(tmp_path / "reproduce-9c0d1e2f" / "reproduction.json", {"records": [CELL]})
    write_json(tmp_path / "toys-d3e4f5a6" / "toys.json", {"records": [TOY, {**TOY, "estimator": "rloo", "loss": 0.31}]})
    return tmp_path


def test_all_are_listed_with_what_they_hold(folder):
    found = {one.kind: one for one in all_kept(folder)}
    assert found["comparison"].what == "3 rows on mnist: vae, gumbel, vqvae-s0"
    assert found["audit"].what == "linear toy"
    assert found["reproduction"].what == "1 verified of keras_io_vae"
    assert found["toys"].what == "2 estimators on toys of exponent 1.5: zgr, rloo"
    lines = list(kept_table(list(found.values()), None))
    assert lines[0].split() == ["name", "made", "what"]
    assert len(lines) == 5
    json.dumps([one.to_dict() for one in found.values()])


def test_a_comparison_is_shown_with_the_figures_that_it_had(folder):
    found = find_kept("compare-1a", folder)
    lines = "\n".join(kept_lines(found, None))
    runs = [made_up(folder, name, seed, 0.05 + seed / 100) for name in ("vae", "gumbel") for seed in (0, 1)]
    for line in table_lines(compared(runs, None, [], None), {}):
        for cell in [
            cell for cell in line.split("  ") if "±" in cell and "95 %" not in cell and "resolved" not in cell
        ]:
            assert cell.strip(" +") in lines
    assert "vqvae-s0: failed: diverged in epoch 1" in lines
    assert lines.endswith(f"{folder}/compare-1a2b3c4d/report.html")


def test_an_audit_a_reproduction_and_toys_are_shown_again(folder):
    audit = "\n".join(kept_lines(find_kept("audit-", folder), None))
    assert "gumbel_st 0.5" in audit
    assert "left out: arsm: too slow" in audit
    reproduction = "\n".join(kept_lines(find_kept(f"{folder}/reproduce-9c0d1e2f", folder), None))
    assert "keras_io_vae: VAE (2020), keras.io" in reproduction
    assert all(text in reproduction for text in ("98.25", "epoch 20", "verified"))
    toys = kept_lines(find_kept("toys", folder), None)
    assert TOY["toy"] in toys
    assert "  zgr        0.3025  0.0006             0" in toys
    assert toys[-1] == f"  {folder}/toys-d3e4f5a6/loss.png"
    for one in all_kept(folder):
        json.dumps(one.to_json(), allow_nan=False)


def test_a_name_of_several_and_of_none(folder):
    assert find_kept("gumbel", folder) is None
    assert find_kept("compare-ffff", folder) is None
    assert [find_kept(word, folder).name for word in ("compare", "reproduce", "audit")] == [
        "compare-1a2b3c4d",
        "reproduce-9c0d1e2f",
        "audit-5e6f7a8b",
    ]
    write_json(folder / "compare-1a000000" / "comparison.json", {"records": []})
    with pytest.raises(RunError, match="compare-1a: means 2: compare-1a"):
        find_kept("compare-1a", folder)


@pytest.mark.parametrize(
    "name",
    ["compare-1a2b3c4d/comparison.json", "reproduce-9c0d1e2f/reproduction.json", "toys-d3e4f5a6/toys.json"],
)
@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "x", float("inf"), 10**400])
def test_a_row_of_other_values_is_shown_or_its_file_is_named(folder, name, value):
    whole = json.loads((folder / name).read_text())
    refused = 0
    for key in whole["records"][0]:
        row = {**whole["records"][0], key: value}
        (folder / name).write_text(json.dumps({**whole, "records": [row, *whole["records"][1:]]}))
        with contextlib.suppress(RunError):
            assert kept_lines(find_kept(name.partition("/")[0], folder), None)
            continue
        refused += 1
    assert refused < len(whole["records"][0])


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("compare-1a2b3c4d/comparison.json", "seeds"),
        ("reproduce-9c0d1e2f/reproduction.json", "title"),
        ("toys-d3e4f5a6/toys.json", "optimum"),
    ],
)
def test_a_row_that_lacks_a_value_names_its_file(folder, name, key):
    whole = json.loads((folder / name).read_text())
    del whole["records"][0][key]
    write_json(folder / name, whole)
    line = f"{folder / name}: damaged (it has no '{key}'); the command that made it makes it again"
    with pytest.raises(RunError, match=re.escape(line)):
        kept_lines(find_kept(name.partition("/")[0], folder), None)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"records": [1]}', '{"records": [{"method": 1}]}'])
@pytest.mark.parametrize(
    "name",
    [
        "compare-1a2b3c4d/comparison.json",
        "reproduce-9c0d1e2f/reproduction.json",
        "audit-5e6f7a8b/audit.json",
        "toys-d3e4f5a6/toys.json",
    ],
)
def test_what_is_damaged_is_named_and_the_others_are_listed(folder, name, content):
    (folder / name).write_text(content)
    found = {str((one.path / name.partition("/")[2]).relative_to(folder)): one for one in all_kept(folder)}
    assert len(found) == 4
    assert found[name].problem.startswith(str(folder / name))
    assert sum(bool(one.problem) for one in found.values()) == 1
    with pytest.raises(RunError):
        find_kept(name.partition("/")[0], folder)
