"""Tasks submitted to an Executor: any kind will do, as only its futures are used."""

import contextlib
import functools
import json
import math
import os
import platform
import subprocess
import sys
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from helpers import small_config, train, written
from vaecli.errors import Interrupted, RunError, RunFailed
from vaecli.launch import drive, task, watch
from vaecli.launch.asked import DataSets, plans_of
from vaecli.launch.drive import carry_out, jobs_of, open_launch, train_missing
from vaecli.launch.executors import Workers, open_cluster, open_pool
from vaecli.launch.task import Outcome
from vaecli.runs import Run


class Heard:
    """A Watcher that keeps what it receives."""

    def __init__(self):
        self.ends, self.epochs, self.words, self.seconds, self.processes = {}, {}, [], [], {}
        self.notes = []

    def said(self, name, line):
        self.words.append((name, line))

    def moved(self, name, beat):
        self.processes[name] = beat.pid

    def epoch(self, name, row, epochs):
        self.epochs.setdefault(name, []).append(row["epoch"])

    def ended(self, name, outcome):
        self.ends[name] = outcome

    def left(self, seconds):
        self.seconds.append(seconds)

    def lost(self, name):
        self.words.append((name, "lost"))

    def note(self, line):
        self.notes.append(line)


class AtOnce:
    """An Executor whose tasks are over when they are handed in."""

    def __init__(self, results):
        self.results = results

    def submit(self, function, asked):
        future = Future()
        result = self.results(asked)
        future.set_exception(result) if isinstance(result, BaseException) else future.set_result(result)
        return future


def jobs(configs, launch, output_dir):
    data = DataSets(None, None)
    return jobs_of(plans_of(configs, output_dir, data), launch, data, argv=["vaecli"], speeds={})


SEEDS = [small_config("gumbel", seed=seed) for seed in range(3)]


def test_what_is_missing_is_trained_and_watched(tmp_path):
    heard = Heard()
    with open_launch(tmp_path) as launch, ThreadPoolExecutor(1) as executor:
        asked = jobs([SEEDS[0], small_config("vae", epochs=3)], launch, tmp_path)
        assert carry_out(asked, Workers(executor), launch, heard, stop=lambda: None) == {}
        assert jobs(SEEDS[:1], launch, tmp_path) == []  # everything is there now, references too
    assert set(heard.ends.values()) == {Outcome()}
    assert sorted(heard.epochs.values()) == [[1, 2], [1, 2, 3]]
    assert all(math.isfinite(seconds) for seconds in heard.seconds)
    assert heard.seconds[-1] == 0


def test_the_longest_job_comes_first_and_references_are_one_task_of_a_data_set(tmp_path):
    with open_launch(tmp_path) as launch:
        asked = jobs([*SEEDS, small_config("exact", epochs=500_000), small_config("vae")], launch, tmp_path)
    assert asked[0].task.name.startswith("exact")
    assert [job.task.name for job in asked if job.plan is None] == ["references digits"]
    (references,) = [job.task for job in asked if job.plan is None]
    assert len(references.configs) == 5


RATES = [small_config("gumbel", extra_training=f", learning_rate: 0.{n}") for n in (1, 2, 3)]


def test_a_worker_that_has_compiled_enough_gives_way_to_another(tmp_path):
    heard, calls = Heard(), []
    with open_launch(tmp_path) as launch, open_pool(1, launch.folder) as workers:
        ask = workers.executor.submit
        ask(exec, "import vaecli.launch.task as task; task.SETTINGS_PER_PROCESS = 1").result()
        before = ask(os.getpid).result()
        asked = [job for job in jobs(RATES, launch, tmp_path) if job.plan]  # references have a process of their own
        idle = functools.partial(calls.append, "idle")
        assert carry_out(asked, workers, launch, heard, stop=lambda: None, at_once=1, idle=idle) == {}
        after = ask(os.getpid).result()
    assert set(heard.ends.values()) == {Outcome()}
    assert len(heard.processes) == 3
    assert before != after
    assert calls == ["idle"]


