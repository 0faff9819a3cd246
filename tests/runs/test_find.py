import os

import pytest

from helpers import made_up, session, small_config
from vaecli.errors import RunError
from vaecli.runs import Run, all_runs, find_run, find_runs, newest_finished
from vaecli.runs.find import closed_folders

NAMES = ("gumbel-11111111-s0", "gumbel-11111111-s1", "vae-22222222-s0")


@pytest.fixture
def outputs(tmp_path):
    for age, name in enumerate(NAMES):
        run = Run(tmp_path / name)
        run.begin(small_config("gumbel"), session())
        os.utime(run.run_json, ns=(age, age))
    (tmp_path / "references").mkdir()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def names(runs):
    return [run.name for run in runs]


def test_runs_are_listed_newest_first_and_other_folders_are_not(outputs):
    assert names(all_runs(outputs)) == list(reversed(NAMES))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], NAMES[2:]),
        (["vae"], NAMES[2:]),
        (["gumbel"], (NAMES[1], NAMES[0])),
        (["gumbel-11111111-s0"], NAMES[:1]),
        (["vae", "gumbel-11111111-s0", "vae-2"], (NAMES[2], NAMES[0])),
    ],
)
def test_a_run_is_named_by_its_beginning(outputs, asked, found):
    assert names(find_runs(asked, outputs)) == list(found)


def test_a_run_is_named_by_its_path(outputs):
    path = str(outputs / NAMES[0]) + "/"
    assert names(find_runs([path], outputs)) == [NAMES[0]]


@pytest.mark.parametrize("asked", ["../etc", "/etc/passwd", "..", ".", "a/../..", "", " ", "x\0y", "gumbel/../../x"])
def test_a_name_that_leaves_the_output_folder_is_refused(outputs, asked):
    with pytest.raises(RunError):
        find_runs([asked], outputs)


def test_an_exact_name_is_not_a_beginning(outputs):
    Run(outputs / f"{NAMES[0]}0").begin(small_config("gumbel"), session())
    assert names(find_runs([NAMES[0]], outputs)) == [NAMES[0]]


def test_an_unknown_run_is_answered_with_a_near_one(outputs):
    with pytest.raises(RunError, match="did you mean 'vae-22222222-s0'"):
        find_runs(["vae-22222223-s0"], outputs)


def test_no_run_yet(tmp_path):
    with pytest.raises(RunError, match="no run yet"):
        find_runs([], tmp_path / "nowhere")


def test_a_run_elsewhere_is_named_by_its_path(outputs, tmp_path_factory, monkeypatch):
    run = made_up(tmp_path_factory.mktemp("elsewhere"), "gumbel", 0, 0.05)
    assert find_run(str(run.path), outputs).path == run.path
    monkeypatch.chdir(run.path)
    assert find_run(".", outputs).path == run.path
    monkeypatch.chdir(run.path.parent)
    assert find_run(f"./{run.name}", outputs).path == run.path


def test_a_linked_run_is_one_of_the_folder_it_is_linked_into(outputs, tmp_path_factory):
    run = made_up(tmp_path_factory.mktemp("elsewhere"), "gumbel", 0, 0.05)
    (outputs / "linked").symlink_to(run.path)
    assert "linked" in names(all_runs(outputs))
    for asked in ("linked", str(outputs / "linked")):
        assert find_run(asked, outputs).path == outputs / "linked"


def test_a_folder_that_cannot_be_entered_or_was_removed_hides_no_other(outputs, monkeypatch):
    """Also where it goes between listing and looking."""
    (outputs / "lost+found").mkdir()
    stat, access = os.stat, os.access

    def refusing(path, *arguments, **keywords):
        if "lost+found" in os.fspath(path):
            raise PermissionError(13, "Permission denied")
        if NAMES[1] in os.fspath(path):
            raise FileNotFoundError(2, "No such file or directory")
        return stat(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", refusing)
    monkeypatch.setattr(os, "access", lambda path, mode: "lost+found" not in str(path) and access(path, mode))
    assert names(all_runs(outputs)) == [NAMES[2], NAMES[0]]
    assert closed_folders(outputs) == [outputs / "lost+found"]


def test_an_output_folder_that_cannot_be_read_is_no_empty_one(outputs, monkeypatch):
    def refusing(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(RunError, match=r"cannot be read \(Permission denied\)"):
        all_runs(outputs)


def test_what_is_drawn_without_a_name_is_the_newest_that_is_finished(outputs):
    with pytest.raises(RunError, match="no finished run yet"):
        newest_finished(outputs)
    run = made_up(outputs, "gumbel", 0, 0.05)
    os.utime(run.run_json, ns=(0, 0))
    assert newest_finished(outputs).path == run.path


def test_a_run_without_its_run_json_is_still_a_run(outputs):
    run = made_up(outputs, "gumbel", 0, 0.05)
    run.run_json.unlink()
    assert run.name in names(all_runs(outputs))
