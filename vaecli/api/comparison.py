"""Training what is missing and comparing it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import PRIORS, console_of, stop_on
from vaecli.config.arguments import (
    Name,
    Names,
    Numbers,
    Settings,
    Sweeps,
    one_of,
    parts,
    path_of,
    runs_folder,
    seeds_of,
    settings_of,
    sweeps_of,
    whole,
)
from vaecli.errors import ConfigError, RunError, RunFailed
from vaecli.registry import METHODS, suggest
from vaecli.terminal.board import Board

if TYPE_CHECKING:
    from vaecli.reports.comparison.groups import Group
    from vaecli.reports.comparison.table import Selection, Spread

SPREADS: "tuple[Spread, ...]" = ("interval", "std")
ARTICLE = ("vae", "categorical", "gumbel", "straight_through", "vqvae")
FAMILIES = ("estimators", "quantizers")  # that `compare` trains together


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. `print` shows its table, and so does a notebook."""

    plan: Sequence[str]  # one line per run: its state before anything was trained
    groups: "Sequence[Group]" = ()  # rows that may stand on one scale
    failures: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None  # of table, figures and report.html; None if there is no report
    selection: "Selection | None" = None  # the columns of table, markdown and latex; None: all

    @property
    def records(self) -> list[dict[str, Any]]:
        """A flat record for each row: protocol, means, half widths, numbers of runs, difference to the best."""
        from vaecli.reports.comparison.groups import records

        return records(self.groups, self.failures)

    @property
    def table(self) -> str:
        from vaecli.reports.comparison.table import ALL, table_lines

        return "\n".join(table_lines(self.groups, self.failures, selection=self.selection or ALL))

    @property
    def markdown(self) -> str:
        from vaecli.reports.comparison.table import ALL, markdown_lines

        return "\n".join(markdown_lines(self.groups, self.failures, self.selection or ALL))

    @property
    def latex(self) -> str:
        from vaecli.reports.comparison.table import ALL, latex_lines

        return "\n".join(latex_lines(self.groups, self.failures, self.selection or ALL))

    @property
    def csv(self) -> str:
        from vaecli.reports.comparison.groups import csv_text

        return csv_text(self.groups, self.failures)

    def __str__(self) -> str:
        return self.table if self.groups or self.failures else "\n".join(self.plan)

    def _repr_markdown_(self) -> str:
        return self.markdown


