"""What a user gets wrong: a clear line, exit code 2, and nothing written."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from helpers import made_up, written
from vaecli.cli.app import app

CONFIGS = {
    "unknown model": ("model: gumble", "my.yaml:1:1: unknown model 'gumble', did you mean 'gumbel'?"),
    "unknown key": (
        "model:\n  name: gumbel\n  temprature: 1",
        "my.yaml:3:3: model.temprature: unknown key, did you mean 'temperature'?",
    ),
    "key of another model": (
        "model: {name: vae, temperature: 1.0}",
        "my.yaml:1:20: model.temperature: `temperature` has no effect with model: vae",
    ),
    "wrong type": (
        "model: vae\ntraining: {epochs: ten}",
        "my.yaml:2:12: training.epochs: should be a whole number, received 'ten'",
    ),
    "negative epochs": (
        "model: vae\ntraining: {epochs: -1}",
        "my.yaml:2:12: training.epochs: should be greater than or equal to 1, received -1",
    ),
    "batch larger than the data": (
        "model: vae\ndata: digits\ntraining: {batch_size: 2000}",
        "training.batch_size: 2,000 is more than the 1,437 training images of digits; use a smaller one, "
        "e.g. --batch-size 64",
    ),
    "duplicate key": ("model: vae\nmodel: gumbel", "my.yaml:2:1: model: given twice, first at my.yaml:1:1"),
    "unsafe tag": (
        "model: !!python/object/apply:os.system ['touch pwned']",
        "my.yaml:1:8: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed",
    ),
    "empty file": ("", "my.yaml:1:1: the file is empty; `vaecli init gumbel` writes a complete config"),
    "no mapping": ("[1, 2]", "my.yaml:1:1: a config is a mapping such as `model: gumbel`"),
    "broken YAML": ("model: [vae", "my.yaml:1:12: expected ',' or ']', but got '<stream end>'"),
    "too many codes": (
        "model: {name: exact, num_latents: 3}",
        "my.yaml:1:1: model: 'exact' decodes all codes of an image at each step, at most 256, received 10^3",
    ),
}


@pytest.mark.parametrize("mistake", CONFIGS)
def test_a_mistake_in_the_config_is_one_line(vaecli, tmp_path, mistake):
    text, line = CONFIGS[mistake]
    (tmp_path / "my.yaml").write_text(text)
    result = vaecli("train", "--config", "my.yaml", "--quiet")
    assert result.stderr == f"{line}\n"
    assert result.exit_code == 2
    assert written(tmp_path) == ["my.yaml"]


def test_all_mistakes_are_told_at_once(vaecli, tmp_path):
    (tmp_path / "my.yaml").write_text("trainin: {}\nmodel: {name: vae, latent_dim: 0}\ntraining: {seed: x}\n")
    result = vaecli("check", "my.yaml", "--set", "objective.beta=-1")
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        "my.yaml:1:1",
        "my.yaml:2:20",
        "my.yaml:3:12",
        "--set objective.beta=-1",
    ]


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing file": (lambda path: None, "my.yaml: no such config file"),
    "a directory": (Path.mkdir, "my.yaml: is a directory, a YAML file is needed"),
    "a binary file": (lambda path: path.write_bytes(bytes(range(256))), "my.yaml:2:118: not a text file"),
    "an unreadable place": (lambda path: path.symlink_to("/proc/self/mem"), "my.yaml: cannot be read"),
}


@pytest.mark.parametrize("mistake", FILES)
def test_what_is_no_config_file_is_one_line(vaecli, tmp_path, mistake):
    make, line = FILES[mistake]
    make(tmp_path / "my.yaml")
    before = written(tmp_path)
    result = vaecli("train", "--config", "my.yaml", "--quiet")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 2
    assert written(tmp_path) == before


IMAGES = np.zeros((100, 8, 8), np.uint8)
NAN = np.where(np.arange(64).reshape(8, 8) == 3, np.nan, np.zeros((100, 8, 8))).astype(np.float32)
ARRAYS = {
    "pickled objects": ({"x_train": np.array([{}]), "x_test": IMAGES}, "holds pickled Python objects"),
    "wrong shape": ({"x_train": IMAGES[:, 0, :3], "x_test": IMAGES}, "x_train: images [N, H, W], or [N, H, W, C] of"),
    "other shape in the test set": ({"x_train": IMAGES, "x_test": IMAGES[:, :4]}, "x_train and x_test differ"),
    "NaN": ({"x_train": NAN, "x_test": NAN}, "x_train: pixels that are NaN or infinite: 100"),
    "no training images": ({"x_test": IMAGES}, "array x_train missing"),
}


@pytest.mark.parametrize("mistake", ARRAYS)
def test_a_data_file_that_is_wrong_is_one_line(vaecli, tmp_path, mistake):
    arrays, line = ARRAYS[mistake]
    np.savez(tmp_path / "my.npz", **arrays)
    result = vaecli("train", "-c", "vae", "--set", "data.name=npz", "--set", "data.path=my.npz", "--quiet")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 2
    assert written(tmp_path) == ["my.npz"]


def test_corrupt_mnist_is_an_error_and_no_reason_to_fall_back(vaecli, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist.npz").write_bytes(b"PK\x03\x04 and then nothing")
    result = vaecli("train", "--config", "gumbel", "--data-dir", "data", "--quiet")
    assert result.stderr.startswith("data/mnist.npz: not a readable npz")
    assert result.exit_code == 2
    assert written(tmp_path) == ["data", "data/mnist.npz"]


@pytest.mark.parametrize("run", ["../secret", "/etc", "outputs/../..", ".."])
def test_a_run_argument_cannot_leave_the_output_folder(vaecli, tmp_path, run):
    vaecli("train", "-c", "vae", "--set", "data=digits", "--set", "network.hidden=[4]", "--epochs", "1")
    before = written(tmp_path)
    result = vaecli("plot", run)
    assert result.stderr == f"{run}: not a run folder (no run.json in it)\n"
    assert result.exit_code == 2
    assert written(tmp_path) == before


@pytest.mark.parametrize("folder", ["file/outputs", "/proc/outputs"])
def test_an_output_folder_that_cannot_be_written_is_one_line(vaecli, tmp_path, folder):
    (tmp_path / "file").touch()
    result = vaecli("train", "-c", "vae", "--set", "data=digits", "--output-dir", folder, "--quiet")
    assert result.stderr.startswith(f"{folder}/vae-digits-")
    assert "cannot be written" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 2
    assert written(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder_is_one_line(vaecli, tmp_path):
    (tmp_path / "outputs").mkdir(mode=0o500)
    result = vaecli("train", "-c", "vae", "--set", "data=digits", "--quiet")
    assert "cannot be written (Permission denied); see --output-dir" in result.stderr
    assert result.exit_code == 2
    assert written(tmp_path) == ["outputs"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--set", "training.epochs"), "--set training.epochs: write it as key.path=value, e.g. training.epochs=3"),
        (("--set", "training.epoch=3"), "--set training.epoch=3: training.epoch: unknown key, did you mean 'epochs'?"),
        (
            ("--epochs", "0"),
            "--set training.epochs=0: training.epochs: should be greater than or equal to 1, received 0",
        ),
        (("--seed", "-1"), "--set training.seed=-1: training.seed: should be greater than or equal to 0, received -1"),
    ],
)
def test_a_mistake_in_an_override_is_one_line(vaecli, tmp_path, arguments, line):
    result = vaecli("train", "-c", "vae", "--quiet", *arguments)
    assert result.stderr == f"{line}\n"
    assert result.exit_code == 2
    assert not written(tmp_path)


@pytest.mark.parametrize("arguments", [("--epochs", "x"), ("--threads", "0"), ("--nonsense",)])
def test_a_mistake_in_an_option_is_two(vaecli, tmp_path, arguments):
    result = vaecli("train", "-c", "vae", *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert not written(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "name a config, such as `vaecli train gumbel`; `vaecli methods` lists the methods"),
        (("vae", "-c", "gumbel"), "vae --config gumbel: name one config, in one of the two ways"),
        (("vae", "--config", "vae", "--dry-run"), "vae --config vae: name one config, in one of the two ways"),
    ],
)
def test_train_takes_one_config(vaecli, tmp_path, arguments, line):
    result = vaecli("train", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{line}\n")
    assert not written(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "-c", "vae", "--config", "gumbel"),
        ("train", "-c", "vae", "--seed", "1", "--seed", "1"),
        ("compare", "--output-dir", "a", "--output-dir", "b"),
        ("data", "fetch", "mnist", "--data-dir", "a", "--data-dir", "b"),
        ("encode", "x", "y", "-o", "a", "--output", "b"),
    ],
)
def test_an_option_of_one_value_that_is_given_twice_is_a_mistake(vaecli, tmp_path, arguments):
    result = vaecli(*arguments)
    assert result.stderr.endswith(": is given 2 times, and has one value\n")
    assert result.exit_code == 2
    assert not written(tmp_path)


def test_an_option_that_may_be_repeated_and_a_flag_twice_are_none(vaecli):
    assert vaecli("check", "vae", "--set", "training.seed=1", "--set", "training.epochs=2").exit_code == 0
    assert vaecli("compare", "nowhere", "--quiet", "--quiet").stderr.startswith("nowhere: no such config, run")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("vae", "--all"), "--all means every method: give it, or vae"),
        (("vae", "--jobs", "2", "--scheduler", "x:1"), "--jobs 2: has no effect with --scheduler, whose workers are"),
        (("vae", "--epochs", "2", "--set", "training.epochs=3"), "--set training.epochs=2: takes back --set training"),
        (
            ("vae", "--set", "training.epochs=3", "--sweep", "training.epochs=1,2"),
            "--set training.epochs=1: takes back --set training.epochs=3; give one of the two",
        ),
    ],
)
def test_a_wish_that_another_one_takes_back_is_a_mistake(vaecli, tmp_path, arguments, line):
    result = vaecli("compare", *arguments)
    assert result.stderr.startswith(line)
    assert result.exit_code == 2
    assert not written(tmp_path)


def test_the_environment_names_the_output_folder_where_no_option_does(vaecli, tmp_path, monkeypatch):
    made_up(tmp_path / "mine", "gumbel", 0, 0.05)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, shown in (("mine", 1), ("~/mine", 1), ("", 0), ("elsewhere", 0)):
        monkeypatch.setenv("VAECLI_OUTPUT_DIR", variable)
        assert len(json.loads(vaecli("list", "--json").stdout)) == shown
    assert len(json.loads(vaecli("list", "--json", "--output-dir", "mine").stdout)) == 1
    for wrong in ("elsewhere/\udcff", "mine"):
        monkeypatch.setenv("VAECLI_OUTPUT_DIR", wrong)
        result = vaecli("show", "x")
        asked = vaecli("show", "x", "--output-dir", wrong)
        assert (result.exit_code, result.stderr) == (asked.exit_code, asked.stderr)
        assert result.exit_code == 2


def test_every_output_folder_may_come_from_the_environment():
    commands = get_command(app).commands
    options = [p for c in (*commands.values(), *commands["data"].commands.values()) for p in c.params]
    folders = [option for option in options if option.name == "output_dir"]
    assert len(folders) > 15
    assert {option.envvar for option in folders} == {"VAECLI_OUTPUT_DIR"}


def test_a_tilde_is_the_home_wherever_a_folder_is_named(vaecli, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "my.yaml").write_text("model: vae")
    assert vaecli("check", "~/my.yaml").exit_code == 0
    assert f"looked in {tmp_path}/home/data (no such folder)" in vaecli("data", "--data-dir", "~/data").stderr
    assert vaecli("show", "x", "--output-dir", "~/runs").stderr.startswith(f"{tmp_path}/home/runs: no run yet")
    assert vaecli("show", "~/runs/x").stderr.startswith(f"{tmp_path}/home/runs/x: not a run folder")
    assert written(tmp_path) == ["home", "home/my.yaml"]


@pytest.fixture
def shut_folder(monkeypatch, tmp_path):
    """A folder that may not be entered; a mode would not keep root out."""
    shut, stat = str(tmp_path / "shut"), os.stat

    def refused(path, *arguments, **options):
        if isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(f"{shut}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    return shut


@pytest.mark.parametrize(
    "command",
    [
        ["train", "gumbel", "--set", "data={name: npz, path: NAME}", "--dry-run"],
        ["train", "gumbel", "--set", "data={name: folder, path: NAME}", "--dry-run"],
        ["compare", "NAME"],
        ["compare", "gumbel", "--set", "data=digits", "--scheduler", "NAME"],
        ["explain", "gumbel", "--output", "NAME"],
        ["reproduce", "NAME.yaml"],
        ["check", "NAME"],
        ["init", "gumbel", "--output", "NAME"],
        ["list", "--output-dir", "NAME"],
    ],
    ids=" ".join,
)
def test_a_name_that_is_too_long_for_a_file_is_one_line_at_every_door(vaecli, command):
    result = vaecli(*(word.replace("NAME", "x" * 300 + ".png") for word in command))
    assert result.exit_code == 2
    assert re.search("File name too long|not a file name", result.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    "command",
    [
        ["check", "~/x.yaml"],
        ["compare", "~/x.yaml"],
        ["compare", "gumbel", "--set", "data=digits", "--scheduler=~/x.json"],
        ["train", "gumbel", "--set", "data={name: npz, path: ~/x.npz}", "--dry-run"],
        ["reproduce", "~/x.yaml", "--list"],
        ["init", "gumbel", "--output=~/x.yaml"],
        ["explain", "gumbel", "--output=~/x.png"],
    ],
    ids=" ".join,
)
def test_a_home_that_no_shell_has_put_in_its_place_is_the_users(vaecli, tmp_path, monkeypatch, command):
    """A shell knows no ~ behind a = or inside quotes; here its files are not what they are taken for."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in ("x.yaml", "x.json", "x.npz", "x.png"):
        (tmp_path / "home" / name).write_text("- nothing of this kind\n")
    result = vaecli(*command)
    assert result.exit_code == 2
    assert str(tmp_path / "home" / "x.") in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    [
        ["check", "{}/x.yaml"],
        ["train", "{}/x.yaml"],
        ["train", "gumbel", "--set", "data.name=npz", "--set", "data.path={}/x.npz", "--dry-run"],
        ["train", "gumbel", "--set", "data.name=folder", "--set", "data.path={}/x", "--dry-run"],
        ["compare", "{}/x.yaml"],
        ["compare", "gumbel", "--set", "data=digits", "--scheduler", "{}/x.json"],
        ["show", "{}/x"],
        ["plot", "{}/x"],
        ["diff", "{}/x", "{}/y"],
        ["encode", "{}/x", "images.npz", "-o", "codes.npz"],
        ["sample", "{}/x", "-o", "samples.png"],
        ["prune", "{}/x"],
        ["explain", "gumbel", "--output", "{}/x.png"],
    ],
    ids=" ".join,
)
def test_a_path_in_a_folder_that_may_not_be_entered_is_one_line_at_every_door(vaecli, shut_folder, command):
    result = vaecli(*(word.format(shut_folder) for word in command))
    last = result.stderr.splitlines()[-1]
    assert last.removesuffix("; choose another place with --output").endswith(": cannot be read (Permission denied)")
    assert f"{shut_folder}/x" in last
    assert result.exit_code == 2


def test_data_are_looked_for_past_a_folder_that_may_not_be_entered(vaecli, shut_folder, monkeypatch):
    monkeypatch.setenv("VAECLI_DATA_DIR", f"{shut_folder}/data")
    result = vaecli("data", "--json")
    assert result.exit_code == 0
    assert {row["name"]: row["available"] for row in json.loads(result.stdout)}["mnist"] is False
