"""Start, stop, resume, extend: the bits of the weights are the judge."""

import itertools
import os

import numpy as np
import pytest

from helpers import KINDS, Silent, small_config, train
from vaecli.errors import DataError, Diverged, Interrupted, RunError
from vaecli.reports.figures import title
from vaecli.runs import Run
from vaecli.runs import files as run_files
from vaecli.training import trainer

TIMES = ("seconds",)


def weights(run):
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def metrics(run):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in run.metrics]


def stop_after(calls, code=130):
    """A `stop` that asks to stop from the given call of the compiled loop on."""
    counter = itertools.count(1)
    return lambda: code if next(counter) >= calls else None


@pytest.fixture
def many_calls(monkeypatch):
    """Short calls, so that a small training has many places to stop at."""
    monkeypatch.setattr(trainer, "FIRST_CALL_STEPS", 3)
    monkeypatch.setattr(trainer, "SECONDS_PER_CALL", 0.0)


def test_a_finished_run_has_every_file(finished_run):
    expected = {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "summary.json",
        "checkpoints",
        "weights",
        "model.keras",
        "model.weights.h5",
        "reconstructions.npz",
        "figures",
        "train.log",
        "tensorflow.log",
        ".lock",
    }
    assert set(os.listdir(finished_run.path)) == expected
    kept = {"epoch-00000.npz", "epoch-00001.npz", "epoch-00002.npz", "last.npz"}
    assert set(os.listdir(finished_run.weights)) == kept
    assert [row["epoch"] for row in finished_run.metrics] == [1, 2]


def test_one_seed_repeats_bit_for_bit_and_another_does_not(finished_run, tmp_path):
    method = finished_run.config.model.name
    again = train(small_config(method), tmp_path)
    assert weights(again) == weights(finished_run)
    assert metrics(again) == metrics(finished_run)
    other = train(small_config(method, seed=1), tmp_path)
    assert weights(other) != weights(finished_run)


@pytest.mark.parametrize("calls", [1, 2, 9])
@pytest.mark.parametrize("method", ["gumbel", "vqvae"])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(method, calls, finished, tmp_path, many_calls):
    with pytest.raises(Interrupted) as stopped:
        train(small_config(method), tmp_path, stop=stop_after(calls))
    assert stopped.value.exit_code == 130
    run = train(small_config(method), tmp_path)
    assert weights(run) == weights(finished(method))
    assert metrics(run) == metrics(finished(method))


def test_a_run_stopped_again_and_again_ends_with_the_same_bits(finished, tmp_path, many_calls):
    for _ in range(3):
        with pytest.raises(Interrupted):
            train(small_config("straight_through"), tmp_path, stop=stop_after(5))
    run = train(small_config("straight_through"), tmp_path)
    assert weights(run) == weights(finished("straight_through"))
    assert metrics(run) == metrics(finished("straight_through"))


class Killed(BaseException):
    """What no code catches."""


def test_killed_at_any_write_a_run_resumes_with_the_same_bits(finished, tmp_path, monkeypatch):
    """One run that dies at every single rename, one after another, and still ends as if nothing had happened."""
    replace = os.replace
    deaths = 0

    def die_at_a_new_place(source, target):
        nonlocal deaths
        name = os.path.basename(target)
        if name not in survived:
            survived.add(name)
            deaths += 1
            raise Killed
        replace(source, target)

    survived: set[str] = set()
    monkeypatch.setattr(run_files.os, "replace", die_at_a_new_place)
    while True:
        try:
            run = train(small_config("gumbel"), tmp_path)
            break
        except Killed:
            assert Run(next(tmp_path.iterdir())).status == "interrupted"
    assert {"config.yaml", "run.json", "reconstructions.npz", "summary.json", "last.npz"} <= survived
    assert deaths > 10
    assert weights(run) == weights(finished("gumbel"))
    assert metrics(run) == metrics(finished("gumbel"))


