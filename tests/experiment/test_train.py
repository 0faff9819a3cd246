"""Start, stop, resume, extend: the bits of the weights are the judge."""

import dataclasses
import math
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import vaecli
from helpers import KINDS, OFTEN, Silent, metrics, reseal, small_config, stop_after, train, weights
from vaecli.config import config_from_text
from vaecli.data import load
from vaecli.errors import ConfigError, DataError, Diverged, Interrupted, RunError
from vaecli.evaluation.evaluator import Evaluator
from vaecli.experiment import journal
from vaecli.experiment.journal import Journal
from vaecli.experiment.plan import plan_run
from vaecli.reports.run import figures
from vaecli.reports.run.figures import title
from vaecli.reports.run.listing import COLUMNS, cells, entry
from vaecli.runs import Run
from vaecli.runs.files import read_npz
from vaecli.training import trainer


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
        "report.html",
        "train.log",
        "tensorflow.log",
        ".lock",
    }
    assert set(os.listdir(finished_run.path)) == expected
    kept = {"epoch-00000.npz", "epoch-00001.npz", "epoch-00002.npz", "last.npz"}
    assert set(os.listdir(finished_run.weights)) == kept
    assert [row["epoch"] for row in finished_run.metrics] == [1, 2]


def test_one_seed_repeats_bit_for_bit_and_another_does_not(finished_run, finished, tmp_path):
    method = finished_run.config.model.name
    again = train(small_config(method), tmp_path)
    assert weights(again) == weights(finished_run)
    assert metrics(again) == metrics(finished_run)
    assert weights(finished(method, seed=1)) != weights(finished_run)


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


@pytest.mark.parametrize("bit", [0, 123_456])
def test_a_damaged_newest_checkpoint_costs_a_few_steps_and_no_bit(bit, finished, tmp_path, many_calls):
    with pytest.raises(Interrupted):
        train(small_config("exact", extra_training=OFTEN), tmp_path, stop=stop_after(5))
    (path,) = tmp_path.iterdir()
    _, newest = sorted(Run(path).checkpoints.iterdir())
    raw = bytearray(newest.read_bytes())
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    newest.write_bytes(raw)
    reporter = Silent()
    run = train(small_config("exact"), tmp_path, reporter=reporter)
    assert reporter.said[0] == f"{newest} is damaged, going back to the state before it"
    assert reporter.said[1] == "resuming after 0 epochs and 6 of 22 steps"
    assert newest.with_name(f"{newest.name}.damaged").read_bytes() == raw
    assert weights(run) == weights(finished("exact"))
    assert metrics(run) == metrics(finished("exact"))


def test_where_every_checkpoint_is_damaged_the_run_begins_again_and_says_so(finished, tmp_path, many_calls):
    with pytest.raises(Interrupted):
        train(small_config("vqvae", extra_training=OFTEN), tmp_path, stop=stop_after(4))
    (path,) = tmp_path.iterdir()
    for checkpoint in Run(path).checkpoints.iterdir():
        checkpoint.write_bytes(b"")
    reporter = Silent()
    run = train(small_config("vqvae"), tmp_path, reporter=reporter)
    assert [line.partition("damaged, ")[2] for line in reporter.said] == [
        "going back to the state before it",
        "beginning again",
    ]
    assert weights(run) == weights(finished("vqvae"))
    assert metrics(run) == metrics(finished("vqvae"))


