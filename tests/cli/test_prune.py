"""What `vaecli prune` removes, and that nothing takes it for damage afterwards."""

import pytest

import vaecli as public
from helpers import Silent, copied, small_config, train, weights, written
from vaecli.cli import prune as command
from vaecli.errors import RunError
from vaecli.experiment.train import mendable
from vaecli.runs import Run
from vaecli.runs.sealed import write_sealed

MILESTONES = [f"weights/epoch-{epoch:05d}.npz" for epoch in (0, 1, 2)]


@pytest.fixture
def run(finished, tmp_path):
    """A run of two epochs, of its own to be pruned."""
    return copied(finished("gumbel"), tmp_path / "outputs")


def test_what_would_be_removed_is_shown_and_only_a_yes_removes_it(vaecli, run, tmp_path, monkeypatch):
    before = written(tmp_path)
    size = sum((run.path / name).stat().st_size for name in MILESTONES)
    shown = vaecli("prune", "--dry-run")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0] == f"{run.name}  {size / 1e6:.1f} MB  3 milestones of its weights"
    unasked = vaecli("prune", "gumbel")
    assert (unasked.exit_code, unasked.stdout) == (2, shown.stdout)
    lost, nobody = unasked.stderr.splitlines()
    assert lost.startswith("without milestones there is no audit of their epochs")
    assert nobody == "nothing is removed: there is no terminal to ask; --yes removes, --dry-run only shows"
    monkeypatch.setattr(command, "_asked", lambda: False)
    refused = vaecli("prune")
    assert (refused.exit_code, refused.stderr.splitlines()[1]) == (0, "nothing is removed")
    assert written(tmp_path) == before
    monkeypatch.setattr(command, "_asked", lambda: True)
    assert vaecli("prune").exit_code == 0
    after = {*before} - {f"outputs/{run.name}/{name}" for name in MILESTONES}
    assert {*written(tmp_path)} == after | {f"outputs/{run.name}/pruned.json"}
    assert vaecli("prune", "--yes").stdout == "nothing to remove\n"


def test_a_pruned_run_is_whole_and_says_what_is_gone(vaecli, run):
    whole = run.examine().whole
    assert vaecli("prune", "--yes", "--states").exit_code == 0
    run = Run(run.path)
    found = run.examine()
    assert (found.changed, found.missing, sorted(found.pruned)) == ([], [], sorted({*whole} - {*found.whole}))
    assert {name.partition("/")[0] for name in found.pruned} == {"weights", "checkpoints"}
    assert mendable(run) == []
    verified = vaecli("verify", run.name, "--files")
    assert verified.exit_code == 0
    assert f"files   {len(found.whole)} of {len(found.whole)} are as the run wrote them; " in verified.stdout
    assert f"; {len(found.pruned)} more were pruned\n" in verified.stdout
    shown = vaecli("show", run.name)
    assert (shown.exit_code, "missing" in shown.stdout) == (0, False)
    assert public.load_run(run.path).summary == run.summary
    with pytest.raises(RunError, match=r"epoch-00001.npz: was pruned; a training from the start"):
        public.load_run(run.path, weights="epoch-00001")
    gone = f"outputs/{run.name}/weights/epoch-00001.npz: was pruned; a training from the start (--fresh) makes it again"
    assert vaecli("encode", run.name, "test", "-o", "x.npz", "--weights", "epoch-00001").stderr == f"{gone}\n"
    audited = vaecli("audit", run.name, "--epochs", "1", "--images", "4")
    assert audited.stderr.splitlines()[-1] == f"{run.name}: the weights of epoch 1 were pruned (there are 2)"
    assert "already finished" in vaecli("train", run.config_yaml).stderr


