"""Imports run one way, and what is light stays light."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vaecli

ROOT = Path(vaecli.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
# "not distinguishable", "fallback for", "not comparable" and "again" say the same in plain English.
ODD = re.compile(
    r"\bfor want of\b|\banother game\b|\btells?\b[^.;:]{0,40}\bfrom\b|\b(?:not |apart )?told (?:from|apart)\b|\banew\b"
    r"|\bwhat is to become\b|\bruns of before\b|\bfiles of before\b|\bso many as\b|\btakes leave\b|\bhas the word\b",
    re.IGNORECASE,
)
HEAVY = {"tensorflow", "keras", "numpy", "matplotlib", "distributed"}

BASE = {"errors", "filesystems", "registry", "screen"}
CORE = BASE | {"backend", "config", "data"}
MAY_IMPORT = {
    "errors": set(),
    "filesystems": set(),
    "screen": set(),
    "registry": {"errors"},
    "backend": BASE,
    "config": BASE,
    "data": BASE | {"config"},
    "metrics": BASE | {"config"},
    "papers": {"config", "errors", "metrics", "registry"},
    "runs": CORE | {"metrics"},
    "estimators": {"backend", "registry"},
    "bottlenecks": {"backend", "config", "estimators"},
    "models": {"backend", "bottlenecks", "config", "data", "estimators", "registry"},
    "training": CORE | {"estimators", "models"},
    "evaluation": CORE | {"bottlenecks", "estimators", "metrics", "models", "runs"},
    "reports": CORE | {"metrics", "papers", "runs"},
    "experiment": CORE | {"evaluation", "metrics", "models", "reports", "runs", "training"},
    "auditing": CORE | {"bottlenecks", "estimators", "experiment", "metrics", "models", "reports", "runs"},
    "launch": CORE | {"experiment", "papers", "runs", "training"},
    "terminal": {"errors", "launch", "reports", "screen", "training"},
    "api": CORE | {"auditing", "experiment", "launch", "papers", "reports", "runs", "terminal"},
    "cli": CORE | {"api", "evaluation", "experiment", "metrics", "models", "papers", "reports", "runs", "terminal"},
    "__init__": {"api", "errors", "experiment"},
    "__main__": {"cli"},
}
# Rooms that a command reads before it knows whether TensorFlow is needed; of others the files that are named.
WITHOUT_TENSORFLOW = {
    *(
        "errors",
        "filesystems",
        "registry",
        "screen",
        "config",
        "data",
        "metrics",
        "papers",
        "runs",
        "reports",
        "launch",
    ),
    *("terminal", "api", "cli"),
    *("backend/process", "experiment/plan", "experiment/train", "experiment/memory", "experiment/verify"),
    *("experiment/trained", "experiment/evaluate", "experiment/origin", "experiment/apply", "experiment/export"),
    *("experiment/prior", "experiment/sample", "experiment/doctor"),
}


def room(path):
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def module(path):
    """The name that `import` knows."""
    return ".".join(("vaecli", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def imports(path, *, anywhere=True):
    """Every name that is imported: everywhere, for type checkers too; or by the module's own statements alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    ours = [name.split(".") for name in imports(path) if name.startswith("vaecli.")]
    rooms = {parts[1] for parts in ours if parts[1] != "__version__"}
    assert rooms - {room(path)} <= MAY_IMPORT[room(path)]


def test_no_room_and_no_module_imports_itself_by_way_of_others():
    names = {module(path): path for path in MODULES}

    def modules(path):
        """A name is of the longest module that it begins with."""
        for name in imports(path):
            while name and name not in names:
                name = name.rpartition(".")[0]
            if name not in ("", "vaecli", module(path)):
                yield name

    def rooms(path):
        return {name.split(".")[1] for name in modules(path)} - {room(path)}

    by_room = {}
    for path in MODULES:
        if path.parent != ROOT or path.stem not in ("__init__", "__main__"):
            by_room.setdefault(room(path), set()).update(rooms(path))
    for graph in ({name: set(modules(path)) for name, path in names.items()}, by_room):
        tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_few_files_lie_at_the_root_of_the_package():
    assert {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__"} == BASE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_reads_runs_imports_no_tensorflow(path):
    light = {room(path), str(path.relative_to(ROOT).with_suffix(""))} & WITHOUT_TENSORFLOW
    heavy = {"tensorflow", "keras", "sklearn"} if light else set()
    assert not heavy & {name.split(".")[0] for name in imports(path, anywhere=False)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("folder", [ROOT, TESTS], ids=lambda folder: folder.name)
def test_docstrings_start_with_a_verb_or_a_noun_phrase(folder):
    for path in sorted(folder.rglob("*.py")):
        assert [text for text in docstrings(path) if text.startswith("Of ")] == [], path


def texts(path):
    """The string literals of a module, docstrings and parts of f-strings included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_texts_use_the_terms_of_the_field():
    pages = [ROOT.parent / "README.md", *sorted((ROOT.parent / ".github").rglob("*.md"))]
    written = {path: list(texts(path)) for path in MODULES} | {
        page: [page.read_text(encoding="utf-8")] for page in pages
    }
    for path, parts in written.items():
        found = {words for text in parts for words in ODD.findall(" ".join(text.split()))}
        assert not found, f"{path}: {found}"


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
