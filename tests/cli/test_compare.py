import contextlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import written
from vaecli.cli.app import app
from vaecli.errors import ConfigError, DataError, RunError, RunFailed
from vaecli.launch import drive, executors, task
from vaecli.launch.executors import Workers
from vaecli.registry import METHODS
from vaecli.runs import all_runs

QUICK = ["--set", "network.hidden=[8]", "--set", "training.compile=graph"]
SETTINGS = ["--set", "data=digits", *QUICK, "--epochs", "1"]
SMALL = [*SETTINGS, "--jobs", "1"]

EVERY = sum(method.in_all and method.estimator is not None for method in METHODS.values()) + len(("vae", "vqvae"))


def page_of(result):
    """The page that a comparison names."""
    (page,) = [line.removeprefix("page     ") for line in result.stderr.splitlines() if line.startswith("page ")]
    return page


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """A folder of finished runs with their references: gumbel at the seeds 0 to 2, and vqvae."""
    folder = tmp_path_factory.mktemp("stock")
    for names in (["gumbel", "--seeds", "3"], ["vqvae"]):
        result = CliRunner().invoke(app, ["compare", *names, *SMALL, "--output-dir", str(folder)])
        assert result.exit_code == 0
    return folder


@pytest.fixture
def had(stock, tmp_path):
    """`had("gumbel", 1)`: copies of runs of the stock, and its references, in an output folder."""

    def copy(method, *seeds, to="outputs"):
        shutil.copytree(stock / "references", tmp_path / to / "references", dirs_exist_ok=True)
        for seed in seeds:
            (run,) = stock.glob(f"{method}-*-s{seed}")
            shutil.copytree(run, tmp_path / to / run.name)

    return copy


def test_a_prior_over_codes_is_planned_fitted_and_compared(vaecli, tmp_path, had):
    had("vqvae", 0)
    asked = ["compare", "vqvae", *SMALL, "--code-prior", "independent", "--format", "json"]
    planned = vaecli(*asked, "--dry-run").stderr.splitlines()
    assert planned[0].startswith("finished   vqvae-")
    assert "independent prior, about " in planned[0]
    first = vaecli(*asked)
    (row,) = json.loads(first.stdout)
    (run,) = all_runs(tmp_path / "outputs")
    (prior,) = run.priors
    assert row["prior.code_length"] == prior["code_length"]["test"]["value"]
    assert "prior.code_length" in run.report_html.read_text(encoding="utf-8")
    assert (tmp_path / page_of(first)).with_name("rate_distortion.png").is_file()
    again = vaecli(*asked)
    assert again.stdout == first.stdout
    assert "prior" not in again.stderr
    named = vaecli("compare", run.path, "--code-prior", "autoregressive", "--no-train")
    assert f"no autoregressive prior: {run.name}; `vaecli prior RUN --kind autoregressive` fits it" in named.stderr
    without = vaecli("compare", "vae", "vqvae", *SMALL, "--code-prior", "independent", "--dry-run")
    assert without.stderr.splitlines()[-1] == "--code-prior independent: no effect with vae: it has no codes"


def test_compare_trains_what_is_missing_and_then_only_compares(vaecli, tmp_path):
    first = vaecli("compare", "gumbel", "vqvae", "--seeds", "2", *SMALL)
    assert first.exit_code == 0
    assert sum(line.startswith("missing ") for line in first.stderr.splitlines()) == 4
    assert len(all_runs(tmp_path / "outputs")) == 4
    page = page_of(first)
    assert "gumbel" in (tmp_path / page).read_text()
    second = vaecli("compare", "gumbel", "vqvae", "--seeds", "2", *SMALL)
    assert second.stdout == first.stdout
    assert page_of(second) == page
    assert f"next     vaecli compare gumbel vqvae --set {SMALL[1]} " in second.stderr
    assert " 1/1 " not in second.stderr
    assert sum(line.startswith("finished ") for line in second.stderr.splitlines()) == 4
    third = vaecli("compare", "gumbel", "vqvae", "--seeds", "0,1,2", *SMALL, "--format", "json", "--quiet")
    assert [row["runs"] for row in json.loads(third.stdout)] == [3, 3]
    assert third.stderr == ""


