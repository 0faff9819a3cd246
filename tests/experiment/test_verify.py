import shutil

import pytest

from helpers import forge
from vaecli.config import config_from_text
from vaecli.errors import RunError, RunFailed
from vaecli.experiment import verify
from vaecli.runs import Run


@pytest.fixture
def copied(finished, tmp_path):
    """A finished run that may be changed."""
    original = finished("vqvae").path
    return Run(shutil.copytree(original, tmp_path / original.name))


def test_untouched_files_are_whole(finished_run):
    files = finished_run.examine()
    assert (files.changed, files.missing) == ([], [])
    assert {"config.yaml", "run.json", "metrics.csv", "model.keras", "weights/last.npz"} <= set(files.whole)


def test_a_flipped_bit_and_a_missing_file_are_named(copied):
    name = "weights/epoch-00001.npz"
    raw = bytearray((copied.path / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copied.path / name).write_bytes(raw)
    copied.model_keras.unlink()
    files = copied.examine()
    assert (files.changed, files.missing) == ([name], ["model.keras"])
    total = sum(map(len, files))
    assert list(files.lines) == [
        f"files   {total - 2} of {total} are as the run wrote them",
        f"        {name}: changed",
        "        model.keras: missing",
    ]


def test_an_unfinished_run_has_nothing_to_verify_yet(copied):
    copied.summary_json.unlink()
    with pytest.raises(RunError, match="not finished"):
        copied.examine()


def test_a_short_copy_that_is_killed_repeats_bit_for_bit(finished, tmp_path):
    proof = verify.prove(finished("gumbel"), tmp_path, None)
    assert proof.different == []
    assert proof.resumed_after == 8  # the compiled loop's first call
    assert (proof.epochs, proof.steps) == (2, 22)
    assert proof.arrays == len(next(finished("gumbel").states())[1]) - 2
    (killed,) = (tmp_path / "killed").iterdir()
    assert "died while training this run" in Run(killed).train_log.read_text()


def test_a_run_in_half_precision_repeats_bit_for_bit_and_keeps_single_precision(once, tmp_path):
    """What is kept of it is float32: weights, the optimiser's moments, and images."""
    training = "{epochs: 2, precision: mixed_bfloat16, force_precision: true}"
    run = once(
        config_from_text(
            "model: {name: vqvae, num_codes: 8, codebook: ema}\nnetwork: {kind: conv, channels: [4]}\n"
            f"data: digits\ntraining: {training}"
        )
    )
    assert verify.prove(run, tmp_path, None).different == []
    for arrays in (run.load_weights(), next(run.states())[1], run.reconstructions()):
        assert {array.dtype.name for array in arrays.values()} <= {"float32", "int32", "int64", "uint8", "uint32"}


def test_runs_that_differ_are_told_apart(finished, tmp_path, monkeypatch):
    """Two methods with equal arrays stand for a machine that does not repeat."""
    copies = iter([finished("gumbel"), finished("gumbel"), finished("straight_through")])
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "left").symlink_to(finished("gumbel").path)
    monkeypatch.setattr(verify, "_train_copy", lambda *_, **__: next(copies))
    proof = verify.prove(finished("gumbel"), tmp_path, None)
    assert {"weights/decoder/decoder_pixels/kernel", "config", "metrics.csv"} <= set(proof.different)
    assert "        metrics.csv: differs" in proof.lines


def test_a_copy_that_fails_is_one_line(copied, tmp_path):
    copied = forge(copied, lambda info: info["data"].update(digest="0" * 64))
    with pytest.raises(RunFailed, match=r"exit code 1, saying: .*not the data that vqvae-.* was trained on") as error:
        verify.prove(copied, tmp_path / "copies", None)
    assert len(error.value.lines) == 1
