"""The public functions: what a notebook can do."""

import importlib
import importlib.resources
import inspect
import os
import pkgutil
import re
import signal
import subprocess
import sys
import threading
import typing
from pathlib import Path

import pytest
from typer.main import get_command

import vaecli
from helpers import made_up, written
from vaecli import api
from vaecli.backend import process
from vaecli.cli.app import app
from vaecli.config import arguments, config_from_text
from vaecli.data.digits import digits
from vaecli.errors import ConfigError, Interrupted, VaecliError
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.terminal.console import Console

USES = ("encode", "decode", "reconstruct", "export")
FUNCTIONS = (
    *("train", "compare", "reproduce", "evaluate", "prior", "sample", "quality", "audit"),
    *(*USES, "verify", "plot", "prune", "load_run"),
)
COMMANDS = FUNCTIONS[:-1]
HOOKS = {"shown", "told", "drawn"}  # who is told before the function returns
OF_COMMANDS = {
    ("train", "dry_run"),
    ("compare", "format"),
    ("audit", "latex"),
    ("reproduce", "format"),
    ("prune", "yes"),
}  # of what they print
OTHERWISE = {"list": "list_only", "named": "config"}  # a name that is Python's own, and a second way to name it
TINY = {"model": "gumbel", "network": {"hidden": [16]}, "data": "digits", "training": {"epochs": 1}}
TOY = {"objective": "linear", "estimators": ["exact", "zgr"], "images": 4, "draws": 128}
README = Path(vaecli.__file__).parents[1] / "README.md"
PAGE = README.parent / ".github" / "docs" / "python.md"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def parameters(name):
    return inspect.signature(getattr(vaecli, name)).parameters


def test_they_are_seen_before_anything_is_imported():
    program = "import sys, vaecli; print(*dir(vaecli)); print('vaecli.api' in sys.modules)"
    shown, imported = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {*FUNCTIONS, "VaecliError", "__version__"} <= set(shown.split())
    assert imported == "False"
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = vaecli.tarin


