import pytest

from helpers import made_up, reseal, session, small_config, train, written
from vaecli.data import load
from vaecli.errors import ConfigError, DataError, Interrupted, RunError
from vaecli.launch.asked import (
    DataSets,
    ask,
    configs_of,
    plan_lines,
    plans_of,
    sort_out,
    sweep_settings,
    without_effect,
)
from vaecli.runs import Run

SMALL = ["data=digits", "network.hidden=[16]", "training.compile=graph", "training.epochs=2"]


def asked(names, output_dir, **options):
    defaults = {"settings": [], "sweeps": [], "seeds": None, "data_dir": None, "fetching": None, "training": True}
    return ask(names, output_dir=output_dir, **defaults | options)


def half_done(folder, **options):
    with pytest.raises(Interrupted):
        train(small_config("gumbel", **options), folder, stop=lambda: 130)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs of gumbel and one of vqvae in outputs/, below the working folder."""
    monkeypatch.chdir(tmp_path)
    methods = (("gumbel", 0), ("gumbel", 1), ("vqvae", 0))
    return [made_up(tmp_path / "outputs", method, seed, 0.05) for method, seed in methods]


def test_an_argument_is_a_run_a_folder_a_config_or_a_beginning(runs, tmp_path):
    names = [run.name for run in runs]
    outputs = tmp_path / "outputs"

    def sorted_out(name):
        configs, found = sort_out([name], outputs)
        return configs or [run.name for run in found]

    assert sorted_out(names[0]) == names[:1]
    assert sorted_out(f"outputs/{names[1]}") == names[1:2]
    assert sorted_out("outputs") == names
    assert sorted_out("gumbel") == ["gumbel"]  # the preset, though runs begin so
    assert sorted_out("gumbel-") == names[:2]
    (tmp_path / "vqvae").mkdir()
    assert sorted_out("vqvae") == ["vqvae"]  # a folder without runs hides no preset


def test_a_folder_in_the_users_home_is_found_without_a_shell(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _, found = sort_out(["~/outputs"], tmp_path / "elsewhere")
    assert {run.name for run in found} == {run.name for run in runs}


def test_what_is_nothing_of_these_is_one_line(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, line in (
        ("gumble", "gumble: no such config, run or folder, did you mean 'gumbel'?"),
        ("empty", "empty: neither a run nor a folder of runs (no run.json in it or one below)"),
        ("", "'': no name of a config, run or folder"),
    ):
        with pytest.raises(RunError) as error:
            sort_out([name], tmp_path / "outputs")
        assert error.value.lines == (line,)


def test_a_sweep_is_parted_at_commas_outside_brackets():
    assert sweep_settings("model.temperature=0.5, 1.0") == ["model.temperature=0.5", "model.temperature=1.0"]
    assert sweep_settings("network.hidden=[256,128],[64]") == ["network.hidden=[256,128]", "network.hidden=[64]"]


@pytest.mark.parametrize("sweep", ["training.epochs", "=1,2", "training.epochs=", "training.epochs=1,,2"])
def test_a_sweep_without_key_or_value_is_a_mistake(sweep):
    with pytest.raises(ConfigError, match=f"--sweep {sweep}: write it as"):
        sweep_settings(sweep)


def test_sweeps_multiply_with_each_other_and_the_seeds():
    sweeps = ["model.temperature=0.5,1.0", "training.batch_size=16,32,64"]
    configs = configs_of(["gumbel"], SMALL, sweeps, [0, 7])
    found = [(c.model.options()["temperature"], c.training.batch_size, c.training.seed) for c in configs]
    assert sorted(found) == [(t, b, s) for t in (0.5, 1.0) for b in (16, 32, 64) for s in (0, 7)]


def test_a_sweep_of_the_model_leaves_methods_without_the_key_as_they_are(tmp_path):
    sweeps = ["model.temperature=0.5,1.0"]
    found = asked(["gumbel", "exact"], tmp_path, settings=SMALL, sweeps=sweeps)
    assert [run.name.partition("-")[0] for run in found.runs] == ["gumbel", "gumbel", "exact"]
    with pytest.raises(ConfigError, match=r"model\.temperature=0\.5: has no effect with exact"):
        asked(["exact"], tmp_path, settings=SMALL, sweeps=sweeps)


@pytest.mark.parametrize("options", [{"seeds": [0]}, {"settings": SMALL}, {"sweeps": ["training.epochs=1,2"]}])
def test_settings_have_no_effect_on_runs_and_that_is_a_mistake(runs, tmp_path, options):
    with pytest.raises(ConfigError, match="have no effect on runs"):
        asked([runs[0].name], tmp_path / "outputs", **options)


def test_a_run_that_two_arguments_mean_is_there_once(tmp_path):
    run = train(small_config("gumbel"), tmp_path)
    found = asked([str(run.config_yaml), str(tmp_path), run.name], tmp_path)
    assert [one.name for one in found.runs] == [run.name]


def test_a_half_done_run_goes_on_where_it_is_or_is_left_alone(tmp_path):
    half_done(tmp_path / "elsewhere")
    found = asked([str(tmp_path / "elsewhere")], tmp_path / "outputs")
    assert [plan.run.path.parent.name for plan in found.plans] == ["elsewhere"]
    assert asked([str(tmp_path / "elsewhere")], tmp_path / "outputs", training=False).plans == []


def test_a_half_done_run_in_a_renamed_folder_is_told_its_name_and_the_others_go_on(tmp_path):
    half_done(tmp_path)
    half_done(tmp_path, seed=1)
    found, other = asked([str(tmp_path)], tmp_path).runs
    found.path.rename(tmp_path / "gumbel-digits-00000000-s0")
    again = asked([str(tmp_path)], tmp_path)
    assert [plan.run.name for plan in again.plans] == [other.name]
    line = f"cannot be resumed: the folder was renamed; its name was {found.name}; see --no-train"
    assert again.problems == {"gumbel-digits-00000000-s0": f"{tmp_path}/gumbel-digits-00000000-s0: {line}"}


def test_a_run_that_cannot_be_read_hides_no_other(runs, tmp_path):
    (runs[0].run_json).write_text("{")
    (runs[1].summary_json).write_bytes(b"")
    found = asked(["outputs"], tmp_path / "outputs")
    assert [run.name for run in found.runs] == [runs[2].name]
    assert set(found.problems) == {runs[0].name, runs[1].name}


def test_nothing_is_fetched_for_a_plan_alone(tmp_path):
    with pytest.raises(DataError, match="mnist is not here, so its runs have no names yet; `vaecli data fetch mnist`"):
        asked(["gumbel"], tmp_path)
    assert not written(tmp_path)


def test_the_plan_says_what_is_there_what_is_missing_and_how_long_it_takes(tmp_path):
    train(small_config("gumbel"), tmp_path)
    half_done(tmp_path, epochs=3, seed=1)
    configs = [small_config("gumbel"), small_config("gumbel", epochs=3, seed=1), small_config("exact")]
    plans = plans_of(configs, tmp_path, DataSets(None, None))
    done, half, missing, whole = plan_lines(
        asked([], tmp_path)._replace(plans=plans, runs=[p.run for p in plans]), {}, 8
    )
    assert done == f"finished   {plans[0].run.name}"
    assert half.startswith(f"half done  {plans[1].run.name}  ")
    assert "of 3 epochs, about " in half
    assert missing.startswith(f"missing    {plans[2].run.name}  about ")
    assert whole.startswith("3 runs: 1 finished, 1 half done, 1 missing; about ")
    assert whole.endswith(" with 2 jobs")


def test_the_seed_of_a_config_is_honoured_and_a_second_way_to_say_it_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: gumbel\ntraining: {seed: 5}")
    mine = str(tmp_path / "mine.yaml")
    assert [config.training.seed for config in configs_of([mine], [], [], None)] == [5]
    assert [config.training.seed for config in configs_of([mine], ["training.seed=6"], [], None)] == [6]
    assert [config.training.seed for config in configs_of([mine], [], ["training.seed=1,2"], None)] == [1, 2]
    assert [config.training.seed for config in configs_of([mine], [], [], [3, 4])] == [3, 4]
    with pytest.raises(ConfigError, match=r"training\.seed=6: --seeds says which seeds; give one of the two"):
        configs_of([mine], ["training.seed=6"], [], [0])


def test_a_learned_prior_goes_to_the_methods_that_can_have_one():
    settings = ["objective.beta=1.0", "objective.prior=learned"]
    configs = configs_of(["gumbel", "vae"], settings, [], None)
    assert [config.objective.prior for config in configs] == ["learned", "uniform"]
    assert list(without_effect(["gumbel", "vae"], settings)) == ["objective.prior=learned: no effect with vae"]


def test_a_weight_of_the_rate_goes_to_the_methods_that_have_one_and_the_others_are_named():
    settings = ["objective.beta=1.0", "objective.likelihood=bernoulli"]
    configs = configs_of(["gumbel", "vqvae"], settings, [], None)
    assert [config.objective.beta for config in configs] == [1.0, 0.0]
    assert list(without_effect(["gumbel", "vqvae"], settings)) == ["objective.beta=1.0: no effect with vqvae"]
    with pytest.raises(ConfigError, match=r"objective\.beta=1\.0: has no effect with vqvae"):
        configs_of(["vqvae"], settings, [], None)


def test_settings_that_named_runs_do_not_have_are_said(finished, tmp_path):
    run = finished("gumbel")
    found = asked(["vae", str(run.path)], tmp_path, settings=SMALL, seeds=[0])
    assert found.notes == [f"--seeds and settings: no effect on the named runs ({run.name})"]
    assert asked([str(run.path)], tmp_path).notes == []


def test_commas_inside_quotes_are_no_values():
    assert sweep_settings("""data.title="a, b",c's""") == ['data.title="a, b"', "data.title=c's"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda info: info["data"].update(digest="0" * 64),
            "it was trained on other data than bundled with scikit-learn",
        ),
        (
            lambda info: info.update(run="gumbel-digits-00000000-s0"),
            "it was made by a version of vaecli whose numbers differ from this one's",
        ),
    ],
)
def test_a_half_done_run_that_cannot_be_resumed_says_why(tmp_path, change, reason):
    run = Run(tmp_path / "gumbel-digits-00000000-s0")
    data = {**session()["data"], "digest": load(small_config("gumbel").data).digest}
    run.begin(small_config("gumbel"), session(data=data))
    reseal(run.run_json, change)
    with pytest.raises(RunError) as error:
        asked([run.name], tmp_path)
    assert error.value.lines == (f"{run.path}: cannot be resumed: {reason}; see --no-train",)