DAMAGES = {
    "a row ahead": lambda text: text + text.splitlines(keepends=True)[1].replace("1,", "2,", 1),
    "a digit changed, and cut off": lambda text: text.replace("0.", "9.", 1)[:-20],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_metrics_are_put_back_to_where_the_state_is(damage, finished, tmp_path, many_calls):
    """A kill leaves rows ahead of the newest checkpoint; a disk or an editor leaves anything."""
    with pytest.raises(Interrupted):
        train(small_config("categorical"), tmp_path, stop=stop_after(25))
    (path,) = tmp_path.iterdir()
    text = Run(path).metrics_text
    assert text.count("\n") == 2
    Run(path).metrics_csv.write_text(DAMAGES[damage](text))
    run = train(small_config("categorical"), tmp_path)
    assert run.metrics_text.startswith(text)
    assert metrics(run) == metrics(finished("categorical"))
    assert weights(run) == weights(finished("categorical"))


@pytest.mark.parametrize(
    ("young", "extra", "expected"),
    [(1e9, "", [44]), (0.0, "", [22, 44]), (1e9, ", checkpoint_seconds: 0", [*range(3, 45)])],
)
def test_checkpoints_are_saved_by_the_clock(young, extra, expected, tmp_path, monkeypatch, many_calls):
    """At an epoch's end unless the last is young, inside one after checkpoint_seconds, and always at the end."""
    save, steps = Run.save_checkpoint, []

    def save_and_tell(self, arrays, *, step):
        steps.append(step)
        save(self, arrays, step=step)

    monkeypatch.setattr(Run, "save_checkpoint", save_and_tell)
    monkeypatch.setattr("vaecli.experiment.train.YOUNG", young)
    train(small_config("vae", extra_training=extra), tmp_path)
    assert steps == expected


def test_another_version_or_thread_count_is_said_aloud_and_remembered(tmp_path, monkeypatch, many_calls):
    with pytest.raises(Interrupted):
        train(small_config("vae"), tmp_path, stop=stop_after(3))
    (path,) = tmp_path.iterdir()
    info = Run(path).info
    reseal(Run(path).run_json, lambda info: info["versions"].update(keras="3.1"))
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "77")
    reporter = Silent()
    with pytest.raises(Interrupted):
        train(small_config("vae"), tmp_path, reporter=reporter, stop=stop_after(3))
    changed = [f"keras 3.1 -> {keras.__version__}", f"threads {info['threads'] or info['cpus']} -> 77"]
    assert reporter.said[0] == f"bit-for-bit repetition is not promised: {', '.join(changed)}"
    reporter = Silent()
    run = train(small_config("vae"), tmp_path, reporter=reporter)
    assert reporter.said[0].startswith("resuming after")
    assert [session["changed"] for session in run.info["history"]] == [changed, []]


def test_a_state_of_other_settings_is_refused(tmp_path, many_calls):
    with pytest.raises(Interrupted):
        train(small_config("vae"), tmp_path, stop=stop_after(3))
    (path,) = tmp_path.iterdir()
    other = plan_run(small_config("vae", seed=1), load(small_config("vae").data), tmp_path).run
    shutil.copytree(path, other.path)
    with pytest.raises(
        RunError, match=r"another config or other data \(training\.seed 0 instead of 1\); move it elsewhere"
    ):
        train(small_config("vae", seed=1), tmp_path)


def test_a_longer_run_starts_from_the_shorter_one(finished, tmp_path):
    short = train(small_config("gumbel", epochs=1), tmp_path)
    reporter = Silent()
    long = train(small_config("gumbel", epochs=2), tmp_path, reporter=reporter)
    assert long.info["extends"] == short.name
    assert reporter.said == [f"extended from {short.name}", "resuming after 1 epochs and 0 of 22 steps"]
    assert [row["epoch"] for row in reporter.rows] == [2]  # the first epoch was not trained again
    assert weights(long) == weights(finished("gumbel"))
    assert metrics(long) == metrics(finished("gumbel"))


def test_a_scheduled_run_is_not_extended_because_a_longer_one_cools_more_slowly(tmp_path):
    model = "{name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}"
    short = train(small_config(model, epochs=1), tmp_path)
    reporter = Silent()
    long = train(small_config(model, epochs=2), tmp_path, reporter=reporter)
    assert long.info["extends"] is None
    (said,) = reporter.said
    assert said == f"begins again, not from {short.name}: a schedule is stretched over all epochs"
    assert [row["epoch"] for row in reporter.rows] == [1, 2]
    assert "τ = 1→0.5" in title(long)


HORIZON = "{schedule: linear, start: 1.0, end: 0.5, horizon: 3}"


