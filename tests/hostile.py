"""Surroundings of users that must not matter: `pytest --hostile all tests/cli`, or some of SETTINGS by their names.

Each is there for every process that a test starts, and for commands in this one, but for what a process reads once:
conftest.py has prepared this one. pytest keeps its own filters of warnings, and a test's own program is started with
-P, as its user would have to.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

MATPLOTLIBRC = {"image.origin": "lower", "axes.facecolor": "black", "savefig.dpi": 17, "font.size": 30}
KERAS = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1, "backend": "jax"}
MODULES = ("random", "keras", "typing", "numpy", "tensorflow", "yaml", "matplotlib", "secrets", "tempfile")
PREPARED = dict(os.environ)  # by conftest.py
EXECUTED = "raise SystemExit(__file__ + ' was executed')\n"


def matplotlibrc(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """A style in which digits are upside down on black."""
    import matplotlib  # not in every process that reads this module: its backend may not exist

    lines = (f"{name}: {value}\n" for name, value in MATPLOTLIBRC.items())
    (folder / "matplotlibrc").write_text("".join(lines))
    patch.setenv("MATPLOTLIBRC", str(folder / "matplotlibrc"))
    for name, value in MATPLOTLIBRC.items():
        patch.setitem(matplotlib.rcParams, name, value)


def home(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """No HOME."""
    del folder
    patch.delenv("HOME", raising=False)


def modules(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Files in the working directory that have the names of modules."""
    begin = subprocess.Popen.__init__

    def begin_among_them(process: Any, command: Any, *arguments: Any, **options: Any) -> None:
        here = Path(options.get("cwd") or os.getcwd())
        if here.is_dir() and here.resolve().is_relative_to(folder.parent.resolve()):
            for name in MODULES:
                (here / f"{name}.py").write_text(EXECUTED)
        if isinstance(command, list) and command[:1] == [sys.executable] and command[1:3] != ["-m", "vaecli"]:
            command = [sys.executable, "-P", *command[1:]]
        begin(process, command, *arguments, **options)

    patch.setattr(subprocess.Popen, "__init__", begin_among_them)
    patch.setattr(sys, "path", [path for path in sys.path if path])


def output(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Streams that have no sign for ±, but Russian letters."""
    del folder
    patch.setenv("PYTHONIOENCODING", "koi8-r")


def errors(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Warnings that are errors."""
    del folder
    patch.setenv("PYTHONWARNINGS", "error")
    invoke = CliRunner.invoke

    def invoke_under_them(*arguments: Any, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return invoke(*arguments, **options)

    patch.setattr(CliRunner, "invoke", invoke_under_them)


def keras_json(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """A keras.json that asks for other numbers, and another backend."""
    del folder
    Path(os.environ["KERAS_HOME"], "keras.json").write_text(json.dumps(KERAS))
    of_children(patch, {"KERAS_BACKEND": "jax"})


def flags(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Flags of XLA and a backend of matplotlib that do not exist, left by other programs."""
    del folder
    of_xla = {"XLA_FLAGS": "--xla_no_such_flag=1", "TF_XLA_FLAGS": "--no_such_flag=1"}
    of_children(patch, {**of_xla, "MPLBACKEND": "no_such_backend"})


def of_children(patch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    """Sets what TensorFlow, Keras and matplotlib read once, unless the test itself has set it."""
    begin = subprocess.Popen.__init__

    def begin_with_them(*arguments: Any, **options: Any) -> None:
        own = options.get("env") or os.environ
        theirs = {name: value for name, value in values.items() if own.get(name) == PREPARED.get(name)}
        begin(*arguments, **{**options, "env": {**own, **theirs}})

    patch.setattr(subprocess.Popen, "__init__", begin_with_them)


SETTINGS: dict[str, Callable[[pytest.MonkeyPatch, Path], None]] = {
    "matplotlibrc": matplotlibrc,
    "home": home,
    "modules": modules,
    "output": output,
    "warnings": errors,
    "keras": keras_json,
    "flags": flags,
}


def surround(names: Iterable[str], patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Sets them up, until the end of the test; the folder is an empty one below that of all tests."""
    for name in names:
        SETTINGS[name](patch, folder)
