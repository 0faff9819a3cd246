"""Which of the runs that a comparison asks for have figures, and why the others have none."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vaecli.config import Config
from vaecli.errors import RunError
from vaecli.runs.run import Run, file_digest


class Absent(NamedTuple):
    """A run that was asked for and has no figures."""

    config: Config
    data: Mapping[str, Any]  # as run.json has it
    reason: str  # in a word or two: "missing", "half done", "failed"


def reason_of(run: Run) -> str:
    """Why a run that is not finished has no figures."""
    if not run.exists:
        return "missing"
    status = run.status
    return {"interrupted": "half done", "running": "being trained"}.get(status, status)


def remarks(runs: Sequence[Run]) -> Iterator[str]:
    """What a reader of these finished runs ought to know, though their figures are whole."""
    before = [run.name for run in runs if run.before_seals]
    if before:
        more = f" and {len(before) - 1:,} more" if before[1:] else ""
        yield f"{before[0]}{more}: made before summary.json had a digest of its own, so it is taken as it is"
    for run in runs:
        with contextlib.suppress(OSError):
            if file_digest(run.config_yaml) != run.summary["files"].get(run.config_yaml.name):
                yield f"{run.config_yaml}: was changed after it was written; the run's own config is in run.json"


def whole_runs(runs: Iterable[Run]) -> tuple[list[Run], dict[str, str]]:
    """Those finished runs whose figures are what they wrote, and of the others why not, by name."""
    whole, damaged = [], {}
    for run in runs:
        try:
            if run.finished:
                run.check()
                whole.append(run)
        except RunError as error:
            damaged[run.name] = error.lines[0]
    return whole, damaged