def test_a_longer_run_begins_where_a_pruned_one_ended_and_is_whole_too(vaecli, run, tmp_path):
    vaecli("prune", "--yes")
    reporter = Silent()
    extended = train(small_config("gumbel", epochs=3), run.path.parent, reporter=reporter)
    assert f"extended from {run.name}" in reporter.said
    assert not [line for line in reporter.said if "missing" in line]
    found = extended.examine()
    assert (found.changed, found.missing, sorted(found.pruned)) == ([], [], MILESTONES)

    without = copied(run, tmp_path / "without")
    vaecli("prune", "--yes", "--states", "--output-dir", "without")
    reporter = Silent()
    again = train(small_config("gumbel", epochs=3), without.path.parent, reporter=reporter)
    assert f"begins again, not from {run.name}: its states were pruned" in reporter.said
    assert weights(again) == weights(extended)
    assert again.examine().pruned == []


def test_a_damaged_file_of_a_run_without_states_is_made_again_from_the_beginning(vaecli, run):
    vaecli("prune", "--yes", "--states")
    before = weights(run)
    run.model_keras.write_bytes(b"x")
    reporter = Silent()
    again = train(small_config("gumbel"), run.path.parent, reporter=reporter)
    place = f"{run.path / 'model.keras'} is not what the run wrote"
    assert f"{place}: made again from the beginning, as its states were pruned" in reporter.said
    assert weights(again) == before
    assert again.examine()._replace(whole=[]) == ([], [], [], [])


def test_the_record_counts_only_as_it_was_written(vaecli, run):
    vaecli("prune", "--yes")
    run.pruned_json.write_text(run.pruned_json.read_text().replace("00000", "00002"))
    found = Run(run.path).examine()
    assert (found.changed, sorted(found.missing), found.pruned) == (["pruned.json"], MILESTONES, [])
    write_sealed(run.pruned_json, {"format": 2, "pruned": [*MILESTONES, "../../elsewhere.npz"]})
    assert Run(run.path).pruned == frozenset()


def test_a_prior_that_is_half_trained_loses_its_state(vaecli, run):
    run.priors_folder.mkdir()
    state = run.prior_file("autoregressive", conditional=False, state=True)
    state.write_bytes(b"a state")
    result = vaecli("prune", "--yes")
    assert "3 milestones of its weights, 1 state of a prior\n" in result.stdout
    assert "a prior whose training was stopped begins again" in result.stderr
    assert not state.exists()
    assert {"weights/epoch-00001.npz", str(state.relative_to(run.path))} <= run.pruned


def test_what_a_run_did_not_write_is_left_and_a_link_is_refused(vaecli, run, tmp_path):
    other = copied(run, tmp_path / "outputs" / "x").path.rename(tmp_path / "outputs" / "vae-x")
    stranger = other / "weights" / "epoch-00999.npz"
    stranger.touch()
    elsewhere = tmp_path / "elsewhere.npz"
    (run.path / MILESTONES[1]).rename(elsewhere)
    (run.path / MILESTONES[1]).symlink_to(elsewhere)
    refusal = f"outputs/{run.name}/{MILESTONES[1]}: a symbolic link, which leads elsewhere; remove it\n"
    result = vaecli("prune", run.name, "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", refusal)
    result = vaecli("prune", "--yes")
    assert result.exit_code == 1
    assert result.stderr.endswith(refusal)
    assert list(other.glob("weights/epoch-*")) == [stranger]
    assert elsewhere.exists()
    assert (run.path / MILESTONES[0]).exists()


def test_a_run_that_is_in_use_or_not_finished_is_left(vaecli, run):
    with run.lock():
        result = vaecli("prune", "--yes")
    assert result.exit_code == 1
    assert "another process is training this run" in result.stderr
    assert all((run.path / name).exists() for name in MILESTONES)
    run.summary_json.unlink()
    assert vaecli("prune").stdout == "nothing to remove\n"
    result = vaecli("prune", run.name)
    assert (result.exit_code, result.stderr.partition(";")[0]) == (2, f"{run.name}: not finished (interrupted)")
