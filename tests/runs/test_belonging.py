"""A figure is shown only if it belongs to the run: every reader of a file checks that the run wrote it."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from helpers import Silent, copied, forge, made_up, metrics, reseal, small_config, stop_after, train, weights
from vaecli import load_run
from vaecli.config.resolve import resolved
from vaecli.errors import Damaged, Interrupted, RunError
from vaecli.experiment.journal import Journal
from vaecli.reports.run.figures import draw_run
from vaecli.runs import Run, find_runs
from vaecli.runs.absent import remarks, whole_runs
from vaecli.runs.files import to_npz, write
from vaecli.runs.run import file_digest
from vaecli.training import trainer


@pytest.fixture
def many_calls(monkeypatch):
    monkeypatch.setattr(trainer, "FIRST_CALL_STEPS", 3)
    monkeypatch.setattr(trainer, "SECONDS_PER_CALL", 0.0)


def stopped(folder, method="vae", calls=26):
    with pytest.raises(Interrupted):
        train(small_config(method), folder, stop=stop_after(calls))
    (path,) = folder.iterdir()
    return Run(path)


# A finished run


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("metrics.csv", lambda run: run.metrics),
        ("run.json", lambda run: run.config),
        ("run.json", lambda run: run.summary),
        ("weights/last.npz", lambda run: run.load_weights()),
        ("weights/epoch-00001.npz", lambda run: run.load_weights("epoch-00001")),
        ("reconstructions.npz", lambda run: run.reconstructions()),
        ("metrics.csv", lambda run: draw_run(run, failed=lambda picture: None)),
        ("weights/last.npz", lambda run: load_run(run.path)),
        ("metrics.csv", lambda run: load_run(run.path)),
    ],
)
def test_a_file_of_another_run_is_refused_by_whoever_reads_it(finished, tmp_path, name, ask):
    run = copied(finished("gumbel"), tmp_path)
    shutil.copy(finished("gumbel", seed=1).path / name, run.path / name)
    with pytest.raises(Damaged, match=r"was changed|is of another run|one of the two was changed"):
        ask(run)


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "reconstructions.npz"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: (path.unlink(), path.mkdir())])
def test_a_comparison_names_the_run_that_lacks_a_file(finished, tmp_path, name, damage):
    run, other = copied(finished("gumbel"), tmp_path), finished("vae")
    damage(run.path / name)
    whole, damaged = whole_runs([run, other])
    assert whole == [other]
    assert name in damaged[run.name]


def test_weights_that_the_run_never_wrote_are_refused(finished, tmp_path):
    run = copied(finished("gumbel"), tmp_path)
    shutil.copy(run.weights / "last.npz", run.weights / "epoch-00007.npz")
    with pytest.raises(Damaged, match=r"epoch-00007\.npz: not a file that the run wrote"):
        load_run(run.path, weights="epoch-00007")


def test_a_figure_changed_in_the_summary_is_named(finished, tmp_path):
    run = copied(finished("gumbel"), tmp_path)
    text = run.summary_json.read_text()
    run.summary_json.write_text(text.replace('"sampled": 0.', '"sampled": 0.0', 1))
    with pytest.raises(Damaged, match=r"summary\.json: was changed after it was written"):
        _ = run.summary
    assert Run(run.path).examine().changed == ["summary.json"]
    whole, damaged = whole_runs([Run(run.path)])
    assert whole == []
    assert damaged[run.name].startswith(f"{run.summary_json}: was changed after it was written")


@pytest.mark.parametrize("name", ["summary.json", "run.json", "metrics.csv", "weights/last.npz", "model.keras"])
def test_the_same_command_makes_again_what_was_damaged(finished, tmp_path, name):
    run = copied(finished("vae"), tmp_path)
    (run.path / name).write_bytes(b"damaged")
    reporter = Silent()
    train(small_config("vae"), tmp_path, reporter=reporter)
    assert f"{run.path / name} is not what the run wrote: made again from the last state" in reporter.said
    assert reporter.rows == []  # nothing had to be trained
    again = Run(run.path)
    assert (again.examine().changed, again.examine().missing) == ([], [])
    assert weights(again) == weights(finished("vae"))
    assert metrics(again) == metrics(finished("vae"))


def test_config_yaml_is_for_people_and_run_json_is_believed(finished, tmp_path):
    run = copied(finished("gumbel"), tmp_path)
    run.config_yaml.write_text(run.config_yaml.read_text().replace("- 16", "- 32"))
    assert load_run(run.path).config == resolved(small_config("gumbel"))
    assert run.examine().changed == ["config.yaml"]


def test_weights_of_another_shape_are_one_line(finished, tmp_path):
    run = copied(finished("gumbel"), tmp_path)
    arrays = {name: array[:1] for name, array in run.load_weights().items()}
    write(run.weights / "last.npz", to_npz(arrays))
    digest = file_digest(run.weights / "last.npz")
    reseal(run.summary_json, lambda summary: summary["files"].update({"weights/last.npz": digest}))
    loaded = load_run(run.path)
    with pytest.raises(RunError, match=r"encoder_0/kernel: float32 \(64, 16\) is needed, float32 \(1, 16\)"):
        loaded.encode(np.zeros((1, 8, 8)))


# A stopped run


@pytest.mark.parametrize(
    "change",
    [
        lambda info: info["config"]["training"].update(epochs=7),
        lambda info: info["config"]["training"].update(seed=7),
        lambda info: info["config"]["training"].update(batch_size=32),
        lambda info: info["config"]["network"].update(hidden=[8]),
        lambda info: info["data"].update(scale=0.5),
        lambda info: info["data"].update(digest="0" * 64),
        lambda info: info["data"].update(image_shape=[4, 16]),
        lambda info: info.pop("versions"),
    ],
)
def test_a_run_json_of_another_run_is_set_aside_and_the_run_goes_on(finished, tmp_path, change, many_calls):
    run = stopped(tmp_path)
    reseal(run.run_json, change)
    reporter = Silent()
    again = train(small_config("vae"), tmp_path, reporter=reporter)
    assert reporter.said[0].startswith(f"{run.run_json} is ")
    assert reporter.said[0].endswith(": set aside, and written again")
    assert reporter.said[1].startswith("resuming after 1 epochs")
    assert (run.path / "run.json.damaged").exists()
    assert again.config == resolved(small_config("vae"))
    assert again.info["data"] == finished("vae").info["data"]
    assert weights(again) == weights(finished("vae"))


def test_a_byte_of_run_json_that_no_plan_can_check_is_noticed_too(tmp_path, many_calls):
    run = stopped(tmp_path)
    run.run_json.write_text(run.run_json.read_text().replace('"host": "', '"host": "x'))
    reporter = Silent()
    train(small_config("vae"), tmp_path, reporter=reporter)
    assert "run.json is damaged (was changed after it was written): set aside" in reporter.said[0]


@pytest.mark.parametrize("damage", ["flipped", "emptied", "removed", "exchanged"])
def test_weights_kept_on_the_way_are_held_to_their_digests(finished, tmp_path, damage, many_calls):
    run = stopped(tmp_path)
    kept = run.weights / "epoch-00001.npz"
    raw = kept.read_bytes()
    if damage == "removed":
        kept.unlink()
    else:
        other = finished("vae", seed=1).weights / "epoch-00001.npz"
        kept.write_bytes(
            {"flipped": raw[:-9] + b"x" + raw[-8:], "emptied": b"", "exchanged": other.read_bytes()}[damage]
        )
    reporter = Silent()
    again = train(small_config("vae"), tmp_path, reporter=reporter)
    what = "missing" if damage == "removed" else "not what the run wrote"
    assert reporter.said[0] == f"{kept} is {what}: the run has no weights of that epoch any more"
    assert again.examine().missing == ["weights/epoch-00001.npz"]
    assert weights(again) == weights(finished("vae"))
    reporter = Silent()
    train(small_config("vae"), tmp_path, reporter=reporter)  # nothing could make them again
    assert reporter.said == []


def test_the_state_of_another_run_is_passed_over(finished, tmp_path, many_calls):
    run = stopped(tmp_path)
    newest = sorted(run.checkpoints.glob("step-*"))[-1]
    shutil.copy(sorted(finished("vae", seed=1).checkpoints.glob("step-*"))[-1], newest.with_name("step-000000099.npz"))
    reporter = Silent()
    again = train(small_config("vae"), tmp_path, reporter=reporter)
    assert reporter.said[0].endswith("step-000000099.npz is of another run, going back to the state before it")
    assert weights(again) == weights(finished("vae"))


def test_a_state_without_digests_of_weights_is_one_of_before(finished, tmp_path, monkeypatch, many_calls):
    """Then the existing weights are used unchecked."""
    whole = Journal._complete
    with monkeypatch.context() as before:
        before.setattr(Journal, "_complete", lambda *a: {k: v for k, v in whole(*a).items() if k != "written"})
        run = stopped(tmp_path)
    reporter = Silent()
    again = train(small_config("vae"), tmp_path, reporter=reporter)
    assert reporter.said == ["resuming after 1 epochs and 6 of 22 steps"]
    assert (again.examine().changed, again.examine().missing) == ([], [])
    assert run.name == again.name


def test_a_run_of_before_there_were_digests_is_read_with_a_line_that_says_so(tmp_path):
    run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
    tree = {key: value for key, value in json.loads(run.summary_json.read_text()).items() if key != "seal"}
    run.summary_json.write_text(json.dumps({**tree, "format": 1}))
    again = Run(run.path)
    assert again.summary["test"]["mse"]["sampled"] == 0.05
    assert list(remarks([again])) == [
        f"{run.name}: made before summary.json had its own digest, so it is used unchecked"
    ]


# Links, modes, names


@pytest.mark.drawn
def test_nothing_is_written_through_a_link_inside_a_run(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "dotfile").write_text("mine")
    config = small_config("vae", epochs=1)
    run = train(config, tmp_path / "runs")
    for name, target in {"train.log": outside / "dotfile", "weights": outside, "figures": outside}.items():
        place = run.path / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        place.symlink_to(target)
        with pytest.raises(RunError, match=f"{name}: a symbolic link, which leads elsewhere; remove it"):
            train(config, tmp_path / "runs", fresh=True)
        if name == "figures":
            with pytest.raises(RunError, match="a symbolic link, which leads elsewhere"):
                draw_run(run, failed=lambda picture: None)
        place.unlink()
        place.touch() if name == "train.log" else place.mkdir()
        assert sorted(os.listdir(outside)) == ["dotfile"]
        assert (outside / "dotfile").read_text() == "mine"


def test_a_run_folder_may_itself_be_a_link(finished, tmp_path):
    (tmp_path / "linked").symlink_to(finished("vae").path)
    (run,) = find_runs(["linked"], tmp_path)
    assert (run.path, run.status) == (tmp_path / "linked", "finished")
    assert find_runs([str(tmp_path / "linked")], tmp_path)[0].summary == run.summary


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o002, 0o664)])
def test_files_have_the_permissions_that_the_user_asks_for(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
        with run.lock():
            run.log("a line")
    finally:
        os.umask(before)
    for path in (run.run_json, run.summary_json, run.train_log, run.lock_file):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
    run.metrics_csv.unlink()
    os.mkfifo(run.metrics_csv)
    with pytest.raises(Damaged, match=r"metrics\.csv: cannot be read \(not a regular file\)"):
        Run(run.path).check()


def test_a_forged_run_is_still_held_to_the_form(tmp_path):
    run = forge(made_up(tmp_path, "gumbel", seed=0, mse=0.05), lambda info: info["config"].update(model=[1]))
    with pytest.raises(Damaged, match=r"run\.json: damaged, config\.model: "):
        run.check()


def test_a_config_that_is_none_any_more_is_damage_with_its_place(tmp_path):
    run = forge(
        made_up(tmp_path, "gumbel", seed=0, mse=0.05), lambda info: info["config"]["model"].update(name="gumble")
    )
    with pytest.raises(Damaged) as error:
        _ = run.config
    assert error.value.lines == (
        f"{run.run_json}: unknown model 'gumble', did you mean 'gumbel'?; the command that made the run makes the file "
        "again",
    )


def test_arrays_in_another_form_are_damage(finished, tmp_path):
    run = copied(finished("vae"), tmp_path)
    write(run.reconstructions_npz, to_npz({**run.reconstructions(), "index": np.zeros(3)}))
    digest = file_digest(run.reconstructions_npz)
    reseal(run.summary_json, lambda summary: summary["files"].update({"reconstructions.npz": digest}))
    with pytest.raises(Damaged) as error:
        Run(run.path).reconstructions()
    assert error.value.lines == (
        f"{run.reconstructions_npz}: damaged (index is float64 (3,)); the command that made the run makes the file "
        "again",
    )


def test_weights_that_are_no_npz_are_damage(tmp_path):
    run = made_up(tmp_path, "gumbel", seed=0, mse=0.05)
    run.weights.mkdir()
    (run.weights / "last.npz").write_bytes(b"none")
    digest = file_digest(run.weights / "last.npz")
    reseal(run.summary_json, lambda summary: summary["files"].update({"weights/last.npz": digest}))
    with pytest.raises(Damaged) as error:
        Run(run.path).load_weights()
    assert error.value.lines == (
        f"{run.weights}/last.npz: cannot be read (damaged: File is not a zip file); the command that made the run "
        "makes the file again",
    )


def test_what_another_process_wrote_meanwhile_is_read_again(tmp_path):
    """A comparison looks at a half done run, a worker resumes and finishes it, and the comparison reads it."""
    path = made_up(tmp_path / "made", "gumbel", seed=0, mse=0.05).path
    summary = (path / "summary.json").read_bytes()
    (path / "summary.json").unlink()
    watching, working = Run(path), Run(path)
    assert watching.info.get("history", []) == []
    info = {key: value for key, value in watching.info.items() if key not in ("config", "run", "format", "extends")}
    working.resume(working.config, info)
    working.finish(
        {key: value for key, value in json.loads(summary).items() if key not in ("files", "format", "seal")}, "epoch\n"
    )
    assert len(watching.info["history"]) == 1
    assert watching.summary["test"]["mse"]["sampled"] == 0.05