def test_the_plan_writes_nothing(vaecli, tmp_path):
    """--all is every gradient estimator, vae and vqvae: a quantiser more makes nobody's comparison longer."""
    result = vaecli("compare", "--all", "--seeds", "3", *SMALL, "--dry-run")
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if line.startswith("missing ")]) == 3 * EVERY
    assert not written(tmp_path)


def test_a_run_that_fails_does_not_stop_the_others(vaecli, tmp_path):
    (tmp_path / "wild.yaml").write_text("model: gumbel\ntraining: {learning_rate: 1.0e+30}")
    result = vaecli("compare", "vae", "wild.yaml", "exact", *SMALL)
    assert result.exit_code == 3
    assert "failed: gumbel-digits-" in result.stdout
    assert "diverged in epoch 1" in result.stdout
    assert {run.status for run in all_runs(tmp_path / "outputs") if "gumbel" not in run.name} == {"finished"}
    assert "exact" in result.stdout
    as_json = vaecli("compare", "vae", "wild.yaml", "exact", *SMALL, "--format", "json")
    assert [row["method"].partition("-")[0] for row in json.loads(as_json.stdout) if row["failed"]] == ["gumbel"]


@contextlib.contextmanager
def threads(jobs, folder, **options):
    """Local workers that are threads of this process, as a test can put nothing into another one."""
    with ThreadPoolExecutor(jobs) as executor:
        yield Workers(executor)


