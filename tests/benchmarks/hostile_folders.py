"""Puts hostile values into every file of an output folder, and runs every command that reads it.

    python tests/benchmarks/hostile_folders.py [--values 3000] [--seed 0] [--folder DIR]

A finished run, one stopped on its way, the references and an audit are copied; one value of one file is exchanged for
one of another type, an infinity, a huge number, control characters, a path that leads elsewhere, or is removed. Half of
the sealed files are sealed again, as somebody would who knows how. Then list, show, diff, verify --files, plot, and
compare --no-train run in this process; for one value of each kind also in processes of their own. No command may end in
a traceback, write a control character, leave a file outside changed, or hide the other run from the list. What was
tried is kept in the folder: the same command goes on where it was stopped. It exits with 1 if anything is wrong.
"""

import argparse
import copy
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1]))

import contextlib

from helpers import small_config, train
from vaecli.cli.app import app
from vaecli.errors import Interrupted
from vaecli.runs.files import to_npz
from vaecli.runs.sealed import has_seal, seal

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "negative": -1,
    "zero": 0,
    "huge integer": 10**400,
    "huge number": 1e308,
    "tiny": 5e-324,
    "fraction": 0.5,
    "empty": "",
    "escape": "\x1b]0;owned\x07\x1b[31mred",
    "lines": "one\ntwo\rthree\x00\u202e\x9b31m",
    "surrogate": "\ud800",
    "markup": "<script>alert(1)</script>$x^$ \\frac",
    "long": "x" * 50_000,
    "path": "../../outside",
    "absolute": "/etc/passwd",
    "list": [1, [2, {"a": "\x1b[2J"}]],
    "object": {"name": {"name": "\x1b[2J"}},
    "infinity": float("inf"),
    "nan": float("nan"),
}
REMOVED = "removed"
SHARES = {"plot": 0.12, "compare": 0.05}  # of the values; they draw, which takes seconds
COMMANDS = {
    "list": ("list",),
    "list --json": ("list", "--json"),
    "show": ("show", "RUN"),
    "show --json": ("show", "RUN", "--json"),
    "diff": ("diff", "RUN", "OTHER"),
    "verify": ("verify", "RUN", "--files"),
    "plot": ("plot", "RUN"),
    "compare": ("compare", "RUN", "--no-train"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "vaecli-hostile-folders"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    kept = asked.folder / f"tried-{asked.seed}.json"
    tried: dict[str, list[str]] = json.loads(kept.read_text()) if kept.exists() else {}
    base = prepare(asked.folder)
    outside = asked.folder / "outside"
    outside.write_text("untouched")
    in_processes: set[str] = set()
    start = time.monotonic()
    for number in range(len(tried), asked.values):
        dice = random.Random(f"{asked.seed} {number}")
        place = asked.folder / "outputs"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, place)
        file, kind = exchange(place, dice)
        wrong = list(look(place, file, kind not in in_processes and dice.random() < 0.3, dice))
        in_processes.add(kind)
        if outside.read_text() != "untouched":
            wrong.append("a file outside was changed")
        tried[f"{number} {file} {kind}"] = wrong
        for line in wrong:
            print(f"{number} {file} {kind}: {line}", flush=True)
        if number % 50 == 0 or number == asked.values - 1:
            kept.write_text(json.dumps(tried, indent=1))
            print(f"{number + 1:,} values after {time.monotonic() - start:.0f} s", flush=True)
    files = Counter(key.split(" ")[1] for key in tried)
    print("; ".join(f"{file} {count}" for file, count in sorted(files.items())))
    bad = sum(map(bool, tried.values()))
    print(f"{len(tried):,} values, {bad} with something wrong")
    sys.exit(bool(bad))


def prepare(folder: Path) -> Path:
    """A folder with a finished run, a stopped one, references and an audit."""
    base = folder / "base"
    if (base / "whole").exists():
        return base
    shutil.rmtree(base, ignore_errors=True)
    run = train(small_config("gumbel"), base)
    calls = iter(range(100))
    with contextlib.suppress(Interrupted):
        train(small_config("exact"), base, stop=lambda: 130 if next(calls) > 0 else None)
    for command in (
        ["data", "references", "--quiet"],
        ["audit", run.name, "--images", "8", "--draws", "128", "--estimators", "straight_through", "--quiet"],
    ):
        assert CliRunner().invoke(app, [*command, "--output-dir", str(base)]).exit_code == 0, command
    (base / "whole").touch()
    return base


def exchange(place: Path, dice: random.Random) -> tuple[str, str]:
    """Exchanges one value of one file; returns the file, from the folder on, and the kind of the value."""
    names = ("run.json", "summary.json", "failure.json", "metrics.csv", "config.yaml", "reconstructions.npz")
    run = dice.choice(sorted(path.parent for path in place.glob("*/run.json")))
    files = [*(run / name for name in names), *place.glob("references/*.json"), *place.glob("audit-*/audit.json")]
    path = dice.choice(files)
    kind = dice.choice([*VALUES, REMOVED])
    name = f"{path.parent.name}/{path.name}".replace(" ", "")
    if path.name == "failure.json":
        path.write_bytes(seal({"format": 2, "reason": "failed"}))
    if not path.exists():
        return name, "absent"
    if path.suffix == ".json":
        raw = path.read_bytes()
        tree = json.loads(raw)
        sealed = has_seal(raw) and tree.pop("seal") and dice.random() < 0.7
        replace(tree, dice, kind)
        path.write_bytes(_resealed(tree) if sealed else json.dumps(tree, indent=2).encode())
    elif path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = dict(archive)
        array = dice.choice(sorted(arrays))
        odd = [np.zeros(0), np.zeros((2, 2)), np.full((10, 8, 8), np.nan), np.array("\x1b[2J"), np.zeros((1, 10**6))]
        arrays[array] = dice.choice(odd)
        path.write_bytes(to_npz(arrays))
    else:
        separator = "," if path.suffix == ".csv" else ": "
        lines = path.read_text().split("\n")
        line = dice.randrange(len(lines))
        cells = lines[line].split(separator)
        value = VALUES.get(kind, "")
        cells[dice.randrange(len(cells))] = value if isinstance(value, str) else repr(value)
        lines[line] = separator.join(cells)
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape" if kind != "surrogate" else "replace"))
    if path.parent == run and path.name != "summary.json" and (run / "summary.json").exists() and dice.random() < 0.7:
        _forge_digest(run, path)
    return name, kind


def _resealed(tree: dict[str, Any]) -> bytes:
    try:
        return seal(tree)
    except (ValueError, UnicodeEncodeError):  # what no JSON may hold
        return json.dumps(tree).encode()


def _forge_digest(run: Path, path: Path) -> None:
    import hashlib

    summary = json.loads((run / "summary.json").read_text())
    summary.pop("seal", None)
    summary["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (run / "summary.json").write_bytes(seal(summary))


def replace(tree: Any, dice: random.Random, kind: str) -> None:
    """Exchanges or removes one value anywhere in the tree."""
    places = list(_places(tree))
    inner, key = dice.choice(places)
    if kind == REMOVED:
        del inner[key]
    elif isinstance(inner, dict) and dice.random() < 0.1:
        inner[str(VALUES[kind])] = inner.pop(key)  # as a key
    else:
        inner[key] = copy.deepcopy(VALUES[kind])


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list) and tree[key]:
            yield from _places(tree[key])


def look(place: Path, file: str, in_process_too: bool, dice: random.Random) -> Iterator[str]:
    """What was wrong with any command."""
    runs = sorted(path.name for path in place.iterdir() if (path / "checkpoints").is_dir())
    folder = file.split("/")[0]
    run = folder if folder in runs else runs[1]
    other = next(name for name in runs if name != run)
    for name, words in COMMANDS.items():
        if dice.random() > SHARES.get(name, 1.0):
            continue
        arguments = [{"RUN": run, "OTHER": other}.get(word, word) for word in words]
        arguments += ["--output-dir", str(place)]
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            trace = io.StringIO()
            traceback.print_exception(result.exception, file=trace)
            yield f"{name}: {trace.getvalue()}"
            continue
        said = result.stdout + result.stderr
        if any(not c.isprintable() and c != "\n" for c in said):
            yield f"{name}: control characters: {said!r}"
        if name == "list" and other not in said:
            yield f"{name}: {other} is hidden"
        if in_process_too:
            done = subprocess.run([sys.executable, "-m", "vaecli", *arguments], capture_output=True, text=True)
            if "Traceback" in done.stderr or done.returncode != result.exit_code:
                yield f"{name}: in a process of its own exit code {done.returncode}: {done.stderr[-2000:]}"


if __name__ == "__main__":
    main()