def test_a_half_done_run_is_resumed_and_its_epochs_are_told_once(tmp_path):
    config = small_config("gumbel", epochs=5)
    epochs = []
    with pytest.raises(Interrupted):
        train(config, tmp_path, stop=lambda: epochs.append(1) or (130 if len(epochs) > 4 else None))
    heard = Heard()
    with open_launch(tmp_path) as launch, ThreadPoolExecutor(1) as executor:
        asked = [one for one in jobs([config], launch, tmp_path) if one.plan]
        before = len(asked[0].plan.run.metrics)
        carry_out(asked, Workers(executor), launch, heard, stop=lambda: None)
    assert 0 < before < 5
    assert heard.epochs[asked[0].task.name] == list(range(before + 1, 6))
    assert any(line.startswith("resuming after") for _, line in heard.words)


def test_a_failure_does_not_stop_the_others(tmp_path):
    def results(asked):
        if asked.name.endswith("s1"):
            return Outcome("diverged in epoch 1")
        return ConnectionError("its worker died") if asked.name.endswith("s2") else Outcome()

    heard = Heard()
    with open_launch(tmp_path) as launch:
        failures = carry_out(jobs(SEEDS, launch, tmp_path), Workers(AtOnce(results)), launch, heard, stop=lambda: None)
    assert sorted(failures.values()) == ["ConnectionError: its worker died", "diverged in epoch 1"]


def test_a_signal_reaches_the_tasks_as_a_file_and_the_caller_as_its_code(tmp_path):
    config = small_config("gumbel", epochs=100_000)
    with open_launch(tmp_path) as launch, ThreadPoolExecutor(1) as executor:
        asked = [job for job in jobs([config], launch, tmp_path) if job.plan]
        run = asked[0].plan.run
        with pytest.raises(Interrupted) as error:
            carry_out(asked, Workers(executor), launch, Heard(), stop=lambda: 143 if run.metrics else None)
    assert error.value.exit_code == 143
    assert run.status == "interrupted"
    assert any(arrays for _, arrays in run.states())


def test_a_signal_after_the_last_chunk_is_no_interruption(tmp_path):
    with open_launch(tmp_path) as launch:
        asked = jobs(SEEDS, launch, tmp_path)
        assert carry_out(asked, Workers(AtOnce(lambda _: Outcome())), launch, Heard(), stop=lambda: 130) == {}


def test_the_folder_of_a_launch_goes_with_it_and_dead_ones_are_swept(tmp_path):
    dead = tmp_path / ".launch-dead"
    dead.mkdir()
    (dead / drive.ALIVE).touch()
    with open_launch(tmp_path) as one:
        assert not dead.exists()
        with open_launch(tmp_path) as two:
            assert one.folder.exists()
            assert two.folder.exists()
    assert written(tmp_path) == []


def test_tasks_of_a_launch_that_is_gone_stop(tmp_path):
    with open_launch(tmp_path) as launch:
        assert task._stop_code(launch.folder) is None
        launch.stop(130)
        assert task._stop_code(launch.folder) == 130
    assert task._stop_code(launch.folder) == 143


def test_an_output_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"), open_launch(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [("nowhere", "neither an address such as tcp://host:8786 nor a scheduler file"), ("tcp://[", "cannot be reached")],
)
def test_a_scheduler_that_is_none_is_one_line(scheduler, reason):
    with pytest.raises(RunError, match=reason), open_cluster(scheduler):
        pass


def one_run(launch, tmp_path):
    """A job, and the run that it is to train."""
    (job,) = [job for job in jobs(SEEDS[:1], launch, tmp_path) if job.plan]
    return job, job.plan.run


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(drive, "SECONDS_BETWEEN_LOOKS", 0.001)
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_QUESTIONS", 0.001)
    monkeypatch.setattr(watch, "SECONDS_BEFORE_A_WORD", 0.001)


class Elsewhere(Heard):
    """Another process that trains a run until the launch has said so."""

    def __init__(self, run):
        super().__init__()
        self.held = contextlib.ExitStack()
        self.held.enter_context(Run(run.path).lock())

    def said(self, name, line):
        super().said(name, line)
        self.held.close()


def test_a_run_that_another_process_trains_is_no_failure_and_is_taken_over_when_that_stops(tmp_path, impatient):
    outcomes = iter([Outcome(held_by="pid 7 on mars"), Outcome(held_by="pid 8 on mars"), Outcome()])
    with open_launch(tmp_path) as launch:
        job, run = one_run(launch, tmp_path)
        heard = Elsewhere(run)
        workers = Workers(AtOnce(lambda _: next(outcomes)))
        assert carry_out([job], workers, launch, heard, stop=lambda: None) == {}
    assert heard.words == [(run.name, f"is being trained by pid {pid} on mars; waiting for it") for pid in (7, 8)]
    assert next(outcomes, None) is None