def compare(
    *names: Name,
    all: bool = False,
    family: str | None = None,
    seeds: Numbers | None = None,
    set: Settings = (),
    sweep: Sweeps = (),
    epochs: int | None = None,
    code_prior: str | None = None,
    no_train: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    sort_by: str | None = None,
    columns: Names = (),
    spread: str = "interval",
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    output: Name | None = None,
    dry_run: bool = False,
    quiet: bool = False,
    shown: Callable[[Comparison, bool], None] = lambda comparison, told: None,
) -> Comparison:
    """Trains what is missing and compares: finished runs are reused, unfinished ones resumed.

    Args:
        names: configs (trained where a run is missing), runs, and folders of runs; default: the article's five methods.
        all: every gradient estimator beside those five, one of another package too.
        family: "estimators", every gradient estimator; or "quantizers", shipped configs of as many bits in each cell of
            a grid. Not with names or `all`.
        seeds: how many, or which: 5 means 0 to 4, [0, 3, 7] or "0,3,7" means these seeds; default: each
            config's own seed.
        set: keys of the configs to override, as {"training.epochs": 3} or ["training.epochs=3"].
        sweep: values to try for a key, as {"model.temperature": [0.5, 1.0]} or ["model.temperature=0.5,1.0"]; several
            sweeps multiply.
        epochs: short for "training.epochs".
        code_prior: "independent" or "autoregressive": each trained run gets this prior over its codes too, as `prior`
            fits it, and code lengths are under it; default: none is fitted, and of those that a run has the one that
            gives the shortest codes counts.
        no_train: compare what is finished, and leave the rest.
        jobs: runs trained side by side, one thread each; default: as many as cores and memory allow.
        scheduler: train on the workers of this dask scheduler: its address or its file.
        sort_by: a column of the table, best first; or "method". None: -elbo where the likelihood is in nats, else
            mse sampled.
        columns: of table, markdown and latex, in this order, as ["mse sampled", "bits"] or "mse sampled,bits"; default:
            every column that has a value.
        spread: what follows ±: "interval", the 95 % interval of the mean over seeds; or "std", the standard deviation.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        output: folder for table, figures and page; default: a folder inside output_dir.
        dry_run: make the plan; neither train nor compare.
        quiet: say nothing on stderr.
        shown: called with the comparison before its report is drawn, which takes seconds, and with whether a terminal
            has already shown all its failures.

    Returns:
        The comparison; a run that failed is listed in `failures` with the reason and does not stop the others.
    Raises:
        ConfigError: a mistake in the request.
        DataError: data is not available.
        RunError: an unknown name, nothing to compare, or an output folder that cannot be written.
        Interrupted: Ctrl-C or SIGTERM; running trainings are saved, and the same call resumes.
    """
    with console_of(quiet) as console, stop_on() as stop, ExitStack() as drawing:
        from vaecli.experiment.plan import data_lines
        from vaecli.launch.asked import absent_of, ask, plan_lines, without_prior
        from vaecli.launch.drive import train_missing
        from vaecli.launch.forecast import side_by_side, speeds
        from vaecli.reports.comparison.groups import compared, sort_key, unseen
        from vaecli.reports.comparison.page import report_folder, write_report
        from vaecli.reports.comparison.table import selected
        from vaecli.reports.guide import after_comparing, words_of
        from vaecli.runs import all_runs
        from vaecli.runs.absent import remarks, whole_runs

        if all and names:
            raise ConfigError([f"--all means every method: give it, or {', '.join(os.fspath(name) for name in names)}"])
        if jobs is not None and scheduler:
            raise ConfigError([f"--jobs {jobs}: has no effect with --scheduler, whose workers are counted there"])
        column, folder = sort_key(sort_by) if sort_by else None, runs_folder(output_dir)
        selection = selected(parts(columns), one_of("spread", spread, SPREADS))
        kind = None if code_prior is None else one_of("code-prior", code_prior, PRIORS)
        settings = [*settings_of(set), *settings_of({} if epochs is None else {"training.epochs": epochs})]
        sweeps = sweeps_of(sweep)
        asked = ask(
            _names(names, all=all, family=family),
            settings=settings,
            sweeps=sweeps,
            seeds=None if seeds is None else seeds_of(seeds),
            output_dir=folder,
            data_dir=path_of(data_dir),
            fetching=None if no_train or dry_run else console.fetching,
            training=not no_train,
        )
        console.lines(METHODS.refused(plan.config.model.name for plan in asked.plans))
        console.lines(data_lines({plan.dataset.digest: plan.dataset for plan in asked.plans}.values()))
        pace = speeds(all_runs(folder))
        jobs, limited = (whole("jobs", jobs, 1), None) if jobs is not None else side_by_side(asked.plans)
        fitting = None if no_train else kind
        plan = [*plan_lines(asked, pace, jobs, fitting), *asked.notes, *(without_prior(asked, kind) if kind else ())]
        console.lines(plan)
        if limited and not scheduler:
            console.say(limited)
        if dry_run:
            return Comparison(plan)
        failures, ready = dict(asked.problems), lambda: None
        if not no_train:
            with Board(console) as board:
                training = train_missing(
                    asked.plans,
                    asked.data,
                    board,
                    output_dir=folder,
                    jobs=jobs,
                    scheduler=scheduler,
                    argv=sys.argv,
                    speeds=pace,
                    stop=stop,
                    idle=partial(import_module, "vaecli.reports.comparison.figures"),
                    code_prior=kind,
                )
                failed, ready = drawing.enter_context(training)
            failures |= failed
        stop.at_once("stopped before the report; the same command writes it")
        finished, damaged = whole_runs(asked.runs)
        failures |= damaged
        absent = absent_of(asked, failures)
        if not finished and not failures:
            raise RunError("none of these runs is finished, so there is nothing to compare")
        groups = compared(finished, column, absent, kind)
        console.lines(remarks(finished))
        console.lines(f"not in the table: {name}: {why}" for name, why in unseen(groups, absent).items())
        found = Comparison(plan, groups, failures, selection=selection)
        shown(found, console.on_terminal and not damaged)
        if not finished:
            return found
        report = path_of(output) if output else report_folder(folder, [run.name for run in asked.runs])
        try:
            console.lines(write_report(groups, failures, report, ready).lines)
        except RunFailed as error:  # the folder is read-only: the table is returned all the same
            console.say(f"{error}; --output names a folder for table, figures and page")
            return found
        typed = (
            words_of(names, all=all, family=family, set=settings, sweep=sweeps)
            if len(asked.plans) == len(asked.runs)
            else ()
        )
        console.rows(after_comparing(report, groups, failures, typed, folder, console.width))
        return replace(found, folder=report)


def _names(names: Sequence[Name], *, all: bool, family: str | None) -> list[str]:
    """What a comparison is of: what is named, or the methods that are asked for together."""
    from vaecli.config import family_configs

    if family not in (None, *FAMILIES):
        raise ConfigError([f"--family {family}: no such family{suggest(family, FAMILIES)}"])
    if len([asked for asked in (names, all, family) if asked]) > 1:
        raise ConfigError(["names, --all and --family exclude each other"])
    estimators = [name for name, method in METHODS.items() if method.estimator]
    if family == "quantizers":
        return family_configs(family)
    if all:
        return [name for name, method in METHODS.items() if method.in_all and (method.estimator or name in ARTICLE)]
    return [os.fspath(name) for name in names] or (estimators if family else list(ARTICLE))
