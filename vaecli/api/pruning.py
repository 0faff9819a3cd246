"""What finished runs can do without."""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vaecli.config.arguments import Name, runs_folder
from vaecli.errors import RunError, RunFailed

if TYPE_CHECKING:
    from vaecli.runs import Run


class Pruned(NamedTuple):
    """What `prune` removes of a run, or would remove."""

    run: "Run"
    files: Sequence[str]  # by their names in the run's folder
    size: int  # bytes


def prune(
    *runs: Name,
    states: bool = False,
    dry_run: bool = False,
    output_dir: Name | None = None,
    told: Callable[[Pruned], None] = lambda pruned: None,
) -> list[Pruned]:
    """Removes what finished runs keep that neither their figures nor their models in use need.

    These are milestones, the weights of earlier epochs, and the state of a prior's training that was stopped.
    Afterwards there is no audit of those epochs, and what needs such a file says that it was pruned.

    Args:
        runs: names, beginnings of names, folders or runs; default: all finished runs.
        states: the states of their trainings too: a longer `epochs` then begins again instead of extending the run.
        dry_run: remove nothing.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        told: called for each run, once it is pruned.

    Returns:
        The runs that had something to remove.
    Raises:
        RunError: there is no such run, or it is not finished.
        RunFailed: names every run that is damaged or in use, and every file that cannot be removed; the others were
            pruned.
    """
    from vaecli.runs import all_runs, find_runs

    names, folder = [os.fspath(run) for run in runs], runs_folder(output_dir)
    found = find_runs(names, folder) if names else [run for run in all_runs(folder) if run.finished]
    pruned: list[Pruned] = []
    wrong: list[str] = []
    for run in found:
        try:
            with contextlib.nullcontext() if dry_run else run.lock():
                spare = run.spare(states=states)
                if spare and not dry_run:
                    run.prune(spare)
        except RunError as error:
            if len(found) == 1:
                raise
            wrong += error.lines
            continue
        if spare:
            pruned.append(Pruned(run, list(spare), sum(spare.values())))
            told(pruned[-1])
    if wrong:
        raise RunFailed(*wrong)
    return pruned
