"""Sorts the runs requested by a comparison into those with figures and those without, with the reasons."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vaecli.config import Config
from vaecli.errors import RunError
from vaecli.runs.added import problems
from vaecli.runs.run import Run, file_digest


class Absent(NamedTuple):
    """A requested run without figures."""

    config: Config
    data: Mapping[str, Any]  # as in run.json
    reason: str  # in a word or two: "missing", "half done", "failed"


def reason_of(run: Run) -> str:
    """The reason why an unfinished run has no figures."""
    if not run.exists:
        return "missing"
    status = run.status
    return {"interrupted": "half done", "running": "being trained"}.get(status, status)


def remarks(runs: Sequence[Run]) -> Iterator[str]:
    """Notes that a reader of these finished runs should know, although their figures are intact."""
    before = [run.name for run in runs if run.before_seals]
    if before:
        more = f" and {len(before) - 1:,} more" if before[1:] else ""
        yield f"{before[0]}{more}: made before summary.json had its own digest, so it is used unchecked"
    for run in runs:
        yield from problems(run)
        with contextlib.suppress(OSError):
            if file_digest(run.config_yaml) != run.summary["files"].get(run.config_yaml.name):
                yield f"{run.config_yaml}: was changed after it was written; the run's own config is in run.json"


def whole_runs(runs: Iterable[Run]) -> tuple[list[Run], dict[str, str]]:
    """The finished runs whose figures are what they wrote, and the reasons for the others, by name."""
    whole, damaged = [], {}
    for run in runs:
        try:
            if run.finished:
                run.check()
                whole.append(run)
        except RunError as error:
            damaged[run.name] = error.lines[0]
    return whole, damaged
