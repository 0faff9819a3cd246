"""Finds runs by searching: a folder that holds a file or folder of a run is one."""

import os
from collections.abc import Sequence
from pathlib import Path

from vaecli.errors import RunError, shut
from vaecli.registry import suggest
from vaecli.runs.run import MARKS, Run


def all_runs(output_dir: Path) -> list[Run]:
    """All runs of the folder, newest first; none if there is no such folder.

    Raises:
        RunError: the folder exists and cannot be read.
    """
    try:
        with os.scandir(output_dir) as entries:
            found = [(started, entry.name) for entry in entries if (started := _started(entry.path)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{output_dir}: cannot be read ({error.strerror}); see --output-dir") from None
    return [Run(output_dir / name) for _, name in sorted(found, reverse=True)]


def _started(folder: str) -> int | None:
    """The start of a run, in nanoseconds; None for what is no run, cannot be entered, or was removed meanwhile."""
    for mark in MARKS:
        try:
            return os.stat(os.path.join(folder, mark)).st_mtime_ns
        except OSError:
            continue
    return None


def closed_folders(output_dir: Path) -> list[Path]:
    """The folders inside that may hold runs but cannot be entered, such as lost+found."""
    try:
        with os.scandir(output_dir) as entries:
            folders = [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return []
    return [Path(folder) for folder in sorted(folders) if not os.access(folder, os.R_OK | os.X_OK)]


def none_yet(output_dir: Path) -> str:
    """What is said of a folder without runs."""
    return f"{output_dir}: no run yet; `vaecli train --config gumbel.yaml` makes one"


def find_runs(names: Sequence[str], output_dir: Path) -> list[Run]:
    """The runs that RUN arguments refer to: names, beginnings of names, or paths of their folders.

    A beginning refers to all runs that share it. Without names it is the newest run.

    Raises:
        RunError: there is none.
    """
    names = [os.path.expanduser(name) for name in names]
    found: dict[Path, Run] = {}
    runs = all_runs(output_dir) if not names or not all(_is_path(name) for name in names) else []
    if not runs and not (names and all(_is_path(name) for name in names)):
        raise RunError(none_yet(output_dir))
    if not names:
        return runs[:1]
    for name in names:
        if "\0" in name or not name.strip():
            raise RunError(f"{name!r}: not the name of a run")
        if _is_path(name):
            matches = _at(Path(name), output_dir)
        else:
            exact = [run for run in runs if run.name == name]
            matches = exact or [run for run in runs if run.name.startswith(name)]
        if not matches:
            raise RunError(f"{name}: no such run in {output_dir}{suggest(name, [run.name for run in runs])}")
        found.update({run.path: run for run in matches})
    return list(found.values())


def newest_finished(output_dir: Path) -> Run:
    """The newest finished run; raises RunError if no run is finished."""
    for run in all_runs(output_dir):
        if run.finished:
            return run
    raise RunError(f"{output_dir}: no finished run yet; `vaecli train --config gumbel.yaml` makes one")


def find_run(name: str, output_dir: Path) -> Run:
    """The single run that a RUN argument refers to; raises RunError if there is none or several."""
    found = find_runs([name], output_dir)
    if len(found) > 1:
        raise RunError(
            f"{name}: means {len(found)} runs: {', '.join(run.name for run in found[:5])}; give more of the name"
        )
    return found[0]


def _is_path(name: str) -> bool:
    return "/" in name or name in (".", "..")


def _at(path: Path, output_dir: Path) -> list[Run]:
    """The run of a folder; for a path inside the output folder also the runs whose names begin with it."""
    whole = Path(os.path.abspath(path))  # a run may be a link, and is named by that
    if Run(whole).exists:
        inside = whole.parent == Path(os.path.abspath(output_dir))
        return [Run(output_dir / whole.name if inside else whole)]
    if whole.parent.resolve() == output_dir.resolve():
        return [run for run in all_runs(output_dir) if run.name.startswith(whole.name)]
    raise no_run(path)


def no_run(path: Path | str) -> RunError:
    """The refusal of a folder that is no run."""
    return RunError(f"{path}: {shut(Path(path) / 'run.json') or 'not a run folder (no run.json in it)'}")
