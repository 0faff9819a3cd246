"""What a worker does, in this process."""

import os
import subprocess
import warnings

import pytest

from helpers import small_config, train, written
from vaecli.config import config_from_text, dump
from vaecli.data import load
from vaecli.experiment.journal import Journal
from vaecli.experiment.plan import plan_run
from vaecli.launch import task as module
from vaecli.launch.task import STOP, Outcome, Task, perform, read_beat
from vaecli.runs import Run
from vaecli.runs.references import load_references


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "outputs" / ".launch-test"
    path.mkdir(parents=True)
    return path


def task_of(config, folder):
    plan = plan_run(config, load(config.data), folder.parent)
    return Task(plan.run.name, dump(config.to_dict()), folder.parent, None, folder, ("vaecli",))


def test_a_run_ends_with_the_bits_of_one_that_was_trained_alone(folder, tmp_path):
    task = task_of(small_config("gumbel"), folder)
    assert perform(task) == Outcome()
    run, alone = Run(folder.parent / task.name), train(small_config("gumbel"), tmp_path / "alone")
    assert {name: array.tobytes() for name, array in run.load_weights().items()} == {
        name: array.tobytes() for name, array in alone.load_weights().items()
    }


def test_the_filters_of_a_worker_that_was_started_by_hand_end_no_run_and_come_back(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        assert perform(task_of(small_config("gumbel", epochs=1), folder)) == Outcome()
        assert warnings.filters == before


def test_a_process_that_would_compile_for_too_many_settings_ends_and_seeds_are_none(folder, monkeypatch):
    class Ended(BaseException):
        """What os._exit is here."""

    def end(code):
        raise Ended

    monkeypatch.setattr(module, "_trained", set())
    monkeypatch.setattr(module, "SETTINGS_PER_PROCESS", 1)
    monkeypatch.setattr(module, "is_renewed", lambda: True)
    monkeypatch.setattr(os, "_exit", end)
    first, other = (task_of(small_config(method, epochs=1), folder) for method in ("gumbel", "vqvae"))
    for task in (first, task_of(small_config("gumbel", epochs=1, seed=1), folder)):
        assert perform(task) == Outcome()
    with pytest.raises(Ended):
        perform(other)
    assert not (folder.parent / other.name).exists()
    train(small_config("vqvae", epochs=1), folder.parent)  # elsewhere
    assert perform(other) == perform(first) == Outcome()


def test_it_tells_how_far_it_is(folder):
    task = task_of(small_config("gumbel", epochs=3), folder)
    perform(task)
    beat = read_beat(folder, task.name)
    assert 0 < beat.done <= beat.of == 3 * 22
    assert beat.loss > 0
    assert read_beat(folder, "another") is None


def test_a_divergence_is_a_reason_and_no_exception(folder):
    config = config_from_text("model: gumbel\ndata: digits\ntraining: {epochs: 1, learning_rate: 1.0e+30}")
    assert "diverged in epoch 1" in perform(task_of(config, folder)).failure


def test_our_own_mistake_names_the_log_that_has_its_traceback(folder, monkeypatch):
    def wrong(journal, initial):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Journal, "restore", wrong)
    task = task_of(small_config("gumbel"), folder)
    log = folder.parent / task.name / "train.log"
    assert perform(task).failure == f"{log}: ZeroDivisionError: a mistake"
    assert "Traceback" in log.read_text()


def test_a_stop_file_saves_and_stops(folder, monkeypatch):
    monkeypatch.setattr("vaecli.launch.task.Beacon.epoch", lambda *_: (folder / STOP).write_text("130"))
    task = task_of(small_config("gumbel", epochs=1000), folder)
    assert perform(task) == Outcome(interrupted=True)
    run = Run(folder.parent / task.name)
    assert any(arrays for _, arrays in run.states())
    assert perform(task_of(small_config("vqvae"), folder)) == Outcome(interrupted=True)
    assert not (folder.parent / task_of(small_config("vqvae"), folder).name).exists()


def test_a_worker_without_the_same_file_system_says_so(tmp_path, folder):
    task = task_of(small_config("gumbel"), folder)._replace(folder=tmp_path / "not here")
    assert "all workers need the same file system" in perform(task).failure
    assert written(folder) == []


def test_a_worker_of_another_version_trains_nothing(folder):
    task = task_of(small_config("gumbel"), folder)._replace(name="gumbel-00000000-s0")
    assert "has another version of vaecli or of the data" in perform(task).failure
    assert written(folder.parent) == [".launch-test"]


def test_a_worker_that_does_not_see_the_data_fetches_nothing(folder, tmp_path):
    text = dump(small_config("gumbel").to_dict()).replace("name: digits", "name: mnist")
    task = task_of(small_config("gumbel"), folder)._replace(config=text, data_dir=tmp_path)
    assert perform(task).failure.endswith(f"does not see mnist in {tmp_path}")


