"""Every sentence with which the program refuses something, and the tests that lead to it.

    python tests/benchmarks/refusals.py                          # the list, made from the code
    python tests/benchmarks/refusals.py tests/config tests/data  # run these tests, and name them beside each sentence
    python tests/benchmarks/refusals.py tests --hostile=all      # options of pytest, with =

A refusal is a place in vaecli/ that raises one of the errors of vaecli/errors.py, a mistake of a config's key, or a
sentence that COLLECTED functions make for an error that is raised elsewhere. What tests reached, in this
process or in one that they start (recording/sitecustomize.py), is kept in a file (--kept), which later calls add to, so
that the suite can be run in parts. After a run the command exits with 1 if a sentence is left that no test has reached.
"""

import argparse
import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import vaecli
from vaecli import errors

ROOT = Path(vaecli.__file__).parent
KEY = "PydanticCustomError"  # a mistake of one key
CLASSES = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, errors.VaecliError)}
LONGEST = 110
# Functions that make the sentences of an error that another one raises, by file
COLLECTED: Mapping[str, tuple[str, ...]] = {
    "config/read.py": ("override", "_taken_back", "validate", "_block", "_unknown_key", "_combinations"),
    "config/source.py": ("value", "items"),
    "experiment/plan.py": ("_check_length",),
    "experiment/evaluate.py": ("number_of_samples",),
    "experiment/origin.py": ("no_split",),
    "experiment/sample.py": ("checked",),
    "launch/asked.py": ("_why_not",),
}


class Refusal(NamedTuple):
    """A statement that makes an error, or a sentence of one."""

    place: str  # file:line from vaecli/ on
    last: int  # line
    sentence: str
    parts: tuple[str, ...] = ()  # of a sentence that is collected, between what is filled in

    def is_in(self, line: str) -> bool:
        """Whether a line has all parts in their order."""
        place = 0
        for part in self.parts:
            found = line.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        return True


def refusals() -> Iterator[Refusal]:
    """All of them, in the order of the files."""
    for path in sorted(ROOT.rglob("*.py")):
        found: dict[int, Refusal] = {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in COLLECTED.get(
                str(path.relative_to(ROOT)), ()
            ):
                found |= {one.last: one for one in _collected(function, path)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES | {KEY}:
                name = f"{path.relative_to(ROOT)}:{node.lineno}"
                found[node.lineno] = Refusal(name, node.end_lineno or node.lineno, " ".join(_words(node)))
        yield from (found[line] for line in sorted(found))


def _collected(function: ast.FunctionDef, path: Path) -> Iterator[Refusal]:
    """The texts of a function that are sentences, but for its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    inside = {id(part) for node in _nodes(body) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in _nodes(body):
        if isinstance(node, ast.JoinedStr):
            text = _text(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if len(re.findall(r"[a-z]{2,}", text.replace("{}", ""))) > 1 and " " in text:
            yield Refusal(f"{path.relative_to(ROOT)}:{node.lineno}", node.lineno, text, tuple(text.split("{}")))


def _nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from ast.walk(statement)


def _text(node: ast.JoinedStr) -> str:
    return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)


def _words(call: ast.Call) -> Iterator[str]:
    """The text of a call's arguments, with {} for what is filled in."""
    for node in call.args[call.func.id == KEY :]:  # type: ignore[attr-defined]  # the first is the name of its kind
        for part in ast.walk(node):
            if isinstance(part, ast.JoinedStr):
                yield _text(part)
                break
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value
                break


def recorded(tests: Sequence[str], options: Sequence[str]) -> dict[str, dict[str, None]]:
    """The places that made an error, and those of collected sentences, with the tests that led there."""
    collected = [one for one in refusals() if one.parts]
    reached: dict[str, dict[str, None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "refusals"
        paths = [str(Path(__file__).with_name("recording")), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "REFUSALS": str(file)}
        subprocess.run([sys.executable, "-m", "pytest", "-q", *options, *tests], env=environment)
        for line in file.read_text().splitlines() if file.exists() else ():
            where, lines, test = json.loads(line)
            places = [one.place for one in collected if any(map(one.is_in, lines))]
            if Path(where).is_relative_to(ROOT):
                places.append(str(Path(where).relative_to(ROOT)))
            for place in places:
                reached.setdefault(place, {})[test] = None
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--kept", type=Path, default=Path("refusals.json"))
    args, options = parser.parse_known_args()
    reached: dict[str, list[str]] = json.loads(args.kept.read_text()) if args.kept.exists() else {}
    if args.tests:
        for place, tests in recorded(args.tests, options).items():
            reached[place] = sorted({*reached.get(place, []), *tests})
        args.kept.write_text(json.dumps(reached, indent=1, sort_keys=True))
    without = count = 0
    for refusal in refusals():
        path, _, first = refusal.place.rpartition(":")
        lines = (f"{path}:{line}" for line in range(int(first), refusal.last + 1))
        tests = sorted({test for line in lines for test in reached.get(line, [])})
        count, without = count + 1, without + (not tests)
        print(f"{refusal.place:<34} {refusal.sentence[:LONGEST]}")
        if reached:
            print(f"{'':34} {', '.join(tests[:2]) or 'NO TEST'}{f' and {len(tests) - 2} more' * (len(tests) > 2)}")
    print(f"{count} refusals" + (f", {without} without a test" if reached else ""))
    sys.exit(1 if reached and without else 0)


if __name__ == "__main__":
    main()
