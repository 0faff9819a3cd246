"""`vaecli prune`."""

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.complete import run_names
from vaecli.cli.echo import echo, table_width, tell
from vaecli.cli.options import OUTPUT_DIR, OutputDirOption
from vaecli.errors import ConfigError, RunFailed

MEGA = 1e6
KINDS = {
    "weights": ("milestone of its weights", "milestones of its weights"),
    "checkpoints": ("state", "states"),
    "priors": ("state of a prior", "states of priors"),
}
LOST = {
    "weights": "without milestones there is no audit of their epochs, and no --weights such as epoch-00005",
    "checkpoints": "without states a longer --epochs begins again, and so does what makes a damaged file again",
    "priors": "without its state a prior whose training was stopped begins again",
}


@examples("prune --dry-run", "prune gumbel --states --yes")
def prune(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs by name, beginning of a name, or path. [default: all finished runs]",
            autocompletion=run_names,
        ),
    ] = None,
    states: Annotated[
        bool, typer.Option("--states", help="Remove the states of the trainings too, which extend a run.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    output_dir: OutputDirOption = OUTPUT_DIR,
) -> None:
    """Remove what finished runs keep and hardly need.

    These are milestones, the weights of earlier epochs, and states of priors whose training was stopped. Shows what
    each run would free, says what can no longer be done afterwards, and asks. Figures, comparisons and models in use
    need none of it, and no command calls a pruned run damaged. Exit codes: 0 done, also where the answer is no; 1 where
    a run is damaged or in use, though the others were pruned; 2 a mistake in the request, or nobody to ask.
    """
    found: list[api.Pruned] = []
    problem = None
    try:
        api.prune(*(runs or ()), states=states, dry_run=True, output_dir=output_dir, told=found.append)
    except RunFailed as error:
        if not found:
            raise
        problem = error
    for line in _table(found):
        echo(line)
    if found and not dry_run:
        kinds = {name.partition("/")[0] for one in found for name in one.files}
        for kind in [kind for kind in LOST if kind in kinds]:
            tell([LOST[kind]], err=True)
        if not yes and not _asked():
            echo("nothing is removed", err=True)
        else:
            api.prune(*(one.run.path.absolute() for one in found), states=states, output_dir=output_dir)
    if problem:
        raise problem


def _table(found: Sequence[api.Pruned]) -> Iterator[str]:
    from vaecli.reports.columns import aligned

    if not found:
        return iter(["nothing to remove"])
    rows = [(one.run.name, f"{one.size / MEGA:.1f} MB", _content(one.files)) for one in found]
    total = sum(one.size for one in found)
    return aligned([*rows, ("all", f"{total / MEGA:.1f} MB", "")], table_width())


def _content(files: Sequence[str]) -> str:
    """The files of each kind, counted: "9 milestones of its weights, 3 states"."""
    counts = {kind: sum(name.startswith(f"{kind}/") for name in files) for kind in KINDS}
    return ", ".join(f"{count} {KINDS[kind][count > 1]}" for kind, count in counts.items() if count)


def _asked() -> bool:
    """The answer of a terminal; raises ConfigError where nobody can be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(["nothing is removed: there is no terminal to ask; --yes removes, --dry-run only shows"])
    return typer.confirm("Remove them?", err=True)
