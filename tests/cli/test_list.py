"""`vaecli list` and `show` of what lies beside the runs."""

import json

import pytest

from helpers import audit_row, made_up
from vaecli.runs.audits import Audit
from vaecli.runs.files import write_json


@pytest.fixture
def outputs(tmp_path):
    """Two runs, a comparison without rows, and an audit."""
    for seed in (0, 1):
        made_up(tmp_path / "outputs", "gumbel", seed, 0.05 - seed / 100, temperature=0.5 if seed else None)
    write_json(tmp_path / "outputs" / "compare-1a2b3c4d" / "comparison.json", {"records": []})
    audit = Audit(tmp_path / "outputs" / "audit-5e6f7a8b")
    audit.begin()
    audit.write({"title": "a toy", "asked": {}, "left_out": {}, "finished": True}, [audit_row("gumbel_st", 0.4, 0.9)])
    return tmp_path / "outputs"


def test_runs_come_first_and_everything_else_below(vaecli, outputs):
    runs, _, others = vaecli("list").stdout.partition("\n\n")
    assert [line.split()[0][-3:] for line in runs.splitlines()[1:]] == ["-s1", "-s0"]
    assert sorted(line.partition("-")[0] for line in others.splitlines()[1:]) == ["audit", "compare"]
    assert [one["kind"] for one in json.loads(vaecli("list", "--json").stdout)][:2] == ["run", "run"]


def test_words_and_a_column_choose_and_order(vaecli, outputs):
    chosen = vaecli("list", "temperature=0.5").stdout.splitlines()
    assert [line.split()[0][-3:] for line in chosen[1:]] == ["-s1"]
    ordered = vaecli("list", "gumbel", "--sort-by", "mse sampled").stdout.splitlines()
    assert [line.split()[0][-3:] for line in ordered[1:3]] == ["-s1", "-s0"]
    assert [one["name"] for one in json.loads(vaecli("list", "a toy", "--json").stdout)] == ["audit-5e6f7a8b"]
    assert vaecli("list", "a toy").stdout.splitlines()[0].split() == ["name", "made", "what"]  # no empty table of runs
    assert vaecli("list", "--sort-by", "mse").exit_code == 2


def test_show_takes_the_beginning_of_a_name(vaecli, outputs):
    assert vaecli("show", "audit-").stdout.startswith("outputs/audit-5e6f7a8b (audit, made ")
    assert json.loads(vaecli("show", "audit-5", "--json").stdout)["title"] == "a toy"
    missing = vaecli("show", "compare-ffff")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert missing.stderr.startswith("compare-ffff: no such run in outputs")


def test_what_a_narrow_screen_leaves_out_is_said(vaecli, outputs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    result = vaecli("list")
    assert max(map(len, result.stdout.splitlines())) <= 60
    assert result.stderr.startswith("left out, as 60 columns have no room for them: data, ")
    monkeypatch.delenv("COLUMNS")
    assert vaecli("list").stderr == ""
