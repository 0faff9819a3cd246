"""Damages every file of a stopped and of a finished run in every way, and looks at what each command makes of it.

    python tests/benchmarks/damaged_files.py [--method gumbel] [--repeats 1] [--folder DIR]

Each file has one byte changed (at another place in each repeat), is cut to half, emptied, removed, or exchanged for the
file of another run. Of each such folder, `train`, `verify --files`, `show`, `plot`, `compare --no-train` and `load_run`
are asked. What may happen: the damage is named (n), or it does not matter (=: the figures and the weights are those of
the whole run). What may not: a figure of another run, other weights after a resume, or a traceback (all are !). Results
are kept in the folder, so that the same command goes on where it was stopped; it exits with 1 if anything is wrong.
"""

import argparse
import contextlib
import itertools
import json
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import Silent, small_config, train
from vaecli import load_run
from vaecli.cli.app import app
from vaecli.errors import Interrupted, VaecliError
from vaecli.runs import Run
from vaecli.training import trainer

WAYS = ("byte", "half", "empty", "removed", "exchanged")
COMMANDS = ("train", "verify", "show", "plot", "compare", "load_run")
LOGS = (".lock", "train.log", "tensorflow.log")
NUMBER = re.compile(r"\d+\.\d{4}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="gumbel")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "vaecli-damaged-files"))
    asked = parser.parse_args()
    trainer.FIRST_CALL_STEPS, trainer.SECONDS_PER_CALL = 3, 0.0  # many places to stop at
    asked.folder.mkdir(parents=True, exist_ok=True)
    kept = asked.folder / "results.json"
    results: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    whole = Whole(asked.folder, asked.method)
    for repeat, (state, run) in itertools.product(range(asked.repeats), whole.states.items()):
        for name, way in itertools.product(files_of(run), WAYS):
            key = f"{repeat} {state} {name} {way}"
            if key not in results:
                results[key] = whole.try_out(state, run, name, way, repeat)
                kept.write_text(json.dumps(results, indent=1))
    show(results)
    sys.exit(any("!" in marks for marks in results.values()))


class Whole:
    """A finished run, one stopped on its way, and another run to exchange files with."""

    def __init__(self, folder: Path, method: str) -> None:
        self.folder, self.method = folder, method
        extra = ", checkpoint_seconds: 0"
        self.config = small_config(method, epochs=3, extra_training=extra)
        other = small_config(method, epochs=3, seed=1, extra_training=extra)
        self.finished, self.other = train(self.config, folder / "whole"), train(other, folder / "whole")
        stopped = folder / "stopped" / self.finished.name
        if not stopped.exists():
            calls = itertools.count(1)
            with contextlib.suppress(Interrupted):
                train(self.config, folder / "stopped", stop=lambda: 130 if next(calls) >= 19 else None)
        self.stopped = Run(stopped)
        self.states = {"stopped": self.stopped, "finished": self.finished}
        self.weights = weights_of(self.finished)
        shown = invoke("show", self.finished.name, "--output-dir", str(self.finished.path.parent))[1]
        self.figures = set(NUMBER.findall(shown)) | {f"{x:.4f}" for x in flat_numbers(self.finished)}
        strange = invoke("show", self.other.name, "--output-dir", str(self.finished.path.parent))[1]
        self.strange = (set(NUMBER.findall(strange)) | {f"{x:.4f}" for x in flat_numbers(self.other)}) - self.figures
        self.images = self.finished.reconstructions()["images"]
        self.codes = load_run(self.finished.path).reconstruct(self.images)

    def try_out(self, state: str, run: Run, name: str, way: str, repeat: int) -> str:
        """A mark for each of COMMANDS."""
        marks = ""
        for command in COMMANDS:
            place = self.folder / "try"
            shutil.rmtree(place, ignore_errors=True)
            copy = Run(Path(shutil.copytree(run.path, place / run.name)))
            damage(copy.path / name, self.other_file(run, name), way, seed=repeat)
            try:
                marks += getattr(self, f"_{command}")(copy, state)
            except Exception:
                traceback.print_exc()
                marks += "!"
            if marks[-1] == "!":
                print(f"{state} {name} {way}: {command}", flush=True)
        return marks

    def other_file(self, run: Run, name: str) -> Path:
        """The file of the same name of the other run; of its last state, where it has none of that step."""
        found = self.other.path / name
        return found if found.exists() else sorted(self.other.path.glob(f"{Path(name).parent}/*.npz"))[-1]

    def _train(self, copy: Run, state: str) -> str:
        reporter = Silent()
        try:
            train(self.config, copy.path.parent, reporter=reporter)
        except VaecliError:
            return "n"
        whole = Run(copy.path)
        same = weights_of(whole) == self.weights and whole.status == "finished"
        return "!" if not same else "=" if all(line.startswith("resuming") for line in reporter.said) else "n"

    def _verify(self, copy: Run, state: str) -> str:
        return self._said("verify", "--files", copy.name, "--output-dir", str(copy.path.parent))

    def _show(self, copy: Run, state: str) -> str:
        return self._said("show", copy.name, "--output-dir", str(copy.path.parent))

    def _plot(self, copy: Run, state: str) -> str:
        return self._said("plot", copy.name, "--output-dir", str(copy.path.parent))

    def _compare(self, copy: Run, state: str) -> str:
        return self._said("compare", str(copy.path.parent), "--no-train", "--output-dir", str(copy.path.parent))

    def _load_run(self, copy: Run, state: str) -> str:
        try:
            run = load_run(copy.path)
        except VaecliError:
            return "n"
        same = np.array_equal(run.reconstruct(self.images), self.codes)
        same = same and run.summary == self.finished.summary and run.config == self.finished.config
        return "=" if same and run.metrics == self.finished.metrics else "!"

    def _said(self, *arguments: str) -> str:
        code, said = invoke(*arguments)
        if self.strange & set(NUMBER.findall(said)) or "Traceback" in said:
            print(said)
            return "!"
        told = any(word in said for word in ("changed", "damaged", "missing", "cannot be read", "no such run", "not "))
        return "n" if code or told else "="


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        traceback.print_exception(result.exception)
        return 1, "Traceback"
    return result.exit_code, result.output


def files_of(run: Run) -> Iterator[str]:
    """Every file but logs and figures, which nobody reads figures from."""
    for path in sorted(run.path.rglob("*")):
        name = str(path.relative_to(run.path))
        if path.is_file() and name not in LOGS and not name.startswith("figures/"):
            yield name


def damage(path: Path, other: Path, way: str, *, seed: int) -> None:
    raw = path.read_bytes()
    place = np.random.default_rng((seed, len(raw))).integers(max(1, len(raw)))
    changes: dict[str, Callable[[], object]] = {
        "byte": lambda: path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]),
        "half": lambda: path.write_bytes(raw[: len(raw) // 2]),
        "empty": lambda: path.write_bytes(b""),
        "removed": path.unlink,
        "exchanged": lambda: shutil.copy(other, path),
    }
    changes[way]()


def weights_of(run: Run) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def flat_numbers(run: Run) -> Iterator[float]:
    for row in run.metrics:
        yield from (value for value in row.values() if value is not None)


def show(results: dict[str, str]) -> None:
    """A line for each file, a column for each way, and in it a mark for each of COMMANDS."""
    print(f"marks: {', '.join(COMMANDS)}; n named, = does not matter, ! wrong")
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for key, marks in results.items():
        _, state, name, way = key.split(" ")
        found.setdefault((state, name), {}).setdefault(way, set()).add(marks)
    print(f"{'':<42}" + "".join(f"{way:<16}" for way in WAYS))
    for (state, name), ways in found.items():
        cells = [" ".join(sorted(ways.get(way, ()))) for way in WAYS]
        print(f"{state:<9} {name:<32}" + "".join(f"{cell:<16}" for cell in cells))
    wrong = sum(marks.count("!") for marks in results.values())
    print(f"{sum(map(len, results.values())):,} looks at {len(results)} damaged folders, {wrong} wrong")


if __name__ == "__main__":
    main()
