"""The last lines of train, compare and reproduce: what they name exists, and what they say can be typed."""

import shlex
from types import SimpleNamespace

import pytest
from typer.main import get_command

from helpers import copied, made_up
from vaecli.cli.app import app
from vaecli.reports import guide
from vaecli.reports.comparison.groups import compared
from vaecli.reports.guide import after_comparing, after_reproducing, after_training, words_of
from vaecli.runs import Run


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def said(lines):
    """The lines by their first word; the next command is one that the program takes."""
    found = dict(line.split(None, 1) for line in lines)
    program, name, *words = shlex.split(found["next"])
    assert program == "vaecli"
    command = get_command(app).commands[name]
    command.make_context(name, words)  # raises a refusal
    return found


def healthy(monkeypatch):
    monkeypatch.setattr(guide, "findings", lambda run: [])


def test_after_a_training_the_reconstructions_are_to_be_opened(finished, tmp_path, monkeypatch):
    healthy(monkeypatch)
    run = copied(finished("gumbel"), tmp_path / "outputs")
    here = Run(run.path.relative_to(tmp_path))
    found = said(after_training(here, "gumbel", ["training.epochs=2"], None))
    assert found["picture"] == f"outputs/{run.name}/figures/reconstructions.png"
    assert found["next"] == "vaecli compare gumbel vqvae --set training.epochs=2"
    (run.figures / "reconstructions.png").unlink()
    assert "picture" not in said(after_training(here, "vqvae", [], None))
    assert said(after_training(here, "vqvae", [], None))["next"] == "vaecli compare vqvae straight_through"
    for config in ("my.yaml", None):  # another config may have other data
        assert said(after_training(here, config, [], None))["next"] == f"vaecli sample {run.name} --output samples.png"


def test_the_naive_method_is_explained_next(finished):
    assert (
        said(after_training(finished("categorical"), "categorical", [], None))["next"] == "vaecli explain categorical"
    )


def test_what_went_wrong_is_mended_next(finished, tmp_path, monkeypatch):
    run = Run(copied(finished("gumbel"), tmp_path / "outputs").path.relative_to(tmp_path))
    (tried,) = {found.settings[0] for found in guide.findings(run)}
    key, _, value = tried.partition("=")
    found = said(after_training(run, "gumbel", ["data.name=digits", f"{key}=2"], None))
    assert found["next"] == f"vaecli train gumbel --set data.name=digits --set {key}={value}"
    unnamed = said(after_training(run, None, ["data.name=digits"], None))
    assert unnamed["next"] == f"vaecli train {run.config_yaml} --set {tried}"


def test_runs_elsewhere_are_named_by_their_path(finished, tmp_path, monkeypatch):
    healthy(monkeypatch)
    run = copied(finished("gumbel"), tmp_path / "else where")
    assert said(after_training(run, "my.yaml", [], None))["next"].startswith(f"vaecli sample '{run.path}' ")
    assert said(after_training(run, "gumbel", [], None))["next"].endswith(f" --output-dir '{run.path.parent}'")


@pytest.mark.parametrize(
    ("seeds", "failures", "command", "expected"),
    [
        (1, {}, ["gumbel", "vae"], "vaecli compare gumbel vae --seeds 5"),
        (1, {}, [], "vaecli audit gumbel-10mnist0.0None64-s0"),
        (3, {}, ["gumbel", "vae"], "vaecli audit gumbel-10mnist0.0None64-s0"),
        (3, {"vae-10mnist0.0None64-s0": "diverged"}, ["gumbel", "vae"], "vaecli show vae-10mnist0.0None64-s0"),
    ],
)
def test_after_a_comparison_more_seeds_or_the_failed_run_come_next(tmp_path, seeds, failures, command, expected):
    folder, output_dir = tmp_path / "report", (tmp_path / "outputs").relative_to(tmp_path)
    folder.mkdir()
    (folder / "loss.png").touch()
    runs = [made_up(output_dir, name, seed, 0.05) for name in ("vae", "gumbel") for seed in range(seeds)]
    groups = compared(runs, None, [], None)
    found = said(after_comparing(folder, groups, failures, command, output_dir, None))
    assert found["picture"] == f"{folder}/loss.png"
    assert found["page"] == f"{folder}/report.html"
    assert found["next"] == expected


def cell(source, word, runs):
    return SimpleNamespace(cell=SimpleNamespace(source=source), verdict=SimpleNamespace(word=word), runs=runs)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([cell("keras_io_vae", "verified", {0: "vae-s0"})], "vaecli reproduce --list"),
        ([cell("keras_io_vae", "inconclusive", {0: "vae-s0"})], "vaecli reproduce keras_io_vae --seeds 5"),
        ([cell("keras_io_vae", "not reproduced", {0: "vae-s0"})], "vaecli show vae-s0"),
    ],
)
def test_after_a_reproduction_what_is_open_comes_next(tmp_path, cells, expected):
    (tmp_path / "keras_io_vae.png").touch()
    found = said(after_reproducing(tmp_path, cells, {}, guide.runs_folder(None), None))
    assert found["picture"] == f"{tmp_path}/keras_io_vae.png"
    assert found["next"] == expected


def test_options_are_those_that_were_given():
    words = words_of(["gumbel"], all=True, family=None, set=["a=1", "b=2"], sweep=[])
    assert words == ["gumbel", "--all", "--set", "a=1", "--set", "b=2"]


def test_a_long_command_goes_on_behind_a_backslash(finished, monkeypatch):
    healthy(monkeypatch)
    run = Run(finished("gumbel").path)
    found = list(after_training(run, "gumbel", ["data.name=digits", "network.hidden=[16]"], 60))
    assert all(line.endswith(" \\") for line in found[1:-1])
    assert max(len(line) for line in found[1:] if str(run.path.parent) not in line) < 60
