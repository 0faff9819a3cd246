"""A comparison from its folder: what is kept of it, so that its figures can be drawn again in another form."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaecli.errors import RunError
from vaecli.reports.comparison.groups import Group, compared
from vaecli.reports.kept import find_kept
from vaecli.runs import Run
from vaecli.runs.files import read
from vaecli.runs.sealed import MAX_BYTES

VERSION = 13  # raise it when drawings or sentences change for the same runs
RECORDS = "comparison.json"


def kept_of(groups: Sequence[Group]) -> dict[str, Any]:
    """What comparison.json has, so that `groups_of` finds these groups again."""
    kinds = {kind for group in groups for row in group.rows for kind in row.priors}
    return {
        "runs": [str(run.path) for group in groups for row in group.rows for run in row.runs],
        "code_prior": kinds.pop() if len(kinds) == 1 else None,
    }


def comparison_folder(name: str, output_dir: Path) -> Path | None:
    """The folder of the comparison that a path, or a name or its beginning, refers to; None if it is none.

    Raises:
        RunError: several begin so, or the one that does cannot be read.
    """
    place = Path(os.path.expanduser(name))
    if os.path.isfile(place / RECORDS):  # of a folder that may not be entered, what is looked for next says so
        return place
    found = find_kept(name, output_dir)
    return found.path if found and found.kind == "comparison" else None


def groups_of(folder: Path) -> list[Group]:
    """The groups of a comparison, with their rows in the same order.

    Raises:
        RunError: its file is damaged or of another version, or a run is not what it was of.
    """
    path = folder / RECORDS
    try:
        known = json.loads(read(path, most=MAX_BYTES))
        if known["version"] != VERSION:
            raise RunError(f"{path}: is of another version of vaecli; the same `vaecli compare` makes it again")
        places, kind = [Path(place) for place in known["runs"]], known["code_prior"]
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError):
        raise RunError(f"{path}: damaged; the same `vaecli compare` makes it again") from None
    runs = [_run(place, folder) for place in places]
    order = {run.path: place for place, run in enumerate(runs)}
    return [
        replace(group, rows=sorted(group.rows, key=lambda row: order[row.runs[0].path]))
        for group in compared(runs, code_prior=kind)
    ]


def _run(path: Path, folder: Path) -> Run:
    """The run beside the comparison, which may have been moved with it, or else where it was."""
    beside = Run(folder.parent / path.name)
    found = beside if beside.exists else Run(path)
    if not found.finished:
        raise RunError(f"{found.path}: is not there any more, or not finished; the comparison is of it")
    return found