def test_they_work_in_a_program_that_takes_warnings_for_errors():
    program = (
        "import numpy, vaecli, warnings\n"
        "filters = list(warnings.filters)\n"
        f"run = vaecli.train({TINY!r}, quiet=True)\n"
        "loaded = vaecli.load_run(run)\n"
        "codes = loaded.encode(numpy.zeros((3, 8, 8), numpy.float32)).codes\n"
        "assert loaded.decode(codes).shape == (3, 8, 8)\n"
        "vaecli.prior(run, quiet=True)\n"
        "vaecli.sample(run, output='samples.png', quiet=True)\n"
        "assert warnings.filters == filters\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_none_has_the_name_of_a_module_and_each_works_once_all_are_imported(finished, capfd):
    names = [module.name for module in pkgutil.walk_packages(vaecli.__path__, "vaecli.")]
    assert not {f"vaecli.{name}" for name in vaecli.__all__} & set(names)
    for name in names:
        if name != "vaecli.__main__":
            importlib.import_module(name)
    run = vaecli.train(TINY)
    assert isinstance(run, TrainedRun)
    assert run.path == Path("outputs", run.path.name)
    assert vaecli.load_run(run).summary == run.summary
    assert vaecli.verify(run, files_only=True).verified
    assert Path("figures/reconstructions.png") in vaecli.plot(run, output="figures")
    assert {row.estimator for row in vaecli.audit(run, **{**TOY, "objective": None}).rows} == {"exact", "zgr"}
    comparison = vaecli.compare(run, finished("gumbel", epochs=1).path, no_train=True)
    assert len(comparison.groups) == 1
    assert (comparison.folder / "report.html").is_file()
    assert not comparison.failures
    assert str(comparison).startswith("data digits")
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(r"^epoch +loss .*\n +1/1  ", err, re.M)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_is_typed_and_says_what_every_argument_is(name):
    function = getattr(vaecli, name)
    for parameter in parameters(name).values():
        assert parameter.annotation is not parameter.empty
        assert re.search(rf"^        {parameter.name}: ", inspect.getdoc(function).replace("\n", "\n    "), re.M) or (
            parameter.name == "path"  # load_run's, in its first line
        )
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty
    assert "Raises:" in function.__doc__


def test_the_types_are_shipped():
    assert (importlib.resources.files("vaecli") / "py.typed").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_arguments_are_those_of_the_command(name):
    command = {parameter.name.rstrip("_") for parameter in get_command(app).commands[name].params}
    command = {OTHERWISE.get(option, option) for option in command}
    command -= {"help", "json", *(option for of, option in OF_COMMANDS if of == name)}
    assert set(parameters(name)) - HOOKS == command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_defaults_are_those_of_the_command(name):
    ours = {key: p.default for key, p in parameters(name).items() if p.default is not p.empty}
    for parameter in get_command(app).commands[name].params:
        if (key := parameter.name.rstrip("_")) in ours and ours[key] not in (None, ()):
            theirs = typing.cast("typing.Any", parameter.default)
            text = ",".join(f"{number:g}" for number in ours[key]) if isinstance(ours[key], tuple) else str(ours[key])
            assert str(getattr(theirs, "value", theirs)) == text


def test_the_environment_names_the_output_folder_where_no_argument_does(monkeypatch):
    monkeypatch.setenv("VAECLI_OUTPUT_DIR", "mine")
    made_up(Path("mine"), "gumbel", 0, 0.05)
    found = vaecli.verify("gumbel", files_only=True).files
    assert sorted(found.whole) == ["config.yaml", "metrics.csv", "run.json", "summary.json"]
    for folder in ("outputs", Path("outputs")):
        with pytest.raises(VaecliError, match=r"^outputs: no run yet"):
            vaecli.verify("gumbel", files_only=True, output_dir=folder)
    with pytest.raises(ConfigError, match=r"^'': not the name of a file or folder"):
        vaecli.verify("gumbel", output_dir="")
    for name in COMMANDS:
        assert "output_dir" not in parameters(name) or parameters(name)["output_dir"].default is None


def test_a_config_may_be_a_name_a_mapping_or_a_config():
    text = "model: {name: gumbel, temperature: 0.5}\ntraining: {epochs: 3, seed: 2}\n"
    Path("mine.yaml").write_text(text)
    tree = {"model": {"name": "gumbel", "temperature": 0.5}, "training": {"epochs": 3}}
    wanted = config_from_text(text)
    assert api.config_of("mine") == api.config_of(Path("mine.yaml")) == wanted
    assert api.config_of(tree, seed=2) == api.config_of(wanted) == wanted
    assert api.config_of({"model": "gumbel"}, set={"model.temperature": 0.5, "training.seed": 2}, epochs=3) == wanted
    assert api.config_of({"model": "gumbel"}, set=["model.temperature=0.5"], seed=2, epochs=3) == wanted
    hidden = api.config_of({"model": "gumbel"}, set={"network.hidden": [32, 16], "data.fallback": None})
    assert hidden.network.hidden == (32, 16)


MISTAKES = {
    "a config": (lambda: vaecli.train("gumble"), "gumble: no such config file, did you mean 'gumbel'?"),
    "a key": (lambda: vaecli.train({**TINY, "modle": 1}), "config: modle: unknown key, did you mean 'model'?"),
    "an override": (
        lambda: vaecli.train(TINY, set={"training.epochs": "many"}),
        "--set training.epochs=many: training.epochs: should be a whole number, received 'many'",
    ),
    "threads": (lambda: vaecli.train(TINY, threads=0), "--threads 0: a whole number from 1 is needed"),
    "a name": (lambda: vaecli.compare("xyz"), "xyz: no such config, run or folder"),
    "seeds": (lambda: vaecli.compare(seeds=0), "--seeds 0: a number of seeds such as 5, or a list such as 0,3,7"),
    "no seeds": (lambda: vaecli.compare(seeds=[]), "--seeds : a number of seeds such as 5"),
    "a family": (
        lambda: vaecli.compare(family="quantisers"),
        "--family quantisers: no such family, did you mean 'quantizers'?",
    ),
    "a column": (lambda: vaecli.compare(sort_by="beauty"), "--sort-by beauty: no such column"),
    "jobs": (lambda: vaecli.compare("gumbel", set=["data=digits"], jobs=0), "--jobs 0: a whole number"),
    "samples": (lambda: vaecli.evaluate("gumbel", bound_samples=0), "--bound-samples 0: a whole number from 1"),
    "a split": (lambda: vaecli.evaluate("gumbel", split="tset"), "--split tset: no such split, did you mean 'test'?"),
    "weights": (lambda: vaecli.evaluate("gumbel", weights="first"), "--weights first: no such weights (known: last"),
    "an objective": (lambda: vaecli.audit(objective="cubik"), "--objective cubik: no such loss, did you mean 'cubic'?"),
    "an estimator": (lambda: vaecli.audit(**{**TOY, "estimators": "zgrr"}), "unknown estimator 'zgrr'"),
    "a temperature": (
        lambda: vaecli.audit(**{**TOY, "temperatures": [1.0, -1.0]}),
        "--temperatures 1.0,-1.0: numbers above 0 such as 0.5,1 are needed",
    ),
    "half an epoch": (lambda: vaecli.audit("gumbel", epochs=[0.5]), "--epochs 0.5: whole numbers such as 0,1,5"),
    "images": (lambda: vaecli.audit(**{**TOY, "images": 0}), "--images 0: a whole number from 1 is needed"),
    "a run": (lambda: vaecli.verify("xyz"), "outputs: no run yet"),
    "no run": (lambda: vaecli.plot(), "outputs: no finished run yet"),
    "a format": (lambda: vaecli.plot("gumbel-max", format="gif"), "the format is one of png, svg, pdf"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_raises_its_line(case, tmp_path):
    call, words = MISTAKES[case]
    with pytest.raises(VaecliError) as error:
        call()
    assert words in error.value.lines[0]
    assert not written(tmp_path)


def test_lists_may_be_written_as_for_the_command():
    assert arguments.seeds_of(3) == arguments.seeds_of("3") == [0, 1, 2]
    assert arguments.seeds_of([3]) == [3]
    assert arguments.seeds_of((0, 7)) == arguments.seeds_of("0,7") == [0, 7]
    with pytest.raises(ConfigError):
        arguments.seeds_of("0")
    not_finite = {"a": float("inf"), "b": float("-inf"), "c": float("nan"), "d": "nan", "e": "null"}
    assert arguments.settings_of(not_finite) == ["a=.inf", "b=-.inf", "c=.nan", "d=nan", 'e="null"']
    assert arguments.sweeps_of({"model.temperature": [0.5, 1]}) == ["model.temperature=0.5,1"]
    assert arguments.numbers("x", "0.5,1", float) == arguments.numbers("x", [0.5, 1, 1], float) == (0.5, 1.0)


def test_a_plan_trains_nothing(tmp_path):
    plan = vaecli.compare("gumbel", "vae", seeds=2, set={"data": "digits"}, dry_run=True, quiet=True)
    assert len([line for line in plan.plan if line.startswith("missing")]) == 4
    assert str(plan).endswith(plan.plan[-1])
    assert not written(tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        lambda: vaecli.compare("gumbel", set={"data": "digits"}, quiet=True),
        lambda: vaecli.reproduce("jang2016_categorical_vae", quick=True, quiet=True),
    ],
)
def test_figures_are_imported_while_the_last_runs_train(call, monkeypatch):
    class Trained(Exception):
        pass

    def train_missing(*_: object, idle, **__: object):
        gone = [name for name in sys.modules if name.startswith("vaecli.reports") and name.endswith("figures")]
        for name in [*gone, "vaecli.reports.style"]:
            monkeypatch.delitem(sys.modules, name, raising=False)
        idle()
        assert "vaecli.reports.style" in sys.modules
        raise Trained

    monkeypatch.setattr("vaecli.launch.drive.train_missing", train_missing)
    with pytest.raises(Trained):
        call()


def test_quiet_says_nothing_at_all(capfd):
    vaecli.train(TINY, quiet=True)
    vaecli.audit(**TOY, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_a_finished_run_is_given_without_tensorflow(finished):
    run = finished("gumbel")
    program = (
        "import sys, vaecli\n"
        f"run = vaecli.train({str(run.config_yaml)!r}, output_dir={str(run.path.parent)!r}, quiet=True)\n"
        "print(run.summary['run'] if 'run' in run.summary else run.path.name, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{run.name} False\n"


def test_they_work_in_a_thread_and_in_several(finished):
    known, found = finished("gumbel").path, {}

    def work(seed):
        found[seed] = vaecli.train(TINY, seed=seed, quiet=True)
        found["rows", seed] = vaecli.audit(**TOY, seed=seed, quiet=True).rows

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed].config.training.seed for seed in (1, 2)] == [1, 2]
    assert [len(found["rows", seed]) for seed in (1, 2)] == [2, 2]
    assert vaecli.verify(known, files_only=True).verified


def test_ctrl_c_saves_and_the_same_call_goes_on(monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def interrupted(self, row, epochs):
        if row["epoch"] == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Console, "epoch", interrupted)
        with pytest.raises(Interrupted, match="stopped and saved at epoch 2") as error:
            vaecli.train(TINY, epochs=3, quiet=True)
    assert error.value.exit_code == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    run = vaecli.train(TINY, epochs=3, quiet=True)
    assert len(run.metrics) == 3
    assert len(Run(run.path).info["history"]) == 1


def test_a_second_ctrl_c_ends_a_program_of_somebody_elses_only_when_python_can():
    program = (
        "import time\n"
        "from vaecli.api.frame import stop_on\n"
        "try:\n"
        "    with stop_on() as stop:\n"
        "        stop()\n"
        "        print('busy', flush=True)\n"
        "        __import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 4_000_000)\n"
        "except Exception as error:\n"
        "    print(error, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "busy\n"
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGTERM)
        assert running.stdout.readline() == "stopped without saving again\n"
    assert running.returncode == 0


def test_the_environment_is_put_back_and_threads_are_those_that_tensorflow_has(monkeypatch, capfd):
    for name in process.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(process, "_begun_with", {process.INTRAOP: None, process.INTEROP: None})
    run = vaecli.train(TINY, seed=5, threads=1)
    assert not set(process.ENVIRONMENT) & set(os.environ)
    assert Run(run.path).info["threads"] is None
    assert (
        "--threads 1: TensorFlow has already started with all in this process and keeps them" in capfd.readouterr().err
    )


def program(path):
    return re.search(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)[1]


def test_the_programs_of_the_documentation_run(capsys, monkeypatch):
    """Without MNIST, as everywhere in these tests, it is the digits that the presets fall back to."""
    monkeypatch.setattr("vaecli.evaluation.classifier.STEPS", 20)
    images = digits().test.images[..., 0]
    space = {"images": images}
    exec(program(PAGE), space)
    assert space["codes"].shape == (len(images), 1)
    assert space["pictures"].shape == images.shape
    assert {row.name for row in space["comparison"].groups[0].rows} == {"gumbel", "exact"}
    assert capsys.readouterr().out.startswith("data digits")
    short = {"images": images}
    exec(program(README), short)
    assert short["codes"].shape == (len(images), 1)
    assert "gumbel" in capsys.readouterr().out