def test_a_run_whose_schedule_has_a_horizon_is_extended(tmp_path):
    model = f"{{name: gumbel, temperature: {HORIZON}}}"
    short = train(small_config(model, epochs=1), tmp_path / "both")
    long = train(small_config(model, epochs=2), tmp_path / "both")
    alone = train(small_config(model, epochs=2), tmp_path / "alone")
    assert long.info["extends"] == short.name
    assert weights(long) == weights(alone)
    assert metrics(long) == metrics(alone)
    assert long.metrics[-1]["temperature"] == pytest.approx(1 - 0.5 * 43 / 66)


LENGTH = ", steps: 30, evaluate_at: [3, 25], learning_rate: {schedule: cosine, start: 0.01, end: 0, warm_up: 0.5}"


def test_a_run_of_steps_is_the_same_after_a_resume_and_says_how_far_it_is(tmp_path, many_calls):
    config = config_from_text(
        f"model: straight_through\nnetwork: {{hidden: [16]}}\ndata: digits\ntraining: {{seed: 0{OFTEN}{LENGTH}}}"
    )
    with pytest.raises(Interrupted, match=r"stopped and saved at epoch 2, step \d of 22"):
        train(config, tmp_path / "cut", stop=stop_after(26))
    (path,) = (tmp_path / "cut").iterdir()
    cut = Run(path)
    assert entry(cut)["epochs"] is None
    assert entry(cut)["steps"] == {"done": 25, "of": 30}
    cut, whole = train(config, tmp_path / "cut"), train(config, tmp_path / "whole")
    assert weights(cut) == weights(whole)
    assert metrics(cut) == metrics(whole)
    assert [(row["step"], row["epoch"]) for row in whole.metrics] == [
        (3, 3 / 22),
        (22, 1),
        (25, 25 / 22),
        (30, 30 / 22),
    ]
    rates = [row["learning_rate"] for row in whole.metrics]
    falling = [0.01 * (1 + np.cos(np.pi * (step - 1 - 11) / 19)) / 2 for step in (22, 25, 30)]
    assert rates == pytest.approx([1e-5 + (0.01 - 1e-5) * 2 / 11, *falling], rel=1e-4)
    assert cells(entry(whole))[COLUMNS.index("epochs")] == "30 steps"
    assert "30 steps" in title(whole)
    loss, errors, schedules = figures.loss_curves(whole).axes
    assert (errors.get_xlabel(), schedules.get_xlabel()) == ("step", "step")
    assert list(loss.get_lines()[0].get_xdata()) == [3, 22, 25, 30]
    assert max(schedules.get_lines()[0].get_ydata()) == 1


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("epochs: 1, evaluate_at: [23]", "training.evaluate_at: 23 is beyond the end of the run after 22 steps"),
        (
            "steps: 22, learning_rate: {schedule: linear, start: 1, end: 0, warm_up: 1}",
            "training.learning_rate.warm_up: 1 epochs of 22 steps are not over when the run ends after 22",
        ),
    ],
)
def test_what_lies_beyond_the_last_step_is_a_mistake(tmp_path, keys, line):
    config = config_from_text(f"model: vae\ndata: digits\ntraining: {{{keys}}}")
    with pytest.raises(ConfigError, match=line):
        train(config, tmp_path)


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
    with pytest.raises(
        Diverged, match=r"epoch 1, step 2: the loss is not a finite number; look at training\.learning_rate = 1e\+30"
    ) as error:
        train(config, tmp_path)
    assert error.value.exit_code == 4
    (path,) = tmp_path.iterdir()
    assert Run(path).status == "failed"
    assert "step 2" in Run(path).failure
    assert all(np.isfinite(array).all() for array in Run(path).load_weights("epoch-00000").values())


@pytest.mark.parametrize("method", ["vae", "gumbel"])
def test_a_finite_loss_with_a_gradient_whose_norm_is_not_is_divergence(tmp_path, method):
    """The sum of the squares of its numbers, each of which is finite, is not."""
    slow = ", optimizer: sgd, learning_rate: 1e-30"
    config = small_config(method, epochs=1, extra="objective: {beta: 1e+25}", extra_training=slow)
    for _ in range(2):
        with pytest.raises(Diverged, match=r"epoch 1, step 22: gradient_norm_encoder is not a finite number; look at"):
            train(config, tmp_path)
    (path,) = tmp_path.iterdir()
    assert Run(path).status == "failed"
    assert Run(path).metrics_text == ""


