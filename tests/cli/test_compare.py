import json

from helpers import written
from vaecli import experiment
from vaecli.errors import Diverged
from vaecli.runs import all_runs

SMALL = ["--set", "data=digits", "--set", "network.hidden=[8]", "--epochs", "1"]


def test_compare_trains_what_is_missing_and_then_only_compares(vaecli, tmp_path):
    first = vaecli("compare", "gumbel", "vqvae", "--seeds", "2", *SMALL)
    assert first.exit_code == 0
    assert sum(line.startswith("missing ") for line in first.stderr.splitlines()) == 4
    assert len(all_runs(tmp_path / "outputs")) == 4
    second = vaecli("compare", "gumbel", "vqvae", "--seeds", "2", *SMALL)
    assert second.stdout == first.stdout
    assert "epoch" not in second.stderr
    assert sum(line.startswith("finished ") for line in second.stderr.splitlines()) == 4
    third = vaecli("compare", "gumbel", "vqvae", "--seeds", "0,1,2", *SMALL, "--format", "json", "--quiet")
    assert [row["runs"] for row in json.loads(third.stdout)] == [3, 3]
    assert third.stderr == ""


def test_the_plan_writes_nothing(vaecli, tmp_path):
    result = vaecli("compare", "--all", "--seeds", "3", *SMALL, "--dry-run")
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if line.startswith("missing ")]) == 18
    assert not written(tmp_path)


def test_a_run_that_fails_does_not_stop_the_others(vaecli, tmp_path, monkeypatch):
    check = experiment._check

    def diverge(chunk, run):
        if run.name.startswith("gumbel"):
            run.fail("diverged in epoch 1")
            raise Diverged(f"{run.path}: diverged in epoch 1")
        check(chunk, run)

    monkeypatch.setattr(experiment, "_check", diverge)
    result = vaecli("compare", "vae", "gumbel", "exact", *SMALL)
    assert result.exit_code == 3
    assert "failed: gumbel-digits-" in result.stderr
    assert "diverged in epoch 1" in result.stderr.splitlines()[-1]
    assert {run.status for run in all_runs(tmp_path / "outputs") if "gumbel" not in run.name} == {"finished"}
    assert "exact" in result.stdout


def test_a_key_of_the_model_goes_to_the_methods_that_have_it(vaecli):
    plan = vaecli("compare", "gumbel", "exact", "vae", "--set", "model.temperature=0.5", *SMALL, "--dry-run").stderr
    without = vaecli("compare", "gumbel", "exact", "vae", *SMALL, "--dry-run").stderr
    changed = [one != two for one, two in zip(plan.splitlines(), without.splitlines(), strict=True)]
    assert changed == [True, False, False]


def test_mistakes_are_one_line(vaecli, tmp_path):
    for arguments, line in (
        (("gumble",), "gumble: no such config file, did you mean 'gumbel'?"),
        (
            ("vae", "--set", "model.temperature=1.0"),
            "--set model.temperature=1.0: none of vae has the key 'temperature'",
        ),
        (("vae", "--set", "model.temprature=1.0"), "--set model.temprature=1.0: model.temprature: unknown key"),
        (("vae", "--seeds", "x"), "--seeds x: a number of seeds such as 5, or a list such as 0,3,7"),
        (("vae", "--seeds", "0"), "--seeds 0: a number of seeds such as 5, or a list such as 0,3,7"),
        (("vae", "--seeds", "1,-1"), "--seeds 1,-1: a number of seeds such as 5, or a list such as 0,3,7"),
    ):
        result = vaecli("compare", *arguments, *SMALL[:2])
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1
        assert result.exit_code == 2
    assert not written(tmp_path)
