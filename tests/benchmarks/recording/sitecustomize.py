"""Notes every refusal that vaecli makes in a Python process with this folder on PYTHONPATH, for refusals.py.

A line of JSON in the file that REFUSALS names: the place that made the error, its lines, and the test that led there.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType
from typing import Any

open_file, write, close = os.open, os.write, os.close  # as they are before a test fills the disk
noted: set[str] = set()


class Watched:
    """Finds the modules of vaecli as Python does, and has what makes their errors noted."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        del target
        if not name.startswith("vaecli."):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: Any) -> None:
                execute(module)
                watch(module)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def watch(module: Any) -> None:
    if module.__name__ == "vaecli.errors":
        made = module.VaecliError.__init__

        def noted_error(error: Any, *lines: str) -> None:
            made(error, *lines)
            frame = sys._getframe(1)
            while frame.f_back and frame.f_code.co_filename == module.__file__:
                frame = frame.f_back
            note(frame, error.lines)

        module.VaecliError.__init__ = noted_error
    elif key := vars(module).get("PydanticCustomError"):

        def of_key(*arguments: Any) -> Any:
            note(sys._getframe(1), ())
            return key(*arguments)

        module.PydanticCustomError = of_key


def note(frame: FrameType, lines: tuple[str, ...]) -> None:
    import json  # not before the program itself imports anything

    test = os.environ.get("PYTEST_CURRENT_TEST", "a fixture").partition(" ")[0].partition("[")[0]
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if (line := json.dumps([place, lines, test]) + "\n") not in noted:
        noted.add(line)
        handle = open_file(KEPT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        write(handle, line.encode())
        close(handle)


if KEPT := os.environ.get("REFUSALS", ""):
    sys.meta_path.insert(0, Watched)  # type: ignore[arg-type]