@pytest.mark.parametrize("figure", ["mse_sampled", "mse_mode", "rate", "distortion"])
@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_figure_that_is_no_number_is_divergence_and_named(tmp_path, monkeypatch, split, figure):
    evaluate = Evaluator.__call__
    dataset = load(small_config("vae").data)
    count = {"test": len(dataset.test), "validation": 100}[split]

    def broken(self, weights, done):
        found = evaluate(self, weights, done)
        wrong = found._replace(measured=dataclasses.replace(found.measured, **{figure: math.inf}))
        return wrong if self.count == count else found

    monkeypatch.setattr(Evaluator, "__call__", broken)
    config = small_config("vae", epochs=1)
    config = config.model_copy(update={"data": config.data.model_copy(update={"validation": 100})})
    with pytest.raises(Diverged, match=rf"epoch 1, step 20: {split}_{figure} is not a finite number; look at"):
        train(config, tmp_path)


def test_a_state_whose_rows_hold_no_numbers_says_so_at_each_resume(tmp_path, monkeypatch):
    """A state as older runs may have left it: the training only lacks its summary."""
    config = small_config("vae", epochs=1)
    chunks = trainer.Trainer.chunks

    def infinite(self, state):
        for chunk in chunks(self, state):
            broken = chunk.metrics and {**chunk.metrics, "gradient_norm_decoder": math.inf}
            yield chunk._replace(metrics=broken)

    with monkeypatch.context() as before:
        before.setattr(trainer.Trainer, "chunks", infinite)
        before.setattr(Journal, "_check", lambda self, row: None)
        with pytest.raises(ValueError, match="JSON"):
            train(config, tmp_path)
    for _ in range(2):
        with pytest.raises(Diverged, match=r"epoch 1, step 22: gradient_norm_decoder is not a finite number"):
            train(config, tmp_path)


@pytest.mark.drawn
def test_a_run_is_finished_whatever_becomes_of_its_pictures(finished, tmp_path, monkeypatch):
    def fail(run, arrays, width):
        raise ValueError("no such picture")

    reporter = Silent()
    with monkeypatch.context() as broken:
        broken.setattr(figures, "code_use", fail)
        run = train(small_config("gumbel"), tmp_path, reporter=reporter)
    assert run.status == "finished"
    assert weights(run) == weights(finished("gumbel"))
    path = run.figures / "code_use.png"
    line = f"{path}: could not be drawn (ValueError: no such picture); `vaecli plot {run.name}` draws it"
    assert reporter.said == [line]
    assert sorted(os.listdir(run.figures)) == ["codes.png", "loss.png", "reconstructions.png"]
    log = run.train_log.read_text()
    assert line in log
    assert "Traceback (most recent call last)" in log
    assert path in figures.draw_run(run, failed=pytest.fail)
    assert path.read_bytes() == (finished("gumbel").figures / "code_use.png").read_bytes()


@pytest.mark.drawn
def test_the_results_are_safe_before_anything_is_drawn(tmp_path, monkeypatch):
    states = []
    monkeypatch.setattr(figures, "draw_run", lambda run, **_: states.append((run.status, run.figures.exists())))
    train(small_config("vae", epochs=1), tmp_path)
    assert states == [("finished", False)]


@pytest.mark.drawn
def test_a_run_that_was_not_drawn_is_drawn_by_the_next_training_and_nothing_else_is_done(finished, tmp_path):
    run = train(small_config("gumbel"), tmp_path, drawn=False)
    assert (run.finished, run.drawn, run.figures.exists()) == (True, False, False)
    before = {name: (run.path / name).read_bytes() for name in run.summary["files"]}
    assert train(small_config("gumbel"), tmp_path).drawn
    assert {name: (run.path / name).read_bytes() for name in run.summary["files"]} == before
    assert sorted(os.listdir(run.figures)) == sorted(os.listdir(finished("gumbel").figures))