@pytest.mark.parametrize("code", [130, 143])
def test_waiting_for_another_process_ends_with_a_signal(tmp_path, impatient, code):
    with open_launch(tmp_path) as launch:
        job, run = one_run(launch, tmp_path)
        heard, workers = Heard(), Workers(AtOnce(lambda _: Outcome(held_by="pid 7 on mars")))
        with Run(run.path).lock(), pytest.raises(Interrupted) as error:
            carry_out([job], workers, launch, heard, stop=lambda: code if heard.words else None)
    assert error.value.exit_code == code


class Never:
    """An Executor that has nobody."""

    def __init__(self):
        self.futures = []

    def submit(self, function, asked):
        self.futures.append(Future())
        return self.futures[-1]


@pytest.mark.parametrize("code", [130, 143])
def test_who_waits_for_workers_says_so_and_the_first_signal_cancels(tmp_path, impatient, code):
    heard, executor = Heard(), Never()
    workers = Workers(executor, lambda: (0.0, "workers at tcp://host:8786"))
    with open_launch(tmp_path) as launch:
        asked = jobs(SEEDS, launch, tmp_path)
        with pytest.raises(Interrupted) as error:
            carry_out(asked, workers, launch, heard, stop=lambda: code if heard.notes else None)
    assert error.value.exit_code == code
    assert heard.notes == ["waiting for workers at tcp://host:8786"]
    assert all(future.cancelled() for future in executor.futures)


def test_a_worker_that_went_with_what_it_ran_does_not_hold_up_a_signal(tmp_path, impatient):
    lost = []
    workers = Workers(Never(), lambda: (0.0, "workers") if lost else None)
    with open_launch(tmp_path) as launch:
        job, run = one_run(launch, tmp_path)
        task._beat(launch.folder / f"{run.name}.json", 5, 10, 1.0, [])
        stop = lambda: lost.append(1) or (143 if len(lost) > 3 else None)  # noqa: E731
        with pytest.raises(Interrupted):
            carry_out([job], workers, launch, Heard(), stop=stop)


def test_a_scheduler_that_goes_is_the_failure_of_each_run_that_it_had(tmp_path):
    executor = Never()

    def stop():
        for future in executor.futures:
            future.cancel()

    with open_launch(tmp_path) as launch:
        failures = carry_out(jobs(SEEDS, launch, tmp_path), Workers(executor), launch, Heard(), stop=stop)
    assert set(failures.values()) == {"the scheduler is gone, or has dropped the task"}
    assert len(failures) == len(SEEDS) + 1


def test_the_bar_of_a_dead_worker_goes(tmp_path):
    heard, executor = Heard(), Never()
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()

    def stop():
        if ("lost" in dict(heard.words).values()) and not executor.futures[0].done():
            executor.futures[0].set_result(Outcome())

    with open_launch(tmp_path) as launch:
        job, run = one_run(launch, tmp_path)
        beat = {"done": 5, "of": 9, "loss": 1.0, "host": platform.node(), "pid": dead.pid, "said": []}
        (launch.folder / f"{run.name}.json").write_text(json.dumps(beat))
        carry_out([job], Workers(executor), launch, heard, stop=stop)
    assert heard.words[0] == (run.name, "lost")
    assert heard.processes == {}


def launched(configs, folder, **options):
    """`train_missing` of these configs by one worker."""
    data = DataSets(None, None)
    given = {"output_dir": folder, "jobs": 1, "scheduler": None, "argv": ["vaecli"], "speeds": {}, "references": False}
    given |= {"stop": lambda: None, "idle": lambda: None, **options}
    return train_missing(plans_of(configs, folder, data), data, Heard(), **given)


def drawn_parts(run):
    return {path.name for path in (*run.figures.glob("*"), run.report_html) if path.is_file()}


EVERYTHING = {f"{name}.png" for name in ("codes", "code_use", "loss", "reconstructions")} | {"report.html"}


