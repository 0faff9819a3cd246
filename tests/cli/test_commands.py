"""The commands in this process, through Typer's own runner."""

import json
import os
import re

import numpy as np
import pytest
import yaml

from helpers import copied, forge, made_up, written
from vaecli import __version__
from vaecli.errors import RunFailed
from vaecli.registry import METHODS
from vaecli.runs import all_runs

QUICK = ["--set", "network.hidden=[16]", "--set", "training.compile=graph", "--epochs", "1"]
SMALL = ["--set", "data=digits", *QUICK]


def test_version(vaecli):
    for option in ("--version", "-V"):
        assert vaecli(option).stdout == f"vaecli {__version__}\n"


@pytest.mark.parametrize(
    "command", [(), ("train",), ("audit",), ("plot",), ("check",), ("init",), ("data",), ("data", "fetch")]
)
def test_help_says_what_a_command_does(vaecli, command):
    result = vaecli(*command, "-h")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_train_prints_the_folder_and_nothing_else_to_stdout(vaecli, tmp_path):
    result = vaecli("train", "--config", "gumbel", *SMALL)
    assert result.exit_code == 0
    (run,) = all_runs(tmp_path / "outputs")
    assert result.stdout == f"outputs/{run.name}\n"
    assert re.search(r"^epoch +loss .*\n +1/1  ", result.stderr, re.M)
    assert "relaxation gap" in result.stderr


def test_a_finished_run_is_shown_and_not_trained(vaecli):
    first = vaecli("train", "--config", "vae", *SMALL)
    second = vaecli("train", "--config", "vae", *SMALL)
    assert second.stdout == first.stdout
    assert "already finished" in second.stderr
    assert " 1/1 " not in second.stderr


def test_a_run_that_diverges_ends_with_exit_code_4(vaecli):
    result = vaecli("train", "--config", "gumbel", *SMALL, "--set", "training.learning_rate=1e30", "--quiet")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.endswith("; the same command would diverge again\n")


def test_json_is_the_summary(vaecli, tmp_path):
    result = vaecli("train", "--config", "vae", *SMALL, "--json", "--quiet")
    (run,) = all_runs(tmp_path / "outputs")
    assert json.loads(result.stdout) == run.summary
    assert result.stderr == ""


def test_the_naive_method_names_what_learns_nothing_and_the_ways_out(vaecli):
    said = vaecli("train", "--config", "categorical", *SMALL).stderr
    assert "No gradient reaches encoder/encoder_0/kernel, encoder/encoder_0/bias, bottleneck/logits/kernel" in said
    assert "Try model.name=straight_through or model.name=gumbel." in said


def test_the_config_in_the_folder_repeats_the_run(vaecli, tmp_path):
    first = vaecli("train", "--config", "vqvae", *SMALL)
    (run,) = all_runs(tmp_path / "outputs")
    again = vaecli("train", "--config", run.config_yaml)
    assert again.stdout == first.stdout
    assert "already finished" in again.stderr


def test_a_fallback_is_said_and_named(vaecli, tmp_path):
    result = vaecli("train", "--config", "gumbel", *QUICK)
    assert result.exit_code == 0
    assert "training on the bundled digits (8x8) instead of mnist, for 10 epochs where" in result.stderr
    assert result.stdout.startswith("outputs/gumbel-digits-")
    (run,) = all_runs(tmp_path / "outputs")
    assert run.summary["data"]["fallback_for"] == "mnist"
    assert "digits (fallback for mnist), 10 epochs" in result.stderr
    again = vaecli("train", "--config", str(run.config_yaml))
    assert "already finished" in again.stderr
    planned = vaecli("compare", "gumbel", *QUICK, "--no-train")
    assert planned.exit_code == 2  # a plan alone fetches nothing, so it does not know what will be missing
    compared = vaecli("compare", "gumbel", *QUICK)
    assert compared.exit_code == 0
    assert "instead of mnist, for 10 epochs where mnist would have one" in compared.stderr
    assert "1 finished" in compared.stderr


