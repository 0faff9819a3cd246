"""The metrics of a run in the files of other programs, read by TensorFlow's own reader."""

import csv
import datetime
import struct
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from helpers import copied, small_config
from test_imports import loaded_after
from vaecli import export
from vaecli.errors import ConfigError, RunError
from vaecli.reports.tracking import _varint, scalars

TRACKIO = """
told = []


class Run:
    name = "the name it got"


def init(project, name=None, config=None, resume="never", embed=True):
    print("* how to show it")
    told.append(("init", project, name, config, embed))
    return Run()


def log(metrics, step=None):
    told.append(("log", metrics, step))


def finish():
    told.append(("finish",))
"""  # the functions of trackio 0.43 that are used, with its names of arguments


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return copied(finished("gumbel"), Path("outputs"))


def events(path):
    """The events of a file; the reader refuses a record whose checksums are wrong."""
    return [tf.compat.v1.Event.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(path))]


def test_tensorboard_reads_every_number_at_its_epoch(run):
    folder = export(run.name, metrics_to="tensorboard", output="logs", quiet=True)
    assert folder == Path("logs") / run.name
    (path,) = folder.iterdir()
    version, *found = events(path)
    assert version.file_version == "brain.Event:2"
    assert "tfevents" in path.name
    for event, row in zip(found, run.metrics, strict=True):
        read = {value.tag: value.simple_value for value in event.summary.value}
        assert event.step == row["epoch"]
        assert read == {name: struct.unpack("<f", struct.pack("<f", x))[0] for name, x in scalars(row).items()}
        assert read["test/mse_sampled"] == pytest.approx(row["test_mse_sampled"])
    started = datetime.datetime.fromisoformat(run.info["started"]).timestamp()
    passed = [event.wall_time - started for event in (version, *found)]
    expected = [0.0, *(sum(r["seconds"] for r in run.metrics[: n + 1]) for n in range(len(found)))]
    assert passed == pytest.approx(expected, abs=1e-6)  # a clock of 1.8e9 seconds has steps of 2.4e-7


def test_rows_inside_epochs_stand_at_their_steps(once, tmp_path):
    run = once(small_config("gumbel", epochs=1, extra_training=", evaluate_at: [3]"))
    (path,) = export(run.path, metrics_to="tensorboard", output=tmp_path, quiet=True).iterdir()
    assert [event.step for event in events(path)][1:] == [row["step"] for row in run.metrics]


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**56])
def test_a_step_of_any_size_is_written(number):
    assert tf.compat.v1.Event.FromString(b"\x10" + _varint(number)).step == number


def test_csv_has_the_rows_and_names_the_run(run):
    path = export(run.name, metrics_to="csv", output="rows.csv", quiet=True)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("run") for row in rows] == [run.name] * len(run.metrics)
    assert [{key: float(x) if x else None for key, x in row.items()} for row in rows] == run.metrics


def test_trackio_gets_config_and_rows(run, tmp_path, monkeypatch, capfd):
    (tmp_path / "trackio.py").write_text(TRACKIO)
    monkeypatch.syspath_prepend(tmp_path)
    assert export(run.name, metrics_to="trackio", quiet=True) == "trackio show --project vaecli: the name it got"
    begun, *logged, ended = sys.modules.pop("trackio").told
    assert begun == ("init", "vaecli", run.name, run.config.to_dict(), False)
    assert logged == [("log", scalars(row), row["epoch"]) for row in run.metrics]
    assert ended == ("finish",)
    assert {"project", "run", "timestamp", "step", "time", "metrics"}.isdisjoint(logged[0][1])  # which it reserves
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("to", ["tensorboard", "csv"])
def test_no_tensorflow_is_imported(run, tmp_path, to):
    assert loaded_after(["export", run.name, "--metrics-to", to, "-o", "there"], tmp_path) == "['numpy']"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"metrics_to": "csv"}, "--metrics-to csv: --output names the file to write, and is missing"),
        (
            {"metrics_to": "wandb", "output": "x"},
            "--metrics-to wandb: no such metrics-to (known: tensorboard, trackio, ",
        ),
        ({"metrics_to": "csv", "output": "x", "part": "whole"}, "--part whole: is of the model, and --metrics-to csv"),
        (
            {"metrics_to": "csv", "output": "x", "format": "onnx"},
            "--format onnx: is of the model, and --metrics-to csv",
        ),
        ({"metrics_to": "csv", "output": "x", "threads": 1}, "--threads 1: is of the model, and --metrics-to csv"),
        ({"metrics_to": "csv", "output": "x", "weights": "best"}, "--weights best: is of the model, and --metrics-to"),
        ({"metrics_to": "csv", "output": "outputs"}, "outputs: is a folder; choose another place with --output"),
        (
            {"metrics_to": "csv", "output": "x" * 300},
            f"{'x' * 300}: cannot be read (File name too long); choose another place with --output",
        ),
        ({"metrics_to": "csv", "output": "there"}, "there: already exists; --force overwrites it"),
        ({"metrics_to": "trackio"}, "--metrics-to trackio: trackio is missing; pip install trackio"),
        ({"metrics_to": "trackio", "output": "x"}, "--output x: has no effect with --metrics-to trackio"),
        ({}, "--output names the file to write, and is missing"),
    ],
)
def test_a_mistake_is_one_line(run, options, line):
    Path("there").touch()
    with pytest.raises(ConfigError) as caught:
        export(run.name, **options)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_second_export_needs_force(run):
    asked = {"metrics_to": "tensorboard", "output": "logs", "quiet": True}
    first = export(run.name, **asked)
    with pytest.raises(ConfigError, match=r"already exists; --force overwrites it"):
        export(run.name, **asked)
    before = [path.read_bytes() for path in first.iterdir()]
    assert [path.read_bytes() for path in export(run.name, **asked, force=True).iterdir()] == before


def test_a_run_without_rows_yet_is_a_line(run):
    run.summary_json.unlink()
    run.metrics_csv.unlink()
    with pytest.raises(RunError, match=f"^{run.name}: has no rows yet, since its training has just begun$"):
        export(run.name, metrics_to="csv", output="rows.csv")
    assert not Path("rows.csv").exists()