def test_a_damaged_newest_checkpoint_costs_an_epoch_and_no_bit(finished, tmp_path, many_calls):
    with pytest.raises(Interrupted):
        train(small_config("exact"), tmp_path, stop=stop_after(12))
    (path,) = tmp_path.iterdir()
    newest = max(Run(path).checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    reporter = Silent()
    run = train(small_config("exact"), tmp_path, reporter=reporter)
    assert f"{newest} is damaged" in reporter.said[0]
    assert weights(run) == weights(finished("exact"))
    assert metrics(run) == metrics(finished("exact"))


def test_a_row_written_before_its_checkpoint_is_not_doubled(finished, tmp_path, monkeypatch):
    """The process dies between the second epoch's row and its checkpoint."""
    save = Run.save_checkpoint

    def die_at_the_end(self, arrays, *, step):
        if step == 2 * 22:
            raise Killed
        save(self, arrays, step=step)

    with monkeypatch.context() as dying:
        dying.setattr(Run, "save_checkpoint", die_at_the_end)
        with pytest.raises(Killed):
            train(small_config("categorical"), tmp_path)
    (path,) = tmp_path.iterdir()
    assert len(Run(path).metrics) == 2
    run = train(small_config("categorical"), tmp_path)
    assert metrics(run) == metrics(finished("categorical"))


def test_a_longer_run_starts_from_the_shorter_one(finished, tmp_path):
    short = train(small_config("gumbel", epochs=1), tmp_path)
    reporter = Silent()
    long = train(small_config("gumbel", epochs=2), tmp_path, reporter=reporter)
    assert long.info["extends"] == short.name
    assert [row["epoch"] for row in reporter.rows] == [2]  # the first epoch was not trained again
    assert weights(long) == weights(finished("gumbel"))
    assert metrics(long) == metrics(finished("gumbel"))


def test_a_scheduled_run_is_not_extended_because_a_longer_one_cools_more_slowly(tmp_path):
    model = "{name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}"
    train(small_config(model, epochs=1), tmp_path)
    reporter = Silent()
    long = train(small_config(model, epochs=2), tmp_path, reporter=reporter)
    assert long.info["extends"] is None
    assert [row["epoch"] for row in reporter.rows] == [1, 2]
    assert "τ = 1→0.5" in title(long)


def test_a_finished_run_is_left_alone_unless_fresh(tmp_path):
    config = small_config("vae", epochs=1)
    run = train(config, tmp_path)
    before = run.summary_json.stat().st_mtime_ns, weights(run)
    train(config, tmp_path)
    assert run.summary_json.stat().st_mtime_ns == before[0]
    train(config, tmp_path, fresh=True)
    assert run.summary_json.stat().st_mtime_ns != before[0]
    assert weights(run) == before[1]


def test_divergence_is_named_and_the_last_good_state_kept(tmp_path):
    config = small_config("vae").model_copy(
        update={"training": small_config("vae").training.model_copy(update={"learning_rate": 1e30})}
    )
    with pytest.raises(Diverged, match=r"diverged in epoch 1: .* a lower training.learning_rate may help") as error:
        train(config, tmp_path)
    assert error.value.exit_code == 4
    (path,) = tmp_path.iterdir()
    assert Run(path).status == "failed"
    assert all(np.isfinite(array).all() for array in Run(path).load_weights("epoch-00000").values())


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(tmp_path):
    config = small_config("vae")
    config = config.model_copy(update={"training": config.training.model_copy(update={"batch_size": 5000})})
    with pytest.raises(DataError, match="5,000 is more than the 1,437 training images of digits"):
        train(config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_second_process_is_refused(tmp_path):
    run = train(small_config("vae", epochs=1), tmp_path)
    run.summary_json.unlink()
    with run.lock(), pytest.raises(RunError, match="another process"):
        train(small_config("vae", epochs=1), tmp_path)


def test_the_validation_split_is_measured_and_its_best_weights_kept(tmp_path):
    config = small_config("gumbel").model_copy(
        update={"data": small_config("gumbel").data.model_copy(update={"validation": 300})}
    )
    run = train(config, tmp_path)
    errors = [row["validation_mse_sampled"] for row in run.metrics]
    best = 1 + int(np.argmin(errors))
    assert all(np.isfinite(errors))
    expected = run.load_weights(f"epoch-{best:05d}")
    assert all(np.array_equal(array, expected[name]) for name, array in run.load_weights("best").items())


def test_summary_has_the_same_keys_for_every_method(finished):
    def keys(tree, path=""):
        for key, value in tree.items():
            yield f"{path}{key}"
            yield from keys(value, f"{path}{key}.") if isinstance(value, dict) else ()

    first, *others = (set(keys(finished(method).summary)) for method in KINDS)
    assert all(other == first for other in others)


def test_the_naive_encoder_stays_as_it_was_initialised(finished):
    run = finished("categorical")
    first, last = run.load_weights("epoch-00000"), run.load_weights("last")
    unchanged = [name for name in first if np.array_equal(first[name], last[name])]
    assert unchanged == run.summary["without_gradient"]
    assert unchanged == [name for name in first if not name.startswith("decoder/")]
    assert run.summary["gradient_norm"]["encoder"] == 0


@pytest.mark.parametrize("method", [name for name in KINDS if name != "categorical"])
def test_every_other_method_moves_all_its_weights(finished, method):
    run = finished(method)
    first, last = run.load_weights("epoch-00000"), run.load_weights("last")
    assert not [name for name in first if np.array_equal(first[name], last[name])]
    assert run.summary["without_gradient"] == []