def test_beside_runs_of_the_data_itself_nothing_stands_in_for_them(vaecli, tmp_path):
    made = made_up(tmp_path / "outputs", "gumbel", 0, 0.05)
    before = written(tmp_path)
    for command in (("train", "--config", "gumbel"), ("compare", "gumbel")):
        result = vaecli(*command, *QUICK)
        assert result.exit_code == 2
        assert f"outputs/{made.name} was trained on mnist, so digits are no fallback here" in result.stderr
    assert written(tmp_path) == before


def test_the_config_of_a_run_does_not_fall_back(vaecli, tmp_path):
    made = made_up(tmp_path / "outputs", "gumbel", 0, 0.05)
    text = made.config_yaml.read_text().replace("fallback: null", "fallback: digits")  # as it was written once
    made.config_yaml.write_text(text)
    result = vaecli("train", "--config", made.config_yaml, "--output-dir", "elsewhere")
    assert result.exit_code == 2
    assert "mnist.npz is missing" in result.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_without_fallback_the_ways_out_are_named(vaecli, tmp_path):
    result = vaecli("train", "--config", "gumbel", "--set", "data.fallback=null")
    assert result.exit_code == 2
    for part in ("mnist.npz is missing", "https://", "--data-dir or VAECLI_DATA_DIR", "data.name=digits"):
        assert part in result.stderr
    assert not (tmp_path / "outputs").exists()


def test_dry_run_prints_a_config_and_writes_nothing(vaecli, tmp_path):
    result = vaecli("train", "--config", "gumbel", *SMALL, "--dry-run")
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["model"]["name"] == "gumbel"
    assert "# data: digits, found: bundled with scikit-learn" in result.stdout
    assert "# parameters: 2,474" in result.stdout  # 64*16+16 + 16*10+10 + 10*16+16 + 16*64+64
    assert not written(tmp_path)


def test_a_config_is_named_with_and_without_its_option(vaecli):
    (first, *others) = (
        vaecli("train", *way, *SMALL, "--dry-run") for way in (["vae"], ["-c", "vae"], ["--config=vae"])
    )
    assert first.stderr.startswith("vaecli train: reading vae\n")
    assert [other.stdout for other in others] == [first.stdout, first.stdout]


