"""`vaecli prior`: what is kept, what is shown, what is refused, and that a stopped training repeats bit for bit."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import copied, forge, reseal, small_config
from vaecli import load_run
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.errors import Damaged, DataError, RunError, RunFailed
from vaecli.experiment import prior as prior_of_run
from vaecli.experiment.prior import Asked, fit, load_prior
from vaecli.runs.added import prior_of
from vaecli.runs.files import to_npz
from vaecli.runs.run import file_digest
from vaecli.terminal.console import Console

GRID = config_from_text(
    "model: {name: vqvae, num_codes: 8, code_dim: 4}\n"
    "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
)
TEN = small_config("vqvae")


def fitted(run, asked, stop=lambda: None, say=lambda line: None):
    quiet = Console(quiet=True)
    return fit(run, asked, None, fetching=quiet.fetching, counting=quiet.counting, say=say, stop=stop)


@pytest.fixture
def grid(vaecli, once):
    return copied(once(GRID), Path("outputs"))


@pytest.fixture
def ten(vaecli, once):
    return copied(once(TEN), Path("outputs"))


def test_the_code_length_of_one_code_is_the_cross_entropy_of_its_use(vaecli, ten):
    done = vaecli("prior", ten.name, "--json")
    found = json.loads(done.stdout)
    train, test = (load_run(ten.path).encode(split.images).codes[:, 0] for split in (digits().train, digits().test))
    counts = np.bincount(train, minlength=10) + 1
    bits = -np.log2(counts / counts.sum())[test]
    assert found["kind"] == "independent"
    assert found["code_length"]["test"]["value"] == pytest.approx(bits.mean(), rel=1e-12)
    assert found["code_length"]["test"]["standard_error"] == pytest.approx(bits.std(ddof=1) / math.sqrt(360), rel=1e-9)
    use = np.bincount(test, minlength=10) / len(test)
    entropy = -sum(share * math.log2(share) for share in use if share)
    assert found["code_length"]["test"]["value"] == pytest.approx(entropy, abs=0.1)  # 360 images differ from 1,437
    shares = np.bincount(train, minlength=10) / len(train)  # to which the prior was fitted
    own = -sum(share * math.log2(share) for share in shares if share)
    assert found["code_length"]["train"]["value"] == pytest.approx(own, abs=0.01)
    again = vaecli("prior", ten.name, "--json")
    assert (again.stdout, again.stderr) == (done.stdout, f"{ten.prior_json}: this is what it has\n")


def test_it_stands_in_every_table_and_verify_reads_it(vaecli, grid, tmp_path):
    assert vaecli("prior", grid.name, "--epochs", "1", "-q").exit_code == 0
    assert vaecli("prior", grid.name, "--kind", "independent", "-q").exit_code == 0
    one, other = grid.priors
    assert [one["kind"], other["kind"]] == ["autoregressive", "independent"]
    least = min(prior["code_length"]["test"]["value"] for prior in (one, other))
    assert prior_of(grid)["code_length"] == least
    show = vaecli("show", grid.name).stdout
    for prior in (one, other):
        assert f"{prior['code_length']['test']['value']:.2f} ± " in show
    listed = vaecli("list").stdout.splitlines()
    assert "code length" in listed[0]
    assert f"{least:.2f}" in listed[1]
    assert json.loads(vaecli("show", grid.name, "--json").stdout)["priors"] == [one, other]
    compared = json.loads(vaecli("compare", grid.path, "--no-train", "--format", "json", "-q").stdout)
    assert compared[0]["prior.code_length"] == least
    verified = vaecli("verify", "--files", grid.name)
    assert verified.exit_code == 0
    path = grid.prior_file("independent", conditional=False)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    verified = vaecli("verify", "--files", grid.name)
    assert verified.exit_code == 1
    assert "priors/independent.npz: changed" in verified.stdout


def test_labels_make_one_prior_each(vaecli, grid):
    assert vaecli("prior", grid.name, "--kind", "independent", "--conditional", "-q").exit_code == 0
    (found,) = grid.priors
    assert found["labels"] == list(range(10))
    train, test = (load_run(grid.path).encode(split.images).codes for split in (digits().train, digits().test))
    of_three = train[digits().train.labels == 3]
    p = (np.array([(of_three == value).sum(0) for value in range(8)]).T + 1) / (len(of_three) + 8)  # [16, 8]
    assert load_prior(grid, found).probabilities[3] == pytest.approx(p)
    assert test.shape == (360, 16)
    assert prior_of(grid) == {}  # bits that need the label are not the bits of the image


@pytest.mark.parametrize("stops", [(1, 2, 3), (4,)])
def test_a_stopped_training_goes_on_to_the_same_bits(vaecli, grid, once, tmp_path, monkeypatch, stops):
    asked = Asked("autoregressive", False, 2)
    whole = fitted(copied(once(GRID), tmp_path / "whole"), asked)
    said = []
    monkeypatch.setattr("vaecli.training.prior.SECONDS_PER_CALL", 0)  # one step a call, however fast it is
    for after in stops:
        polls = iter(range(100))
        with pytest.raises(prior_of_run.Interrupted, match="stopped and saved at epoch"):
            fitted(grid, asked, stop=lambda polls=polls, after=after: 130 if next(polls) + 1 == after else None)
    assert fitted(grid, asked, say=said.append) == whole
    assert any("resumed in epoch" in line for line in said)
    assert not grid.prior_file("autoregressive", conditional=False, state=True).exists()


def test_after_its_state_was_pruned_it_says_that_it_begins_again(vaecli, grid):
    asked, said = Asked("autoregressive", False, 1), []
    with pytest.raises(prior_of_run.Interrupted):
        fitted(grid, asked, stop=lambda: 130)
    assert vaecli("prune", "--yes").exit_code == 0
    fitted(grid, asked, say=said.append)
    assert f"{grid.name}: begins again, as the state of this prior's training was pruned" in said
    assert not [name for name in grid.pruned if name.startswith("priors/")]  # the next one does not say so
    assert grid.examine().missing == []


def test_a_state_of_other_weights_is_not_resumed(vaecli, grid, once, tmp_path):
    asked = Asked("autoregressive", False, 1)
    with pytest.raises(prior_of_run.Interrupted):
        fitted(grid, asked, stop=lambda: 130)
    state = grid.prior_file("autoregressive", conditional=False, state=True)
    raw = state.read_bytes()
    other = copied(once(GRID.model_copy(update={"training": GRID.training.model_copy(update={"seed": 1})})), tmp_path)
    target = other.prior_file("autoregressive", conditional=False, state=True)
    target.parent.mkdir()
    target.write_bytes(raw)
    said = []
    fitted(other, asked, say=said.append)
    assert not [line for line in said if "resumed" in line]
    state.write_bytes(raw[:-1] + b"0")
    fitted(grid, asked, say=said.append)
    assert not [line for line in said if "resumed" in line]


def test_a_prior_of_other_weights_is_told_and_not_used(vaecli, grid):
    assert vaecli("prior", grid.name, "--kind", "independent", "-q").exit_code == 0
    reseal(grid.prior_json, lambda tree: tree["priors"][0].update(digest="0" * 64))
    assert prior_of(grid) == {}
    show = vaecli("show", grid.name)
    assert "code length" not in show.stdout
    assert "prior.json: of the codes of other weights than" in show.stdout
    again = vaecli("prior", grid.name, "--kind", "independent")
    assert "of other weights than" in again.stderr.splitlines()[0]
    assert prior_of(grid)["kind"] == "independent"


@pytest.mark.parametrize(
    ("config", "options", "code", "line"),
    [
        (small_config("vae"), [], 2, ": vae has no codes to fit a prior to; that of its vectors is N(0, 1)\n"),
        (TEN, ["--epochs", "3"], 2, "--epochs 3: an independent prior is counted, not trained"),
        (GRID, ["--epochs", "0"], 2, "Invalid value for '--epochs'"),
        (GRID, ["--kind", "pixelcnn"], 2, "'pixelcnn' is not one of 'independent', 'autoregressive'"),
    ],
)
def test_mistakes_are_a_line(vaecli, once, config, options, code, line):
    run = copied(once(config), Path("outputs"))
    done = vaecli("prior", run.name, *options)
    assert done.exit_code == code
    assert line in done.stderr
    assert not run.prior_json.exists()


def test_a_grid_too_long_for_memory_is_refused_in_a_line(vaecli, grid, monkeypatch):
    monkeypatch.setattr(prior_of_run, "available", lambda: 5e8)
    done = vaecli("prior", grid.name)
    assert done.exit_code == 1
    assert "an autoregressive prior over 16 codes needs about" in done.stderr.splitlines()[-1]


def test_images_that_are_drawn_again_at_each_use_have_no_codes_of_their_own(vaecli, ten):
    forge(ten, lambda info: info["config"]["data"].update(binarization="dynamic"))
    reason = (
        f"{ten.name}: a prior is fitted to the codes of the training images, but data.binarization: dynamic draws "
        "these images again at each use\n"
    )
    for command in (["prior", ten.name], ["sample", ten.name, "-q", "-o", "s.npz"]):
        result = vaecli(*command)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", reason)


def test_arrays_that_are_not_those_of_the_prior_are_a_line(vaecli, ten):
    vaecli("prior", ten.name, "-q")
    path = ten.prior_file("independent", conditional=False)
    for arrays, why in (
        ({"other": np.zeros(3)}, "no counts"),
        ({"counts": np.zeros((1, 1, 9), np.int64)}, "counts are int64 (1, 1, 9)"),
    ):
        path.write_bytes(to_npz(arrays))
        reseal(ten.prior_json, lambda tree: tree["priors"][0].update(file=file_digest(path)))
        (fitted,) = ten.priors
        with pytest.raises(RunError) as error:
            load_prior(ten, fitted)
        assert error.value.lines == (f"{ten.prior_json}: the arrays of its independent prior do not fit ({why})",)
    path.write_bytes(b"")
    with pytest.raises(Damaged) as damaged:
        load_prior(ten, fitted)
    assert damaged.value.lines == (
        f"{path}: cannot be used (it was changed, or is of another run); `vaecli prior {ten.name}` makes it again",
    )


def test_a_label_that_no_training_image_has_has_no_prior():
    with pytest.raises(DataError) as error:
        prior_of_run.classes_of(np.array([0, 1, 7, 5]), [0, 1], 4)
    assert error.value.lines == ("--conditional: test images have the label 5, and no training image has it",)


def test_a_prior_that_diverges_is_a_line(vaecli, ten, monkeypatch):
    state = SimpleNamespace(best_loss=math.inf, epoch=1)
    trainer = SimpleNamespace(epochs=1, steps_per_epoch=1, names=[], seed=0)
    trainer.initial_state, trainer.states = lambda: state, lambda first: iter(())
    quiet = Console(quiet=True)
    with pytest.raises(RunFailed) as error:
        prior_of_run._train(
            ten,
            Asked("autoregressive", False, 1),
            trainer,
            "0" * 64,
            counting=quiet.counting,
            say=quiet.say,
            stop=lambda: None,
        )
    assert error.value.lines == (f"{ten.name}: the training of its prior diverged in epoch 1",)


def test_data_without_labels_have_no_conditional_prior(vaecli, tmp_path):
    floats = (split.images[..., 0].astype(np.float32) / 16 for split in (digits().train, digits().test))
    np.savez("mine.npz", **dict(zip(("x_train", "x_test"), floats, strict=True)))
    (tmp_path / "mine.yaml").write_text(
        "model: vqvae\nnetwork: {hidden: [8]}\ndata: {name: npz, path: mine.npz}\n"
        "training: {epochs: 1, compile: graph}\n"
    )
    assert vaecli("train", "-c", "mine.yaml", "-q").exit_code == 0
    done = vaecli("prior", "vqvae", "--conditional")
    assert done.exit_code == 2
    (run,) = Path("outputs").glob("vqvae-*")
    assert done.stderr.splitlines()[-1] == f"{run.name}: --conditional needs labels, and mine has none"
    done = vaecli("sample", "vqvae", "--label", "1", "-o", "s.npz")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"--label 1: the training images of {run.name} have no labels"
