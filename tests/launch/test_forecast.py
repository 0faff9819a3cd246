import pytest

from helpers import small_config
from vaecli.data import load
from vaecli.experiment.plan import plan_run
from vaecli.launch.forecast import START_SECONDS, in_words, seconds_left, side_by_side, speeds


def test_finished_runs_say_how_long_others_take(finished, tmp_path):
    run = finished("gumbel")
    pace = speeds([run, run])
    _, second = run.metrics  # the first epoch has the start in it
    twice = small_config("gumbel", epochs=4, seed=9)
    plan = plan_run(twice, load(twice.data), tmp_path)
    assert seconds_left(plan, pace) == pytest.approx(START_SECONDS + 4 * second["seconds"])
    other = small_config("exact", epochs=4)
    plan = plan_run(other, load(other.data), tmp_path)
    assert seconds_left(plan, pace) == pytest.approx(START_SECONDS + 4 * second["seconds"])


def test_a_finished_run_takes_no_time_and_a_broken_one_says_nothing(finished):
    run = finished("gumbel")
    config = small_config("gumbel")
    assert seconds_left(plan_run(config, load(config.data), run.path.parent), {}) == 0
    assert speeds([type(run)(run.path / "nothing")]) == {}


def test_a_run_of_one_epoch_says_nothing_of_speed(finished):
    run = finished("gumbel", epochs=1)
    assert run.finished
    assert speeds([run]) == {}


def test_a_time_is_in_words():
    assert [in_words(s) for s in (0.2, 42.4, 180, 9000)] == ["about 1 s", "about 42 s", "about 3 min", "about 2.5 h"]


@pytest.mark.parametrize(
    ("cores", "free", "expected", "said"),
    [
        (8, 100e9, 8, None),
        (8, None, 8, None),
        (8, 4e9, 3, "3 at once, though there are cores for 4: a run needs about 1.2 GB, and 4.0 GB are free"),
        (2, 1e9, 1, "1 at once, though there are cores for 2"),
        (1, 1e9, 1, None),  # what one run needs is checked when it starts
    ],
)
def test_runs_side_by_side_follow_cores_and_memory(tmp_path, monkeypatch, cores, free, expected, said):
    monkeypatch.setattr("vaecli.launch.forecast.cores", lambda: cores)
    monkeypatch.setattr("vaecli.experiment.memory.available", lambda: free)
    configs = [small_config("gumbel", seed=seed) for seed in range(4)]
    count, why = side_by_side([plan_run(config, load(config.data), tmp_path) for config in configs])
    assert count == expected
    assert (why is None) == (said is None)
    assert (why or "").startswith(said or "")


def test_nothing_to_train_needs_no_memory(monkeypatch):
    monkeypatch.setattr("vaecli.launch.forecast.cores", lambda: 8)
    monkeypatch.setattr("vaecli.experiment.memory.available", lambda: 0.0)
    assert side_by_side([]) == (8, None)
