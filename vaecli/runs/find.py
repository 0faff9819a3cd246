"""Runs are found by looking: a folder with a run.json is one."""

from collections.abc import Sequence
from pathlib import Path

from vaecli.errors import RunError
from vaecli.registry import suggest
from vaecli.runs.run import Run


def all_runs(output_dir: Path) -> list[Run]:
    """Every run of the folder, newest first."""
    try:
        runs = [Run(path) for path in output_dir.iterdir() if (path / "run.json").is_file()]
    except OSError:
        return []
    return sorted(runs, key=lambda run: run.run_json.stat().st_mtime_ns, reverse=True)


def find_runs(names: Sequence[str], output_dir: Path) -> list[Run]:
    """The runs that RUN arguments mean: names, unique beginnings of names, or paths inside the output folder.

    Several runs that share a beginning are all meant. Without names it is the newest run.

    Raises:
        RunError: there is none, or an argument leaves the output folder.
    """
    runs = all_runs(output_dir)
    if not runs:
        raise RunError(f"{output_dir}: no run yet; `vaecli train --config gumbel.yaml` makes one")
    if not names:
        return runs[:1]
    found: dict[str, Run] = {}
    for name in names:
        inner = _inside(name, output_dir)
        exact = [run for run in runs if run.name == inner]
        matches = exact or [run for run in runs if run.name.startswith(inner)]
        if not matches:
            raise RunError(f"{name}: no such run in {output_dir}{suggest(inner, [run.name for run in runs])}")
        found.update({run.name: run for run in matches})
    return list(found.values())


def find_run(name: str, output_dir: Path) -> Run:
    """The one run that a RUN argument means; raises RunError where it means none or several."""
    found = find_runs([name], output_dir)
    if len(found) > 1:
        raise RunError(f"{name}: means {len(found)} runs: {', '.join(run.name for run in found[:5])}; write more of it")
    return found[0]


def _inside(name: str, output_dir: Path) -> str:
    """The run's own name, of an argument that is a name or a path."""
    if "\0" in name or not name.strip():
        raise RunError(f"{name!r}: not the name of a run")
    if "/" not in name and name not in (".", ".."):
        return name
    path, root = Path(name).resolve(), output_dir.resolve()
    if path.parent != root:
        raise RunError(f"{name}: leaves the output folder {output_dir}; runs are named as in it")
    return path.name