@pytest.mark.drawn
def test_what_a_run_finishes_with_again_is_drawn_again(tmp_path):
    run = train(small_config("vae", epochs=1), tmp_path)
    old = run.report_html.read_text().replace("</html>", "old</html>")
    run.report_html.write_text(old)
    train(small_config("vae", epochs=1), tmp_path)
    assert run.report_html.read_text() == old
    run.reconstructions_npz.unlink()
    train(small_config("vae", epochs=1), tmp_path)
    assert not run.report_html.read_text().rstrip().endswith("old</html>")


def test_many_codes_are_decoded_a_few_at_a_time(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "ONE_HOT_NUMBERS", 35)  # of ten codes three at once
    run = train(small_config("gumbel"), tmp_path)
    drawn, expected = (found.reconstructions()["prototypes"] for found in (run, finished("gumbel")))
    assert np.allclose(drawn, expected, atol=1e-6)


def test_a_diverged_state_is_never_saved(tmp_path, monkeypatch, many_calls):
    """The loss of a call's last step is finite, what the step made of the weights is not."""
    call = trainer.Trainer._call

    def diverging(self, state, order, steps):
        chunk = call(self, state, order, steps)
        broken = [tf.fill(w.shape, np.nan) for w in chunk.state.weights]
        last = (state.epoch, chunk.state.step) == (1, 6)
        return chunk._replace(state=chunk.state._replace(weights=broken)) if last else chunk

    monkeypatch.setattr(trainer.Trainer, "_call", diverging)
    with pytest.raises(Diverged, match=r"epoch 2, step 6: weights/encoder/encoder_0/kernel is not a finite number"):
        train(small_config("vae", extra_training=OFTEN), tmp_path)
    (path,) = tmp_path.iterdir()
    _, arrays = next(Run(path).states())
    assert (arrays["epoch"], arrays["step"]) == (1, 5)
    assert all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


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
    state = read_npz(run.checkpoints / "best.npz")
    assert (state["epoch"], state["step"]) == (best, 0)
    assert all(np.array_equal(array, state[f"weights/{name}"]) for name, array in expected.items())


def test_summary_has_the_same_keys_for_every_method(finished):
    def keys(tree, path=""):
        for key, value in tree.items():
            yield f"{path}{key}"
            yield from keys(value, f"{path}{key}.") if isinstance(value, dict) else ()

    first, *others = (set(keys(finished(method).summary | {"files": {}})) for method in KINDS)
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


@pytest.mark.parametrize("method", ["gumbel", "relax"])
def test_a_learned_prior_is_trained_kept_and_resumed_bit_for_bit(method, tmp_path, many_calls):
    config = small_config(method, extra="objective: {beta: 0.01, prior: learned}", extra_training=OFTEN)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", stop=stop_after(5))
    cut, whole = train(config, tmp_path / "cut"), train(config, tmp_path / "whole")
    assert weights(cut) == weights(whole)
    assert metrics(cut) == metrics(whole)
    first, last = (whole.load_weights(name)["bottleneck/prior/logits"] for name in ("epoch-00000", "last"))
    assert (first.shape, first.any()) == ((1, 10), False)
    assert last.all()
    assert whole.summary["protocol"]["rate"] == "analytic KL to the learned prior, in nats per image"
    assert vaecli.load_run(whole.path).encode(np.zeros((1, 8, 8))).rate > 0


def test_dynamic_pixels_are_the_same_after_a_resume_and_others_at_each_use(tmp_path, many_calls):
    extra = "objective: {likelihood: bernoulli}\n"

    def config(how):
        found = small_config("gumbel", extra=extra, extra_training=OFTEN)
        return found.model_copy(update={"data": found.data.model_copy(update={"binarization": how})})

    with pytest.raises(Interrupted):
        train(config("dynamic"), tmp_path / "cut", stop=stop_after(5))
    cut, whole = train(config("dynamic"), tmp_path / "cut"), train(config("dynamic"), tmp_path / "whole")
    assert weights(cut) == weights(whole)
    assert metrics(cut) == metrics(whole)
    static = train(config("static"), tmp_path / "static")
    assert static.name != whole.name
    assert weights(static) != weights(whole)
    assert whole.summary["protocol"]["binarization"] == "dynamic"
    assert set(np.unique(whole.reconstructions()["images"])) == {0, 1}