def test_references_are_computed_in_a_process_of_their_own(folder):
    config = folder / "config.yaml"
    config.write_text(dump(small_config("gumbel").to_dict()))
    task = Task("references digits", "", folder.parent, None, folder, threads=1, configs=(config,))
    assert perform(task) == Outcome()
    (path,) = (folder.parent / "references").glob("*.json")
    assert load_references(path, load(small_config("gumbel").data).digest).kmeans.keys() == {"10"}
    config.write_text("model: nothing")
    assert "unknown model 'nothing'" in perform(task).failure


def abort_with(line):
    """What the C++ libraries do with a setting that they do not know, as far as Python sees it."""

    def die(*_):
        os.write(2, f"{line}\n".encode())
        raise Died

    return die


class Died(BaseException):
    """What the end of the process is here."""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("F0000 00:00:1.5 42 flags.cc:1] Unknown flag", "flags.cc:1] Unknown flag"),
        ("LLVM ERROR: out of memory", "LLVM ERROR: out of memory"),
    ],
)
def test_a_run_that_ended_its_worker_fails_with_that_line_in_the_next_one(folder, monkeypatch, line, words):
    task = task_of(small_config("gumbel"), folder)
    with monkeypatch.context() as patched:
        patched.setattr("vaecli.experiment.train._train", abort_with(line))
        with pytest.raises(Died):
            perform(task)
    run = Run(folder.parent / task.name)
    assert perform(task).failure == f"{run.path}: ended outside Python: {words}" == run.failure
    later = task._replace(log_size=run.tensorflow_log.stat().st_size)
    assert perform(later) == Outcome()  # the next launch tries again
    assert f"failed before: {run.path}: ended outside Python: {words}" in run.train_log.read_text()


def test_a_run_in_other_hands_is_no_failure(folder):
    task = task_of(small_config("gumbel"), folder)
    with Run(folder.parent / task.name).lock():
        assert perform(task).held_by.startswith(f"pid {os.getpid()} on ")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.write(2, b'F0000 00:00:1.5 42 a.cc:1] Check failed\\n'); os._exit(1)", "references: a.cc:1] Check failed"),
        ("os.abort()", "references: Fatal Python error: Aborted"),
        ("os._exit(9)", "references: exit code 9"),
        ("os.write(2, b'x' * 200_000); os._exit(1)", "references: xxx"),
    ],
)
def test_references_that_die_say_why(folder, monkeypatch, end, reason):
    monkeypatch.setattr(module, "COMMAND", f"import os; {end}")
    task = Task("references digits", "", folder.parent, None, folder, configs=(folder / "config.yaml",))
    assert perform(task).failure.startswith(reason)


def test_references_end_with_the_process_that_asked_for_them(folder, monkeypatch):
    monkeypatch.setattr(
        module, "COMMAND", f"{module.COMMAND.partition('from vaecli.cli')[0]} import time; time.sleep(60)"
    )
    task = Task("references digits", "", folder.parent, None, folder, configs=(folder / "config.yaml",))
    (folder / STOP).write_text("130")
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **options: started.append(popen(*a, **options)) or started[-1])
    stops = iter([None])
    monkeypatch.setattr(module, "_stop_code", lambda _: next(stops, 130))
    assert perform(task) == Outcome(interrupted=True)
    (process,) = started
    assert process.returncode is not None
    alone = popen(module.python(module.COMMAND), stdin=subprocess.PIPE)
    alone.stdin.close()  # as the system does when the parent dies
    assert alone.wait(30) == 0


def test_a_prior_is_a_part_of_the_task_and_a_stopped_one_goes_on_to_the_same_bits(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("vaecli.experiment.prior.MOST_EPOCHS", 2)
    config = small_config("{name: vqvae, num_latents: 2, num_codes: 4}", epochs=1)
    task = task_of(config, folder)._replace(code_prior="autoregressive")
    run = Run(folder.parent / task.name)
    counting = module.Beacon.counting

    def stopping(beacon, what, total):
        if what == "steps":
            (folder / STOP).write_text("130")
        return counting(beacon, what, total)

    with monkeypatch.context() as patched:
        patched.setattr(module.Beacon, "counting", stopping)
        assert perform(task) == Outcome(interrupted=True)
    assert run.finished
    assert run.prior_file("autoregressive", conditional=False, state=True).exists()
    assert read_beat(folder, task.name).part.startswith("its prior, ")
    (folder / STOP).unlink()
    assert perform(task) == Outcome()
    assert any("resumed in epoch 1" in line for line in read_beat(folder, task.name).said)
    alone = task_of(config, tmp_path / "other" / "launch")._replace(code_prior="autoregressive")
    alone.folder.mkdir(parents=True)
    assert perform(alone) == Outcome()
    assert Run(alone.output_dir / alone.name).priors == run.priors  # with the digest of its arrays
    assert perform(task) == Outcome()  # as it is there
