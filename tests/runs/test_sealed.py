import json
import os
from pathlib import Path

import pytest

from helpers import made_up, reseal, session, small_config
from vaecli.errors import Damaged, RunError
from vaecli.runs import Run
from vaecli.runs.schema import INFO
from vaecli.runs.sealed import has_seal, parse_sealed, read_sealed, seal, write_sealed


@pytest.fixture
def info():
    return {"format": 2, **session(), "config": small_config("gumbel").to_dict()}


def read(path):
    return read_sealed(path, INFO, newest=2, way_out="remove it")


def test_what_was_sealed_comes_back(tmp_path, info):
    write_sealed(tmp_path / "run.json", info)
    assert read(tmp_path / "run.json") == info
    assert json.loads((tmp_path / "run.json").read_text())["format"] == 2


def test_any_changed_bit_and_any_lost_end_is_damage(info):
    """Also in the seal itself, and in the key that says that there is one."""
    whole = seal(info)
    flipped = [whole[:i] + bytes([whole[i] ^ (1 << i % 8)]) + whole[i + 1 :] for i in range(len(whole))]
    cut = [whole[:i] for i in range(0, len(whole), 7)]
    for raw in [*flipped, *cut, whole + b" ", whole[:-1]]:
        with pytest.raises(RunError, match=r"^run\.json: "):
            parse_sealed(Path("run.json"), raw, INFO, newest=2, way_out="remove it")


def test_a_seal_does_not_make_another_form_right(tmp_path, info):
    info["data"]["scale"] = "0.5"
    write_sealed(tmp_path / "run.json", info)
    with pytest.raises(
        Damaged, match=r"run\.json: damaged, data\.scale: should be a valid number, received '0\.5'; remove"
    ):
        read(tmp_path / "run.json")


def test_files_of_before_are_read_without_a_seal_and_newer_ones_refused(tmp_path, info):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**info, "format": 1}))
    assert read(path)["format"] == 1
    path.write_text(json.dumps({**info, "format": 2}))
    with pytest.raises(Damaged, match="its seal is gone"):
        read(path)
    for newer in (seal({**info, "format": 3}), json.dumps({**info, "format": 3}).encode()):
        path.write_bytes(newer)
        with pytest.raises(RunError, match="written by a newer version of vaecli"):
            read(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "NaN", '{"format": "2"}', '{"format": true}', "[" * 100_000, '{"a": Infinity}', "\ufeff{}"]
)
def test_what_is_no_object_of_json_is_damage(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(Damaged, match=r"run\.json: damaged, "):
        read(tmp_path / "run.json")


def test_neither_a_pipe_nor_a_folder_nor_a_huge_file_is_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    os.mkfifo(path)
    with pytest.raises(Damaged, match=r"cannot be read \(not a regular file\)"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(Damaged, match="cannot be read"):
        read(path)
    monkeypatch.setattr("vaecli.runs.sealed.MAX_BYTES", 10)
    path.rmdir()
    path.write_text("{" + " " * 10)
    with pytest.raises(Damaged, match=r"cannot be read \(larger than 10 bytes\)"):
        read(path)


def test_control_characters_of_a_file_are_spelt_out(tmp_path, info):
    info["host"] = "\x1b[31mred\u202e"
    write_sealed(tmp_path / "run.json", info)
    assert read(tmp_path / "run.json")["host"] == "\\x1b[31mred\\u202e"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b/c", "", "weights/../../x", ".lock", "a\nb"])
def test_a_summary_names_no_file_outside_its_run(tmp_path, name):
    run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
    reseal(run.summary_json, lambda summary: summary["files"].update({name: "0" * 64}))
    with pytest.raises(Damaged, match=r"summary\.json: damaged, files\."):
        _ = Run(run.path).summary


def test_only_sealed_files_have_a_seal(info):
    assert has_seal(seal(info))
    assert not has_seal(json.dumps(info).encode())
