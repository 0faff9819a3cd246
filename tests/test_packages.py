"""An estimator of another package is a method like those that are built in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vaecli
from vaecli.runs import all_runs

PAGE = Path(vaecli.__file__).parents[1] / ".github" / "docs" / "python.md"
DOCUMENTED = PAGE.read_text(encoding="utf-8").replace("my_package", "tiny")
OTHERS = """
careless = Method("its estimator has no such option", CATEGORICAL, Component("tiny.estimators:scaled_st", ("force",)))
odd = Method(
    "its option is no type", CATEGORICAL, Component("tiny.estimators:scaled_st", ("odd",)), described={"odd": None}
)
wrong = Method(
    "its estimator has another option",
    CATEGORICAL,
    Component("tiny.estimators:scaled_st", ("force",)),
    described={"force": Option(NonNegative, 1.0, "no factor of the gradient")},
)
absent = Method("its estimator is not there", CATEGORICAL, Component("tiny.nowhere:nothing"))
"""
ESTIMATORS = """
import tensorflow as tf
from vaecli.estimators.estimator import pathwise
from vaecli.estimators.sampling import with_gradient


@pathwise(exact_for="linear")
def scaled_st(logits, one_hot, *, strength, seed):
    del seed
    return with_gradient(one_hot, of=strength * tf.nn.softmax(logits))
"""
ENTRY_POINTS = """
gumbel = tiny.declared:method
careless = tiny.declared:careless
absent = tiny.declared:absent
odd = tiny.declared:odd
wrong = tiny.declared:wrong
broken = tiny.there_is_no_such_module:method
number = tiny:NUMBER
"""
SMALL = ["--set", "data=digits", "--set", "network.hidden=[16]", "--set", "training.compile=graph", "--epochs", "1"]


def documented(begin: str) -> str:
    """The block of code in the documentation that begins so."""
    return begin + DOCUMENTED.partition(f"\n{begin}")[2].partition("```")[0]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the package `tiny`, as an installer would leave it."""
    folder = tmp_path_factory.mktemp("site")
    declared = documented("scaled_st = ").replace('"', "")
    files = {
        "tiny/__init__.py": "NUMBER = 1\n",
        "tiny/declared.py": documented("from vaecli.config.options import") + OTHERS,
        "tiny/estimators.py": ESTIMATORS,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/entry_points.txt": f"[vaecli.estimators]\n{declared}\n{ENTRY_POINTS}",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def run(package, tmp_path):
    """`run(program, *arguments)`: a Python program beside the package, in an empty folder."""
    root = str(Path(vaecli.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), root])}

    def python(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return python


@pytest.fixture
def command(run):
    return lambda *arguments: run("-m", "vaecli", *map(str, arguments))


def test_it_is_found_without_tensorflow(run):
    program = (
        "import sys\n"
        "from vaecli.config import config_from_text\n"
        "model = config_from_text('model: {name: scaled_st, strength: 3.0}').model\n"
        "print(model.options(), 'tensorflow' in sys.modules)"
    )
    assert run("-c", program).stdout == (
        "{'num_latents': 1, 'num_classes': 10, 'unimix': 0.0, 'embedding': 'one_hot', 'parameterization': 'softmax', "
        "'strength': 3.0} False\n"
    )


def test_init_and_check_know_it_and_its_options(command):
    assert command("check", "scaled_st").stdout == "scaled_st (preset): ok, scaled_st on mnist\n"
    assert command("init", "scaled_st").stdout == "scaled_st.yaml\n"
    assert command("check", "scaled_st.yaml").stdout == "scaled_st.yaml: ok, scaled_st on mnist\n"
    assert "strength: 2.0              # factor of the gradient" in command("init", "scaled_st", "--output", "-").stdout
    wrong = command("check", "scaled_st", "--set", "model.strength=-1").stderr
    assert wrong == "--set model.strength=-1: model.strength: should be greater than or equal to 0, received -1\n"


def test_a_near_miss_and_completion_name_it(command, run):
    assert "did you mean 'scaled_st'?" in command("init", "scaled").stderr
    program = "from vaecli.cli import complete; print(complete.method_names('sc'), complete.config_names('sc'))"
    assert run("-c", program).stdout == "['scaled_st'] ['scaled_st']\n"


def test_it_trains_is_compared_and_audited_like_any_other(command, tmp_path):
    trained = command("train", "--config", "scaled_st", *SMALL)
    assert trained.returncode == 0, trained.stderr
    (found,) = all_runs(tmp_path / "outputs")
    assert found.name.startswith("scaled_st-digits-")
    compared = command("compare", "scaled_st", "straight_through", *SMALL, "--format", "json", "--quiet")
    assert compared.returncode == 0, compared.stderr
    assert {row["method"] for row in json.loads(compared.stdout)} == {"scaled_st", "straight_through"}
    toy = ("audit", "--objective", "linear", "--images", "4", "--draws", "128", "--json")
    audited = command(*toy, "--estimators", "scaled_st,straight_through")
    assert audited.returncode == 0, audited.stderr
    bias = {row["estimator"]: row["logits"]["relative_bias"]["value"] for row in json.loads(audited.stdout)["rows"]}
    assert bias["scaled_st"] == pytest.approx(1, rel=0.2)  # twice the exact gradient: off by once


def test_python_trains_it(run):
    program = (
        "import vaecli\n"
        "config = {'model': {'name': 'scaled_st', 'strength': 0.5}, 'data': 'digits', 'network': {'hidden': [16]}}\n"
        "run = vaecli.train(config, epochs=1, quiet=True)\n"
        "print(run.config.model.options()['strength'], len(run.metrics))"
    )
    done = run("-c", program)
    assert done.stdout == "0.5 1\n", done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'tiny.there_is_no_such_module'"),
        ("number", "tiny:NUMBER is not a vaecli.registry.Method of CATEGORICAL and an estimator"),
        ("careless", "its option force has no description"),
    ],
)
def test_one_that_cannot_be_used_says_why_in_one_line_when_it_is_asked_for(command, name, reason):
    for arguments in (("check", name), ("init", name), ("compare", name), ("audit", "--estimators", name)):
        done = command(*arguments)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith(f"model '{name}' of tiny cannot be used: {reason}")
        assert "Traceback" not in done.stderr


def test_one_that_cannot_be_used_is_no_obstacle_to_others(command):
    done = command("check", "vae")
    assert (done.returncode, done.stderr) == (0, "")
    assert "broken" not in command("init", "xyz").stderr
    assert command("check", "vae", "--set", "model.xyz=1").stderr.startswith(
        "--set model.xyz=1: model.xyz: unknown key"
    )


def test_an_estimator_that_cannot_be_imported_is_told_when_it_trains_and_left_out_of_an_audit(command):
    done = command("train", "--config", "absent", *SMALL)
    assert done.returncode == 2
    reason = "tiny.nowhere:nothing: cannot be imported (ModuleNotFoundError: No module named 'tiny.nowhere')"
    assert done.stderr.splitlines()[-1] == reason
    audit = command(
        "audit", "--objective", "linear", "--estimators", "absent,wrong,zgr", "--images", "4", "--draws", "128"
    )
    assert audit.returncode == 0
    assert f"left out: absent: {reason}" in audit.stdout
    other = "tiny.estimators:scaled_st: not an estimator with the options that it declares ('force',)"
    assert f"left out: wrong: {other}" in audit.stdout


def test_the_name_of_a_built_in_method_is_refused_in_one_line(command):
    done = command("check", "gumbel")
    assert done.returncode == 0
    assert done.stderr == ("model 'gumbel' is the built-in one: that of tiny is ignored; it needs another name\n")
