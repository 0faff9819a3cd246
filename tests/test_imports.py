"""Imports run one way, and what is light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vaecli

ROOT = Path(vaecli.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
HEAVY = {"tensorflow", "keras", "numpy", "matplotlib", "distributed"}

BASE = {"errors", "filesystems", "registry"}
MAY_IMPORT = {
    "errors": set(),
    "registry": set(),
    "filesystems": set(),
    "backend": set(),
    "config": BASE,
    "data": BASE | {"config"},
    "runs": BASE | {"backend", "config", "data"},
    "reports": BASE | {"backend", "config", "runs"},
    "layers": {"errors"},
    "programs": set(),
    "optimizers": set(),
    "estimators": {"optimizers"},
    "bottlenecks": {"estimators", "layers"},
    "models": {"bottlenecks", "config", "estimators", "layers"},
    "training": {"config", "data", "estimators", "models", "optimizers", "programs"},
    "evaluation": {"config", "data", "errors", "estimators", "models", "programs", "runs"},
    "journal": BASE | {"data", "evaluation", "models", "reports", "runs", "training"},
    "memory": BASE | {"backend", "config", "data"},
    "experiment": BASE | {"backend", "config", "data", "journal", "memory", "models", "runs", "training"},
    "audit": BASE | {"bottlenecks", "config", "data", "estimators", "experiment", "models", "reports", "runs"},
    "launch": BASE | {"backend", "config", "data", "experiment", "memory", "runs"},
    "verify": BASE | {"backend", "config", "data", "experiment", "runs"},
    "trained": BASE | {"backend", "config", "models", "runs"},
    "cli": BASE
    | {
        "audit",
        "backend",
        "config",
        "data",
        "evaluation",
        "experiment",
        "launch",
        "models",
        "reports",
        "runs",
        "verify",
    },
    "__init__": {"trained"},
    "__main__": {"cli"},
}
WITHOUT_TENSORFLOW = {
    "errors",
    "filesystems",
    "registry",
    "backend",
    "config",
    "data",
    "runs",
    "reports",
    "cli",
    "experiment",
    "launch",
    "memory",
    "verify",
}


def room(path):
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(path, *, anywhere=True):
    """Every module that is imported, but for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree) if anywhere else tree.body:
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    ours = [name.split(".") for name in imports(path) if name.startswith("vaecli.")]
    rooms = {parts[1] for parts in ours if parts[1] != "__version__"}
    assert rooms - {room(path)} <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_reads_runs_imports_no_tensorflow(path):
    heavy = {"tensorflow", "keras", "sklearn"} if room(path) in WITHOUT_TENSORFLOW else set()
    assert not heavy & {name.split(".")[0] for name in imports(path, anywhere=False)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def loaded_after(arguments, folder):
    """The heavy modules that a command has imported when it ends."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print(sorted({HEAVY | {'sklearn'}!r} & set(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['vaecli', *{arguments!r}]\n"
        "from vaecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["audit", "--help"],
        ["compare", "--help"],
        ["--version"],
        ["check", "gumbel"],
        ["init", "vae"],
    ],
)
def test_help_and_configs_import_nothing_heavy(arguments, tmp_path):
    assert loaded_after(arguments, tmp_path) == "[]"


def test_plot_imports_no_tensorflow(finished, tmp_path):
    run = finished("gumbel")
    arguments = ["plot", run.name, "--output-dir", str(run.path.parent), "--output", "here"]
    assert loaded_after(arguments, tmp_path) == "['matplotlib', 'numpy']"


def test_a_finished_run_is_shown_without_tensorflow(finished, tmp_path):
    run = finished("gumbel")
    arguments = ["train", "--config", str(run.config_yaml), "--output-dir", str(run.path.parent)]
    assert loaded_after(arguments, tmp_path) == "['numpy', 'sklearn']"  # its data are scikit-learn's digits


def test_finished_runs_are_compared_without_tensorflow_and_dask(finished, tmp_path):
    run = finished("gumbel")
    arguments = ["compare", run.name, "--no-train", "--output-dir", str(run.path.parent)]
    assert {"tensorflow", "keras", "sklearn", "distributed"}.isdisjoint(eval(loaded_after(arguments, tmp_path)))


def test_importing_vaecli_costs_nothing():
    code = f"import sys, vaecli; print({HEAVY!r} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
