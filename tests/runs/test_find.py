import os

import pytest

from helpers import small_config
from vaecli.errors import RunError
from vaecli.runs import Run, all_runs, find_runs

NAMES = ("gumbel-11111111-s0", "gumbel-11111111-s1", "vae-22222222-s0")


@pytest.fixture
def outputs(tmp_path):
    for age, name in enumerate(NAMES):
        run = Run(tmp_path / name)
        run.begin(small_config("gumbel"), {})
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
    Run(outputs / f"{NAMES[0]}0").begin(small_config("gumbel"), {})
    assert names(find_runs([NAMES[0]], outputs)) == [NAMES[0]]


def test_an_unknown_run_is_answered_with_a_near_one(outputs):
    with pytest.raises(RunError, match="did you mean 'vae-22222222-s0'"):
        find_runs(["vae-22222223-s0"], outputs)


def test_no_run_yet(tmp_path):
    with pytest.raises(RunError, match="no run yet"):
        find_runs([], tmp_path / "nowhere")
