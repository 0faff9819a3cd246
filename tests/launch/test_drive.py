"""Tasks handed to an Executor: whichever it is, it is asked for nothing but futures."""

import functools
import math
import os
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from helpers import small_config, train, written
from vaecli.errors import Interrupted, RunError
from vaecli.launch import drive, task
from vaecli.launch.drive import carry_out, jobs_of, open_launch
from vaecli.launch.executors import Workers, open_cluster, open_pool
from vaecli.launch.plans import DataSets, plans_of
from vaecli.launch.task import Outcome


class Heard:
    """A Watcher that keeps what it hears."""

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
        future.set_exception(result) if isinstance(result, Exception) else future.set_result(result)
        return future


def jobs(configs, launch, output_dir):
    data = DataSets(None, None)
    return jobs_of(plans_of(configs, [], output_dir, data), launch, data, argv=["vaecli"], speeds={})


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
    assert run.load_checkpoint()[0] is not None


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
