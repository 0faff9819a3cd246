"""What `vaecli doctor` finds, on a machine that these tests make up."""

import json
import sys
from types import SimpleNamespace

import pytest

from helpers import written
from vaecli.experiment import doctor


@pytest.fixture(autouse=True)
def asked_of_nobody(monkeypatch):
    def import_keras():
        raise AssertionError("TensorFlow is imported where nobody asked for it")

    monkeypatch.setattr(doctor, "import_keras", import_keras)


def test_it_reads_well_in_60_columns_and_writes_nothing(vaecli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(doctor, "processors", lambda: 8)
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    result = vaecli("doctor", "--data-dir", "data")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if len(line) >= 60 and " " in line[17:].strip()] == []  # but for a path, one word
    pairs = list(doctor.lines(doctor.examination(tmp_path / "outputs", tmp_path / "data", tensorflow=False)))
    assert {line[:17].strip() for line in lines} == {name for name, _ in pairs}
    words = " ".join(result.stdout.split())
    for text in ("keras", "processors 8; the container's quota allows 2 at once", "GB free, to be made"):
        assert text in words
    assert "data folders data (no such folder)" in words
    assert not written(tmp_path)


def test_json_has_what_is_there_and_what_is_not(vaecli, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "file").touch()
    found = json.loads(vaecli("doctor", "--json", "--data-dir", "file/data").stdout)
    assert list(found) == ["versions", "machine", "data", "places"]
    assert found["versions"]["numpy"] == sys.modules["numpy"].__version__
    assert found["machine"]["gpus"] is None
    assert found["data"]["searched"]["file/data"] is False
    assert found["data"]["sets"] == {
        **dict.fromkeys(("mnist", "fashion_mnist", "kmnist", "cifar10")),
        "digits": "bundled",
    }
    assert found["places"]["runs"]["writable"] is found["places"]["runs"]["exists"] is True
    assert found["places"]["fetched data"] == {
        **{"path": "file/data", "writable": False, "exists": False, "reason": "Not a directory"},
    }


def test_where_no_run_can_be_written_all_is_shown_and_the_exit_code_is_2(vaecli, tmp_path):
    (tmp_path / "file").touch()
    result = vaecli("doctor", "--output-dir", "file/runs")
    assert result.exit_code == 2
    assert "file/runs: cannot be written (Not a directory)\n" in result.stdout
    assert "temporary files" in result.stdout
    assert result.stderr == "file/runs: cannot be written (Not a directory); see --output-dir\n"
    assert written(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("devices", "line"), [(["/physical_device:GPU:0"], "/physical_device:GPU:0"), ([], "none that TensorFlow sees")]
)
def test_tensorflow_is_asked_for_gpus(monkeypatch, tmp_path, devices, line):
    config = SimpleNamespace(list_physical_devices=lambda kind: [SimpleNamespace(name=name) for name in devices])
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    monkeypatch.setattr(doctor, "import_keras", lambda: None)
    found = doctor.examination(tmp_path, None, tensorflow=True)
    assert found["machine"]["gpus"] == devices
    assert ("GPU", line) in doctor.lines(found)


def test_a_tensorflow_that_cannot_be_imported_is_a_finding(monkeypatch, tmp_path):
    def broken():
        raise ImportError("no such symbol\nand more")

    monkeypatch.setattr(doctor, "import_keras", broken)
    found = doctor.examination(tmp_path, None, tensorflow=True)
    assert ("GPU", "TensorFlow cannot be imported: ImportError: no such symbol") in doctor.lines(found)


def test_packages_and_folders_that_are_not_there_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "folders", lambda data_dir: [])
    monkeypatch.setattr(doctor, "OPTIONAL", ("no-such-package",))
    found = dict(doctor.lines(doctor.examination(tmp_path, None, tensorflow=False)))
    assert found["no-such-package"] == "not installed"
    assert found["data folders"] == "no folder: there is no home, and --data-dir names none"
    assert "fetched data" not in found