def test_dry_run_says_what_would_be_fetched(vaecli, tmp_path):
    result = vaecli("train", "--config", "gumbel", "--dry-run")
    assert "mnist, to be fetched into" in result.stdout
    assert "if that fails, digits instead" in result.stdout
    assert not written(tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_init_writes_what_check_accepts(vaecli, tmp_path, method):
    assert vaecli("init", method).stdout == f"{method}.yaml\n"
    result = vaecli("check", f"{method}.yaml")
    assert result.exit_code == 0
    assert result.stdout == f"{method}.yaml: ok, {method} on mnist\n"


def test_init_overwrites_nothing(vaecli, tmp_path):
    (tmp_path / "vae.yaml").write_text("mine")
    result = vaecli("init", "vae")
    assert result.exit_code == 2
    assert "already exists" in result.stderr
    assert (tmp_path / "vae.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("init", "gumble"), "unknown model 'gumble', did you mean 'gumbel'?"),
        (("init", "vae", "-o", "no/vae.yaml"), "no/vae.yaml: cannot be written (No such file or directory)"),
        (("data", "fetch", "mnits"), "unknown data set 'mnits', did you mean 'mnist'?"),
        (
            ("compare", "gumbel", "--set", "training.seed=[&a [*a]]"),
            "--set training.seed=[&a [*a]]: an alias that contains itself, or too many of them",
        ),
    ],
)
def test_a_mistake_in_a_name_or_a_value_is_one_line(vaecli, tmp_path, arguments, line):
    result = vaecli(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{line}\n")
    assert not written(tmp_path)


def test_a_removed_working_directory_and_a_full_stdout_are_one_line(vaecli, monkeypatch):
    from vaecli.cli import app as module
    from vaecli.cli import echo

    def gone(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("typer.core.TyperGroup.main", gone)
    monkeypatch.setattr(module, "_working_folder_exists", lambda: False)
    result = vaecli("check", "vae")
    assert result.stderr == "the working directory has been removed; change to one that exists\n"
    assert result.exit_code == 1

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(echo.typer, "echo", full)
    with pytest.raises(RunFailed) as error:
        echo.echo("a line")
    assert error.value.lines == ("standard output: cannot be written (No space left on device)",)


def test_explain_fits_the_terminal(vaecli, monkeypatch):
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = vaecli("explain", "mse sampled").stdout.splitlines()
        assert lines[0] == "test.mse.sampled: a metric"
        assert (len(lines) == 9) == (columns == 80)
        assert max(map(len, lines)) < columns
    assert vaecli("explain", "gumble").stderr == "gumble: no such method, column or key, did you mean 'gumbel'?\n"


def test_check_prints_the_complete_config(vaecli):
    config = json.loads(vaecli("check", "vae", "--set", "training.epochs=3", "--json").stdout)
    assert config["training"]["epochs"] == 3
    assert config["model"] == {"name": "vae", "latent_dim": 10, "scale_head": "log_std"}


def test_data_lists_every_data_set(vaecli):
    rows = json.loads(vaecli("data", "--json").stdout)
    assert {row["name"]: row["available"] for row in rows} == {
        "mnist": False,
        "fashion_mnist": False,
        "kmnist": False,
        "cifar10": False,
        "digits": True,
        "npz": False,
        "folder": False,
    }


def test_references_are_computed_once_and_then_shown(vaecli, tmp_path):
    vaecli("train", "--config", "vqvae", *SMALL)
    computed = vaecli("data", "references")
    assert "digits: kmeans 10" in computed.stderr
    assert vaecli("data", "references").stderr == ""
    said = vaecli("train", "--config", "vqvae", *SMALL).stderr
    assert "of the way from the mean image" in said
    assert "to k-means, K = 10" in said


def test_plot_draws_the_newest_run_or_the_named_ones(vaecli, tmp_path):
    vaecli("train", "--config", "vae", *SMALL)
    vaecli("train", "--config", "gumbel", *SMALL)
    newest = vaecli("plot").stdout.splitlines()
    names = ["reconstructions.png", "loss.png", "codes.png", "code_use.png", "report.html"]
    assert [os.path.basename(line) for line in newest] == names
    assert all("gumbel-digits" in line for line in newest)
    both = vaecli("plot", "vae", "gumbel", "--format", "svg", "--output", "figures").stdout.splitlines()
    assert len(both) == 6
    assert all((tmp_path / line).read_text().startswith("<?xml") for line in both)


def test_plot_draws_the_gumbel_max_figure_without_any_run(vaecli, tmp_path):
    result = vaecli("plot", "gumbel-max")
    assert result.stdout == "outputs/gumbel_max.png\n"
    assert (tmp_path / "outputs/gumbel_max.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_cannot_be_plotted_before_it_is_finished(vaecli, tmp_path):
    vaecli("train", "--config", "vae", *SMALL)
    (run,) = all_runs(tmp_path / "outputs")
    run.summary_json.unlink()
    run.reconstructions_npz.unlink()
    result = vaecli("plot", run.name)
    assert result.exit_code == 2
    assert result.stderr == f"{run.name}: not finished (interrupted); the command that started it resumes it\n"


@pytest.mark.drawn
def test_a_finished_run_without_its_page_is_drawn_by_the_command_that_trained_it(vaecli, tmp_path):
    vaecli("train", "--config", "vae", *SMALL)
    (run,) = all_runs(tmp_path / "outputs")
    run.report_html.unlink()
    assert "already finished" in vaecli("train", "--config", "vae", *SMALL).stderr
    assert run.drawn


@pytest.mark.drawn
def test_plot_goes_on_with_the_other_runs_where_one_is_damaged(vaecli, tmp_path):
    vaecli("train", "--config", "vae", *SMALL)
    vaecli("train", "--config", "gumbel", *SMALL)
    gumbel, vae = all_runs(tmp_path / "outputs")
    gumbel.reconstructions_npz.write_bytes(b"PK")
    (vae.figures / "loss.png").unlink()
    (vae.figures / "loss.png").mkdir()
    result = vaecli("plot", "gumbel", "vae")
    assert result.exit_code == 1
    assert [os.path.basename(line) for line in result.stdout.splitlines()] == ["reconstructions.png", "report.html"]
    damaged, undrawn = result.stderr.splitlines()
    assert damaged.startswith(f"outputs/{gumbel.name}/reconstructions.npz: was changed")
    assert undrawn == f"outputs/{vae.name}/figures/loss.png: cannot be written (Is a directory)"


def test_own_data_are_called_by_their_title_or_their_file(vaecli, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        images = {f"x_{part}": rng.random((70, 3, 9)) for part in ("train", "test")}
        np.savez(tmp_path / f"{name}.npz", **images)
    train = ["train", "--config", "vae", "--epochs", "1", "--set", "network.hidden=[8]", "--set"]
    assert "vae on one (one.npz)" in vaecli(*train, "data={name: npz, path: one.npz}").stderr
    assert "vae on Two of mine" in vaecli(*train, "data={name: npz, path: two.npz, title: Two of mine}").stderr
    rows = vaecli("list").stdout.splitlines()[1:]
    assert ["  Two of mine  " in row for row in rows] == [True, False]
    assert rows[1].split()[2] == "one"
    (two, one) = all_runs(tmp_path / "outputs")
    forge(one, lambda info: info["data"].pop("title"))  # as of runs made before there were titles
    assert vaecli("list").stdout.splitlines()[1].split()[2] == "one"  # written last, it is the newest now
    assert "vae on Two of mine, 1 epoch" in vaecli("show", two.name).stdout


def test_list_show_and_diff(vaecli, tmp_path):
    nothing = vaecli("list")
    assert nothing.stdout.startswith("run  status  data  model  seed  epochs  mse sampled")
    assert nothing.stderr == "outputs: no run yet; `vaecli train --config gumbel.yaml` makes one\n"
    assert vaecli("list", "seed=1", "vae").stderr == "nothing in outputs has seed=1 and vae\n"
    vaecli("train", "--config", "vae", *SMALL)
    vaecli("train", "--config", "gumbel", *SMALL)
    assert [row["model"] for row in json.loads(vaecli("list", "--json").stdout)] == ["gumbel", "vae"]
    assert [line.split()[3] for line in vaecli("list").stdout.splitlines()[1:]] == ["gumbel", "vae"]
    assert "test mse per pixel" in vaecli("show", "vae").stdout
    shown = json.loads(vaecli("show", "gumbel", "--json").stdout)
    assert (shown["status"], len(shown["metrics"])) == ("finished", 1)
    assert "model.temperature" in vaecli("diff", "gumbel", "vae").stdout
    assert json.loads(vaecli("diff", "gumbel", "vae", "--json").stdout)["environment"] == {}


def test_show_needs_one_run(vaecli):
    for seed in ("0", "1"):
        vaecli("train", "--config", "vae", *SMALL, "--seed", seed)
    result = vaecli("show", "vae")
    assert result.exit_code == 2
    assert result.stderr.startswith("vae: means 2 runs: vae-digits-")


def test_tab_offers_runs_and_configs(vaecli, tmp_path):
    from types import SimpleNamespace

    from vaecli.cli.complete import config_names, run_names

    vaecli("train", "--config", "vae", *SMALL)
    (run,) = all_runs(tmp_path / "outputs")
    assert run_names(SimpleNamespace(params={}), "va") == [run.name]
    assert run_names(SimpleNamespace(params={"output_dir": "elsewhere"}), "") == []
    assert config_names("v") == ["vae.yaml", "vimco", "vqvae.yaml"]


@pytest.mark.parametrize(
    ("name", "what"), [("summary.json", "changed"), ("run.json", "changed"), ("run.json", "missing")]
)
def test_verify_names_a_file_without_which_there_is_nothing_to_repeat(vaecli, finished, tmp_path, name, what):
    run = copied(finished("vae"), tmp_path / "outputs")
    if what == "missing":
        (run.path / name).unlink()
    else:
        (run.path / name).write_text((run.path / name).read_text().replace("digits", "d1gits"))
    result = vaecli("verify", run.name)
    assert result.exit_code == 1
    assert f"        {name}: {what}" in result.stdout.splitlines()
    assert result.stderr == ""