@pytest.mark.parametrize(
    "error",
    [
        RunError("x: holds a run of another config (training.seed 1 instead of 0); move it elsewhere"),
        DataError("x.npz: damaged", "ways out: many"),
        ConfigError(["x: unknown key", "y: unknown key"]),
        RunFailed("x: cannot be written (No space left on device)"),
        OSError(5, "Input/output error"),
        ZeroDivisionError("ours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_one_local_worker_is_one_line_and_the_other_runs_are_compared(vaecli, tmp_path, monkeypatch, error):
    train_run = task.train_run

    def failing(plan, *arguments, **options):
        if plan.config.model.name == "exact":
            raise error
        train_run(plan, *arguments, **options)

    monkeypatch.setattr(task, "train_run", failing)
    monkeypatch.setattr(drive, "open_pool", threads)
    monkeypatch.setattr(task, "prepare", lambda number: None)  # which would set the environment of this process
    result = vaecli("compare", "vae", "exact", *SETTINGS, "--jobs", "2", "--format", "csv")
    assert result.exit_code == 3
    told = [line for line in result.stderr.splitlines() if "exact-digits-" in line and "failed" in line]
    first = getattr(error, "lines", [f"{type(error).__name__}: {error}"])[0]
    assert [line.endswith(first) for line in told] == [True]
    assert "Traceback" not in result.stderr + result.stdout
    assert {run.name.partition("-")[0]: run.status for run in all_runs(tmp_path / "outputs")} == {"vae": "finished"}


def test_runs_are_compared_from_a_folder_that_may_only_be_read(vaecli, had, monkeypatch):
    had("vqvae", 0)
    expected = vaecli("compare", "outputs", "--format", "csv").stdout
    shutil.rmtree(next(Path("outputs").glob("compare-*")))

    def denied(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("vaecli.runs.files._new_part", denied)
    result = vaecli("compare", "outputs", "--format", "csv")
    assert (result.exit_code, result.stdout) == (0, expected)
    last = result.stderr.splitlines()[-1]
    assert last.endswith(
        "cannot be written (Read-only file system); --output names a folder for table, figures and page"
    )


def test_a_key_of_the_model_goes_to_the_methods_that_have_it(vaecli):
    plan = vaecli("compare", "gumbel", "exact", "vae", "--set", "model.temperature=0.5", *SMALL, "--dry-run").stderr
    without = vaecli("compare", "gumbel", "exact", "vae", *SMALL, "--dry-run").stderr
    *lines, note = plan.splitlines()
    changed = [one != two for one, two in zip(lines, without.splitlines(), strict=True)]
    assert changed == [True, False, False, False]
    assert note == "model.temperature=0.5: no effect with exact, vae"


def test_mistakes_are_one_line(vaecli, tmp_path):
    for arguments, line in (
        (("gumble",), "gumble: no such config, run or folder, did you mean 'gumbel'?"),
        (("vae", "--set", "model.temperature=1.0"), "model.temperature=1.0: has no effect with vae"),
        (("vae", "--sweep", "training.epochs"), "--sweep training.epochs: write it as key.path=value,value"),
        (("vae", "--sort-by", "acuracy"), "--sort-by acuracy: no such column, did you mean 'accuracy'?"),
        ((".",), ".: neither a run nor a folder of runs"),
        (("vae", "--set", "model.temprature=1.0"), "--set model.temprature=1.0: model.temprature: unknown key"),
        (("vae", "--columns", "acuracy"), "--columns acuracy: no such column, did you mean 'accuracy'?"),
        (
            ("vae", "--columns", "bits", "-f", "csv"),
            "--columns: has no effect with --format csv, which has every column",
        ),
        (
            ("vae", "--spread", "std", "-f", "json"),
            "--spread: has no effect with --format json, which has every column",
        ),
        (("vae", "--seeds", "x"), "--seeds x: a number of seeds such as 5, or a list such as 0,3,7"),
        (("vae", "--seeds", "0"), "--seeds 0: a number of seeds such as 5, or a list such as 0,3,7"),
        (("vae", "--seeds", "1,-1"), "--seeds 1,-1: a number of seeds such as 5, or a list such as 0,3,7"),
    ):
        result = vaecli("compare", *arguments, *SMALL[:2])
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1
        assert result.exit_code == 2
    assert not written(tmp_path)


def test_runs_of_a_folder_are_compared_as_they_are(vaecli, had, tmp_path):
    had("gumbel", 0, to="one")
    had("vqvae", 0, to="one")
    had("gumbel", 1, 2, to="two")
    before = written(tmp_path / "one")
    result = vaecli("compare", "one", "two", "--no-train", "--format", "json")
    assert [(row["method"], row["runs"]) for row in json.loads(result.stdout) if row["method"] == "gumbel"] == [
        ("gumbel", 3)
    ]
    assert written(tmp_path / "one") == before


def test_a_table_for_a_paper_has_the_columns_that_it_is_asked_for(vaecli, had):
    had("gumbel", 0, 1)
    command = ("compare", "outputs", "--no-train", "--columns", "perplexity,mse-mode", "--spread", "std")
    latex = vaecli(*command, "--format", "latex").stdout.splitlines()
    assert latex[-7:-4] == [r"\begin{tabular}{lrr}", r"\toprule", r"method & perplexity & mse mode \\"]
    assert vaecli(*command).stdout.splitlines()[1].split() == ["method", "perplexity", "mse", "mode"]
    assert "| method | perplexity | mse mode |" in vaecli(*command, "--format", "md").stdout.splitlines()


def test_without_training_what_is_missing_is_left_out(vaecli, had):
    had("gumbel", 0)
    result = vaecli("compare", "gumbel", "vqvae", "--seeds", "2", *SMALL, "--no-train", "--format", "json")
    assert [(row["method"], row["runs"]) for row in json.loads(result.stdout)] == [("gumbel", 1)]
    nothing = vaecli("compare", "vae", *SMALL, "--no-train")
    assert nothing.exit_code == 2
    assert nothing.stderr.splitlines()[-1] == "none of these runs is finished, so there is nothing to compare"


def test_a_sweep_makes_a_row_of_each_value(vaecli):
    result = vaecli("compare", "gumbel", "--sweep", "model.temperature=0.5,2.0", *SMALL, "--format", "csv")
    assert {line.split('"')[1] for line in result.stdout.splitlines()[1:]} == {
        "gumbel, temperature 0.5",
        "gumbel, temperature 2",
    }


def test_runs_of_two_data_sets_are_named_apart(vaecli, had, tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=np.zeros((70, 4, 4), np.uint8), x_test=np.zeros((10, 4, 4), np.uint8))
    had("vqvae", 0)
    vaecli("compare", "vqvae", *QUICK, "--epochs", "1", "--set", "data={name: npz, path: mine.npz}")
    result = vaecli("compare", "outputs")
    assert result.exit_code == 0
    assert {line.partition(",")[0] for line in result.stdout.splitlines() if line.startswith("data ")} == {
        "data mine",
        "data digits",
    }


@pytest.mark.parametrize(
    ("file", "content", "line"),
    [
        ("run.json", '{"format": 99}', "summary.json: does not belong to this run.json: one of the two was changed"),
        ("summary.json", "{", "summary.json: damaged, not JSON"),
    ],
)
def test_a_run_that_cannot_be_read_is_one_line(vaecli, had, tmp_path, file, content, line):
    had("vqvae", 0)
    (run,) = all_runs(tmp_path / "outputs")
    (run.path / file).write_text(content)
    result = vaecli("compare", run.name)
    assert result.exit_code == 2
    assert line in result.stderr.splitlines()[-1]
    assert result.stdout == ""


def test_rows_that_somebody_added_to_metrics_are_taken_back(vaecli, had, tmp_path):
    had("vqvae", 0)
    first = vaecli("compare", "vqvae", *SMALL)
    (run,) = all_runs(tmp_path / "outputs")
    with run.metrics_csv.open("a") as file:
        file.write("2,0.05,0.0")
    assert vaecli("compare", "vqvae", *SMALL).stdout == first.stdout


def test_an_unreachable_scheduler_is_one_line(vaecli, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)
    result = vaecli("compare", "vqvae", *SETTINGS, "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("--scheduler tcp://127.0.0.1:9: cannot be reached (")


def test_a_comparison_is_drawn_again_in_another_form(vaecli, had, tmp_path):
    had("gumbel", 0, 1)
    had("vqvae", 0)
    vaecli("compare", "outputs", "--no-train")
    (folder,) = (tmp_path / "outputs").glob("compare-*")
    drawn = sorted(path.name for path in folder.glob("*.png"))
    again = vaecli("plot", folder.name, "--format", "pdf", "--width", "3.3", "--output", "paper").stdout.splitlines()
    assert sorted(again) == [f"paper/{name.replace('.png', '.pdf')}" for name in drawn]
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert vaecli("plot", "compare-").stdout.splitlines()
    assert {path.name: path.read_bytes() for path in folder.glob("*.png")} == before
    (tmp_path / "outputs").rename(tmp_path / "moved")
    path = tmp_path / "moved" / folder.name / "comparison.json"
    known = json.loads(path.read_text())
    for runs, first in ((sorted(known["runs"]), "gumbel"), (sorted(known["runs"], reverse=True), "vqvae")):
        path.write_text(json.dumps(known | {"runs": runs}))  # as if it had been sorted so
        alone = vaecli("plot", f"moved/{folder.name}", "--figure", "loss", "--format", "svg")
        assert alone.stdout == f"moved/{folder.name}/loss.svg\n"
        names = re.findall(">(gumbel|vqvae)<", (tmp_path / alone.stdout.strip()).read_text())
        assert (names[0], len(set(names))) == (first, 2)


@pytest.mark.parametrize(
    ("arguments", "change", "line"),
    [
        (("--figure", "los"), {}, "the comparison: has no figure los, did you mean 'loss'?"),
        (("--width", "1"), {}, "--width 1.0: a number of inches from 3 to 20 is needed"),
        (("--width", "nan"), {}, "--width nan: a number of inches from 3 to 20 is needed"),
        ((), {"version": 3}, "{}: is of another version of vaecli; the same `vaecli compare` makes it again"),
        ((), {"runs": 3}, "{}: damaged; the same `vaecli compare` makes it again"),
        ((), {"runs": ["gone"]}, "gone: is not there any more, or not finished; the comparison is of it"),
    ],
)
def test_what_cannot_be_drawn_again_is_one_line(vaecli, had, tmp_path, arguments, change, line):
    had("gumbel", 0)
    vaecli("compare", "outputs", "--no-train", "--output", "mine")
    path = tmp_path / "mine" / "comparison.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    result = vaecli("plot", "mine", *arguments)
    assert (result.exit_code, result.stderr) == (2, line.format("mine/comparison.json") + "\n")
    assert result.stdout == ""