@pytest.mark.drawn
def test_the_last_runs_are_drawn_when_none_waits_and_what_was_not_drawn_is_drawn_by_the_next_command(tmp_path):
    with launched(SEEDS[:2], tmp_path) as trained:
        assert trained.failures == {}
        runs = [Run(path) for path in sorted(tmp_path.glob("gumbel-*"))]
        assert [run.status for run in runs] == ["finished", "finished"]
        trained.wait()
        assert [drawn_parts(run) for run in runs] == [EVERYTHING, EVERYTHING]
    before = [run.summary_json.read_bytes() for run in runs]
    with pytest.raises(KeyboardInterrupt), launched(RATES[:1], tmp_path):
        raise KeyboardInterrupt  # while it is drawn
    (undrawn,) = {*tmp_path.glob("gumbel-*")} - {run.path for run in runs}
    assert Run(undrawn).finished
    runs[1].report_html.unlink()  # as after a kill at that moment
    with launched([*SEEDS[:2], RATES[0]], tmp_path):
        pass
    assert [drawn_parts(run) for run in (*runs, Run(undrawn))] == [EVERYTHING] * 3
    assert [run.summary_json.read_bytes() for run in runs] == before


def test_only_the_last_minute_of_a_launch_leaves_its_drawing_to_its_end(tmp_path):
    with open_launch(tmp_path) as launch:
        asked = jobs([*SEEDS, small_config("vae")], launch, tmp_path)
    asked = [job._replace(seconds=drive.SOON) for job in asked]
    at_once = {}
    for workers in (1, 2):
        planned = list(drive._with_drawings_last(asked, workers, 1))
        assert [job.task.drawing for job in planned if job.plan is None] == [True]  # references have no figures
        at_once[workers] = [job.task.drawing for job in planned if job.plan]
    assert at_once == {1: [True, True, False, False], 2: [True, False, False, False]}


def test_only_what_ended_well_is_drawn(tmp_path, impatient):
    outcomes = {"s0": iter([Outcome(held_by="pid 7 on mars"), Outcome()]), "s1": iter([Outcome("diverged")])}
    ended = []
    with open_launch(tmp_path) as launch:
        asked = [job for job in jobs(SEEDS[:2], launch, tmp_path) if job.plan]
        workers = Workers(AtOnce(lambda task: next(outcomes[task.name[-2:]])))
        carry_out(asked, workers, launch, Heard(), stop=lambda: None, ended=ended.append)
    assert [task.name[-2:] for task in ended] == ["s0"]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (["loss.png: could not be drawn"], "loss.png: could not be drawn"),
        (RunFailed("its worker died 4 times"), "not drawn (its worker died 4 times); `vaecli plot gumbel-s0` draws it"),
        (CancelledError(), "not drawn (CancelledError); `vaecli plot gumbel-s0` draws it"),
    ],
)
def test_a_drawing_that_fails_is_a_line_and_no_failure_of_its_run(tmp_path, result, line):
    heard = Heard()
    drawings = drive.Drawings(Workers(AtOnce(lambda _: result)), heard)
    drawings.add(task.Task("gumbel-s0", "", tmp_path, None, tmp_path))
    drawings.wait()
    drawings.wait()  # there is nothing left to wait for
    assert heard.words == [("gumbel-s0", line)]


def test_who_waits_for_drawings_without_workers_says_so(tmp_path, impatient):
    executor, heard = Never(), Heard()
    answers = iter([(0.0, "workers at tcp://host:8786"), None])

    def lacking():
        found = next(answers, None)
        if found is None:
            executor.futures[0].set_result([])
        return found

    drawings = drive.Drawings(Workers(executor, lacking), heard)
    drawings.add(task.Task("gumbel-s0", "", tmp_path, None, tmp_path))
    drawings.wait()
    assert heard.notes == ["waiting for workers at tcp://host:8786"]


def test_a_folder_that_may_only_be_read_is_no_obstacle_where_only_pictures_are_missing(tmp_path, monkeypatch):
    train(SEEDS[0], tmp_path)
    monkeypatch.setattr(Run, "drawn", False)
    monkeypatch.setattr(drive.os, "access", lambda path, mode: False)
    monkeypatch.setattr(drive, "open_launch", lambda folder: pytest.fail("would write"))
    with launched(SEEDS[:1], tmp_path) as trained:
        assert trained.failures == {}
