"""The public functions: what the commands of the same names do, for a notebook or a program.

They print nothing to stdout. Messages go to stderr, as those of the commands do, unless `quiet` is set. A mistake
raises a VaecliError (vaecli/errors.py) whose lines name the place, the value and the way out, with the command's
options.

Ctrl-C and SIGTERM, which Python delivers to its first thread only, let a training save its state: Interrupted is
raised, and the same call resumes. Signal handlers and environment are restored afterwards. TensorFlow, its log and
file descriptor 2 belong to the whole process, so only one thread trains or audits at a time.
"""

import contextlib
import math
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vaecli.backend.process import chatter, import_keras, prepared, threads_in_use
from vaecli.config.arguments import (
    Name,
    Names,
    Numbers,
    Settings,
    Sweeps,
    called,
    numbers,
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
from vaecli.terminal.console import Console
from vaecli.terminal.signals import Stop, ends_quietly

if TYPE_CHECKING:
    from vaecli.config import Config
    from vaecli.config.latent import Exported
    from vaecli.config.toys import Polynomial
    from vaecli.experiment.apply import Applied
    from vaecli.experiment.export import Format
    from vaecli.experiment.sample import Show, Source
    from vaecli.experiment.trained import TrainedRun
    from vaecli.experiment.verify import Proof
    from vaecli.papers.verdict import Found
    from vaecli.reports.comparison.groups import Group
    from vaecli.runs import Run
    from vaecli.runs.audits import AuditRow
    from vaecli.runs.run import Files
    from vaecli.runs.schema import (
        Bound,
        CodeLengths,
        DrawnFigures,
        Estimate,
        Evaluated,
        FittedPrior,
        Kept,
        PriorKind,
        Quality,
        SplitName,
    )

OBJECTIVES = ("linear", "quadratic", "cubic", "mlp")
ARTICLE = ("vae", "categorical", "gumbel", "straight_through", "vqvae")
FAMILIES = ("estimators", "quantizers")  # that `compare` trains together
TEMPERATURES = (0.1, 0.25, 0.5, 1.0, 2.0)
AUDIT_DRAWS, TOY_DRAWS = 4096, 16_384
SPLITS: "tuple[SplitName, ...]" = ("test", "validation", "train")
WEIGHTS: "tuple[Kept, ...]" = ("last", "best")
SOURCES: "tuple[Source, ...]" = ("prior", "fitted")
SHOWN: "tuple[Show, ...]" = ("samples", "nearest", "labels", "traversal", "interpolation")
PRIORS: "tuple[PriorKind, ...]" = ("independent", "autoregressive")
EXPORTED: "tuple[Exported, ...]" = ("whole", "encoder", "decoder", "prior", "prior-by-label")
FORMATS: "tuple[Format, ...]" = ("keras", "savedmodel", "onnx")
GUMBEL_MAX = "gumbel-max"
ARTICLE_LOGITS = (1.2, 2.3, 1.4, 3.3, 0.1)
GUMBEL_MAX_DRAWS = 100_000

_one_at_a_time = threading.RLock()


def train(
    config: "Name | Config | Mapping[str, Any]",
    *,
    set: Settings = (),
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> "TrainedRun":
    """Trains one model, or resumes it; a finished run is returned as it is.

    Args:
        config: a YAML file, the name of one under configs/ or of a shipped preset, a Config, or its tree, such as
            {"model": "gumbel", "training": {"epochs": 3}}.
        set: keys of the config to override, as {"training.epochs": 3} or ["training.epochs=3"].
        epochs: short for "training.epochs": passes over the training images.
        seed: short for "training.seed".
        batch_size: short for "training.batch_size": images per step.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        fresh: begin again, discarding what the run's folder holds.
        quiet: say nothing on stderr.

    Returns:
        The finished run, as `load_run` returns it; its model is built on first use.
    Raises:
        ConfigError: all mistakes of the config.
        DataError: the data is not available.
        Interrupted: Ctrl-C or SIGTERM; the state is saved, and the same call resumes.
        Diverged: the loss is not a finite number; the last good state is kept.
        RunError: the run's folder holds something else, is in use elsewhere, or cannot be written.
    """
    with _console(quiet) as console:
        console.say(f"vaecli train: reading {called(config)}")
        with _stop() as stop:
            from vaecli.data import load
            from vaecli.experiment.plan import data_lines, plan_run
            from vaecli.experiment.train import mendable, train_run
            from vaecli.launch.witness import witnessed
            from vaecli.reports.run.listing import changed_lines
            from vaecli.reports.run.summary import summary_lines

            asked = config_of(config, set=set, epochs=epochs, seed=seed, batch_size=batch_size)
            console.lines(METHODS.refused([asked.model.name]))
            with _prepared(threads, console):
                dataset = load(asked.data, path_of(data_dir), console.fetching)
                console.lines(data_lines([dataset]))
                plan = plan_run(asked, dataset, runs_folder(output_dir))
                if plan.run.finished and not fresh and not mendable(plan.run):
                    console.say(f"{plan.run.path} is already finished; this is its result (--fresh trains it again)")
                else:
                    name = plan.config.model.name
                    console.say(f"{name} on {dataset.called} ({dataset.source}) -> {plan.run.path}")
                    with witnessed(plan.run.path, plan.run.tensorflow_log, console.stream):
                        train_run(plan, console, argv=sys.argv, fresh=fresh, stop=stop)
        console.lines(summary_lines(plan.run))
        console.lines(changed_lines(plan.run))
    from vaecli.experiment.trained import load_run

    return load_run(plan.run.path)


def config_of(
    config: "Name | Config | Mapping[str, Any]",
    *,
    set: Settings = (),
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
) -> "Config":
    """What the arguments of `train` describe; raises ConfigError with all mistakes."""
    from vaecli.config import Config, config_from_tree, read_config

    shortcuts = {"epochs": epochs, "seed": seed, "batch_size": batch_size}
    own = {f"training.{key}": value for key, value in shortcuts.items() if value is not None}
    overrides = [*settings_of(set), *settings_of(own)]
    if isinstance(config, Config):
        return config_from_tree(config.to_dict(), "config", overrides)
    if isinstance(config, Mapping):
        return config_from_tree(dict(config), "config", overrides)
    return read_config(os.fspath(config), overrides)


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. `print` shows its table, and so does a notebook."""

    plan: Sequence[str]  # one line per run: its state before anything was trained
    groups: "Sequence[Group]" = ()  # rows that may stand on one scale
    failures: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None  # of table, figures and report.html; None if there is no report

    @property
    def records(self) -> list[dict[str, Any]]:
        """A flat record for each row: protocol, means, half widths, numbers of runs, difference to the best."""
        from vaecli.reports.comparison.groups import records

        return records(self.groups, self.failures)

    @property
    def table(self) -> str:
        from vaecli.reports.comparison.table import table_lines

        return "\n".join(table_lines(self.groups, self.failures))

    @property
    def markdown(self) -> str:
        from vaecli.reports.comparison.table import markdown_lines

        return "\n".join(markdown_lines(self.groups, self.failures))

    @property
    def csv(self) -> str:
        from vaecli.reports.comparison.groups import csv_text

        return csv_text(self.groups, self.failures)

    def __str__(self) -> str:
        return self.table if self.groups or self.failures else "\n".join(self.plan)

    def _repr_markdown_(self) -> str:
        return self.markdown


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


def compare(
    *names: Name,
    all: bool = False,
    family: str | None = None,
    seeds: int | Numbers | None = None,
    set: Settings = (),
    sweep: Sweeps = (),
    epochs: int | None = None,
    code_prior: str | None = None,
    no_train: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    sort_by: str | None = None,
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
    with _console(quiet) as console, _stop() as stop:
        from vaecli.experiment.plan import data_lines
        from vaecli.launch.asked import absent_of, ask, plan_lines, without_prior
        from vaecli.launch.drive import train_missing
        from vaecli.launch.forecast import side_by_side, speeds
        from vaecli.reports.comparison.groups import compared, sort_key, unseen
        from vaecli.reports.comparison.page import report_folder, write_report
        from vaecli.runs import all_runs
        from vaecli.runs.absent import remarks, whole_runs

        if all and names:
            raise ConfigError([f"--all means every method: give it, or {', '.join(os.fspath(name) for name in names)}"])
        if jobs is not None and scheduler:
            raise ConfigError([f"--jobs {jobs}: has no effect with --scheduler, whose workers are counted there"])
        column, folder = sort_key(sort_by) if sort_by else None, runs_folder(output_dir)
        kind = None if code_prior is None else one_of("code-prior", code_prior, PRIORS)
        asked = ask(
            _names(names, all=all, family=family),
            settings=[*settings_of(set), *settings_of({} if epochs is None else {"training.epochs": epochs})],
            sweeps=sweeps_of(sweep),
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
        failures = dict(asked.problems)
        if not no_train:
            with Board(console) as board:
                failures |= train_missing(
                    asked.plans,
                    asked.data,
                    board,
                    output_dir=folder,
                    jobs=jobs,
                    scheduler=scheduler,
                    argv=sys.argv,
                    speeds=pace,
                    stop=stop,
                    idle=_load_report,
                    code_prior=kind,
                )
        stop.at_once("stopped before the report; the same command writes it")
        finished, damaged = whole_runs(asked.runs)
        failures |= damaged
        absent = absent_of(asked, failures)
        if not finished and not failures:
            raise RunError("none of these runs is finished, so there is nothing to compare")
        groups = compared(finished, column, absent, kind)
        console.lines(remarks(finished))
        console.lines(f"not in the table: {name}: {why}" for name, why in unseen(groups, absent).items())
        found = Comparison(plan, groups, failures)
        shown(found, console.on_terminal and not damaged)
        if not finished:
            return found
        report = path_of(output) if output else report_folder(folder, [run.name for run in asked.runs])
        try:
            console.lines(write_report(groups, failures, report).lines)
        except RunFailed as error:  # the folder is read-only: the table is returned all the same
            console.say(f"{error}; --output names a folder for table, figures and page")
            return found
        console.say(f"{report}/report.html")
        return replace(found, folder=report)


def _load_report() -> None:
    """Imports what the report needs while nothing else is to be done."""


@dataclass(frozen=True)
class Reproduction:
    """Published figures beside ours. `print` shows the table, and so does a notebook."""

    plan: Sequence[str]  # one line per run: its state before anything was trained
    cells: "Sequence[Found]" = ()
    minutes: Mapping[str, float] = field(default_factory=dict)  # of a training up to a cell, by its name
    failures: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None  # of table, records and report.html; None if there is no report

    @property
    def reproduced(self) -> bool:
        """Whether nothing was looked for in vain: no cell is not reproduced, and no run failed."""
        return not self.failures and all(one.verdict.word not in ("not reproduced", "failed") for one in self.cells)

    @property
    def records(self) -> list[dict[str, Any]]:
        """A flat record for each cell."""
        from vaecli.reports.reproduction.table import records

        return records(self.cells)

    @property
    def table(self) -> str:
        from vaecli.reports.reproduction.table import table_lines

        return "\n".join(table_lines(self.cells, self.minutes or None))

    @property
    def markdown(self) -> str:
        from vaecli.reports.reproduction.table import markdown_lines

        return "\n".join(markdown_lines(self.cells))

    @property
    def csv(self) -> str:
        from vaecli.reports.reproduction.table import csv_text

        return csv_text(self.cells)

    def __str__(self) -> str:
        return self.table if self.cells else "\n".join(self.plan)

    def _repr_markdown_(self) -> str:
        return self.markdown


def reproduce(
    *sources: str,
    cells: Names = (),
    quick: bool = False,
    seeds: int | Numbers | None = None,
    list_only: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    output: Name | None = None,
    dry_run: bool = False,
    quiet: bool = False,
    shown: Callable[[Reproduction], None] = lambda reproduction: None,
) -> Reproduction:
    """Trains the protocols of published figures, and gives a verdict on each: finished runs are reused.

    Args:
        sources: names of sources, or YAML files of your own; default: all that vaecli has.
        cells: only cells whose name, SOURCE/SETTING/METRIC/e20, has one of these parts or matches a pattern with *;
            a setting is trained as far as its last cell.
        quick: only the earliest epoch or step of each setting, with the whole protocol.
        seeds: how many, or which, as in `compare`; default: seed 0.
        list_only: look at the runs that there are, and train nothing.
        jobs: runs trained side by side, one thread each; default: as many as cores and memory allow.
        scheduler: train on the workers of this dask scheduler: its address or its file.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        output: folder for table, records and page; default: a folder inside output_dir.
        dry_run: make the plan; train nothing and give no verdict.
        quiet: say nothing on stderr.
        shown: called with the reproduction before its page is drawn, which takes seconds.

    Returns:
        A verdict for each cell: verified, better, not reproduced, inconclusive, toy, not expressible, no data, failed,
        or not run.
    Raises:
        ConfigError: an unknown source or cell, or a mistake in a source.
        RunError: an output folder that cannot be written.
        Interrupted: Ctrl-C or SIGTERM; running trainings are saved, and the same call resumes.
    """
    with _console(quiet) as console, _stop() as stop:
        from vaecli.launch import cells as launch
        from vaecli.launch.asked import Asked as Runs
        from vaecli.launch.asked import DataSets, plan_lines
        from vaecli.launch.drive import train_missing
        from vaecli.launch.forecast import side_by_side, speeds
        from vaecli.reports.reproduction.page import report_folder, write_report
        from vaecli.runs import all_runs

        folder, patterns = runs_folder(output_dir), [cells] if isinstance(cells, str) else list(cells)
        wanted = launch.select(sources, patterns)
        wanted = launch.earliest(wanted) if quick else wanted
        looking = list_only or dry_run
        data = DataSets(path_of(data_dir), None if looking else console.fetching)
        asked = launch.ask(wanted, [0] if seeds is None else seeds_of(seeds), folder, data)
        pace = speeds(all_runs(folder))
        if list_only:
            found = launch.look(asked, folder, {})
            listed = Reproduction((), found, launch.minutes(asked, pace))
            shown(listed)
            return listed
        plans = asked.plans
        jobs, limited = (whole("jobs", jobs, 1), None) if jobs is not None else side_by_side(plans)
        plan = list(plan_lines(Runs(plans, [one.run for one in plans], data, [], {}), pace, jobs)) if plans else []
        toys = list(launch.missing_toys(asked, folder))
        plan += [f"{len(toys)} toy{'s' * (len(toys) != 1)} to train, some seconds each"] * bool(toys)
        console.lines(plan)
        if limited and not scheduler:
            console.say(limited)
        if dry_run:
            return Reproduction(plan)
        failures = _train_toys(toys, folder, console, stop) if toys else {}
        with Board(console) as board:
            failures |= train_missing(
                plans,
                data,
                board,
                output_dir=folder,
                jobs=jobs,
                scheduler=scheduler,
                argv=sys.argv,
                speeds=pace,
                stop=stop,
                idle=lambda: None,
                references=False,
            )
        stop.at_once("stopped before the report; the same command writes it")
        found = launch.look(asked, folder, failures)
        reproduction = Reproduction(plan, found, failures=failures)
        shown(reproduction)
        report = path_of(output) if output else report_folder(folder, [cell.name for cell in wanted])
        try:
            console.lines(write_report(found, folder, report, shlex.join(["vaecli", *sys.argv[1:]])).lines)
        except RunFailed as error:  # the folder is read-only: the verdicts are returned all the same
            console.say(f"{error}; --output names a folder for table and page")
            return reproduction
        console.say(f"{report}/report.html")
        return replace(reproduction, folder=report)


def _train_toys(toys: "Sequence[Polynomial]", folder: Path, console: Console, stop: Stop) -> dict[str, str]:
    """Trains toys one after the other; returns the reason for each failure, by the toy's name."""
    from vaecli.errors import Interrupted
    from vaecli.runs.toys import toy_run

    failures = {}
    with _prepared(None, console), chatter(Path(os.devnull)):
        import_keras()
        from vaecli.experiment.toys import train_toy

        for number, toy in enumerate(toys, 1):
            where = toy_run(toy, folder)
            losses = train_toy(toy, stop)
            if losses is None:
                raise Interrupted("stopped; finished toys are kept, and the same command resumes")
            if not all(map(math.isfinite, losses)):
                failures[where.name] = "the loss is not a finite number"
                continue
            where.write(toy, losses)
            end = f"loss {losses[-1]:.4g}, optimum {toy.optimum:.4g}"
            console.say(f"{number}/{len(toys)}  {toy.model.name}, exponent {toy.exponent:g}: {end} -> {where.path}")
    return failures


@dataclass(frozen=True)
class Measurements:
    """What an audit measured. `print` shows its tables."""

    path: Path  # the folder of audit.json and the figures
    title: str
    asked: Mapping[str, Any]  # all that decides what is measured
    rows: "Sequence[AuditRow]"
    left_out: Mapping[str, str]  # estimators that were not measured, and why
    figures: Sequence[Path]

    def table(self, width: int | None = None) -> str:
        """The tables as text, folded to `width` characters."""
        from vaecli.reports.audit.table import table_lines

        return "\n".join(table_lines(self.rows, self.left_out, width))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as in audit.json."""
        rows = [row.to_dict() for row in self.rows]
        return {"title": self.title, "asked": self.asked, "left_out": self.left_out, "rows": rows}

    def __str__(self) -> str:
        return self.table()


def audit(
    target: Name | None = None,
    *,
    objective: str | None = None,
    epochs: Numbers = (),
    estimators: Names = (),
    temperatures: Numbers = TEMPERATURES,
    images: int = 64,
    draws: int | None = None,
    warm_up: int = 1000,
    seed: int = 0,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    format: str = "png",
    quiet: bool = False,
) -> Measurements:
    """Measures gradient estimators against the exact gradient; the same call shows the result again, or resumes.

    Args:
        target: a run, or a config, which stands for its run or its initial weights; default: the newest run with
            categorical codes.
        objective: a toy loss of ten codes, which needs no run: "linear", "quadratic", "cubic" or "mlp".
        epochs: epochs whose weights the run has kept, as [0, 5] or "0,5"; default: the last.
        estimators: names, as ["exact", "gumbel"] or "exact,gumbel"; default: all.
        temperatures: values for every estimator that has a temperature.
        images: number of test images (for a toy: draws of the logits), the same for every estimator.
        draws: the most draws to take where intervals stay wide, at least 128; default: 4096, for a toy 16,384.
        warm_up: steps that an adaptive estimator learns for before it is measured.
        seed: the seed of images, draws and toys.
        output_dir: where run folders are, and the audit gets one; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        format: format of the figures in addition to png: "svg" or "pdf".
        quiet: say nothing on stderr.

    Returns:
        The measurements, one row for each estimator, temperature and checkpoint.
    Raises:
        ConfigError: a mistake in the request, or more codes or images than there may be.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: no such run, checkpoint or categorical code; a gradient of 0; a figure that is not finite.
        Interrupted: Ctrl-C or SIGTERM; the rows so far are kept, and the same call resumes.
    """
    with _console(quiet) as console, _stop() as stop:
        from vaecli.auditing import targets
        from vaecli.auditing.audit import Asked, estimators_of, keys, left_out, perform
        from vaecli.launch.witness import witnessed
        from vaecli.reports.audit.figures import draw
        from vaecli.reports.audit.table import left_out_lines, row_line
        from vaecli.reports.style import checked_format
        from vaecli.runs.audits import audit_of

        of_epochs = numbers("epochs", epochs, int) if len(epochs) or epochs == "" else ()
        if objective and (target or of_epochs):
            raise ConfigError([f"--objective {objective}: a toy has neither run nor epochs"])
        if objective and objective not in OBJECTIVES:
            raise ConfigError([f"--objective {objective}: no such loss{suggest(objective, OBJECTIVES)}"])
        images, seed = whole("images", images, 1), whole("seed", seed, 0, 2**31 - 1)
        asked = Asked(
            estimators_of(parts(estimators)),
            numbers("temperatures", temperatures, float),
            (TOY_DRAWS if objective else AUDIT_DRAWS) if draws is None else whole("draws", draws, 128),
            whole("warm-up", warm_up, 0),
            seed,
        )
        if objective:
            found = targets.toy(objective, images=images, seed=seed)
        else:
            found = targets.find(
                None if target is None else os.fspath(target),
                epochs=of_epochs,
                images=images,
                seed=seed,
                output_dir=runs_folder(output_dir),
                data_dir=path_of(data_dir),
            )
        question = {"subject": dict(found.description), **asked._asdict()}
        where = audit_of(question, runs_folder(output_dir))
        checked_format(format, where.path)
        about, skipped = {"title": found.title, "asked": question}, where.left_out
        console.lines(found.remarks)
        console.say(f"{found.title} -> {where.path}")
        missing = not where.finished
        if missing:
            stop()  # from now on a signal waits for the current measurement
            with _prepared(threads, console):
                with chatter(Path(os.devnull)):
                    import_keras()
                    skipped = left_out(found, asked)
                if not keys(found, asked):
                    raise ConfigError(list(left_out_lines(skipped)))
                tell = lambda row, done, total: console.say(f"{done}/{total}  {row_line(row)}")  # noqa: E731
                where.begin()
                with witnessed(where.path, where.tensorflow_log, console.stream), chatter(where.tensorflow_log):
                    perform(found, asked, where, {**about, "left_out": skipped}, told=tell, stop=stop)
        rows = where.rows
        failed = lambda picture: console.say(picture.line)  # noqa: E731
        figures = draw(found.title, rows, where.path, formats={"png", format}, again=missing, failed=failed)
        console.lines(map(str, figures))
        return Measurements(where.path, found.title, question, rows, skipped, figures)


@dataclass(frozen=True)
class Likelihood:
    """What `evaluate` found of log p(x), in nats per image. `print` shows it."""

    run: "Run"
    measured: "Evaluated"  # of one split with one set of weights, for every number of samples so far
    bound_samples: int | None  # m of this call; None: q(z|x) is a point, which has no bound

    @property
    def bound(self) -> "Bound | None":
        """Minus the importance-weighted bound of this call."""
        found = [bound for bound in self.measured["bounds"] if bound["samples"] == self.bound_samples]
        return found[0] if found else None

    @property
    def negative_log_p(self) -> "Estimate | None":
        """-log p(x); None if its codes are too many to sum over, or it has none."""
        return self.measured["negative_log_p"]

    @property
    def posterior_gap(self) -> "Estimate | None":
        """KL(q(z|x) || p(z|x)), likewise."""
        return self.measured["posterior_gap"]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.measured}

    def __str__(self) -> str:
        from vaecli.reports.run.summary import evaluation_lines

        return "\n".join([self.run.name, *evaluation_lines([self.measured])])


def evaluate(
    run: Name,
    *,
    bound_samples: int | None = None,
    split: str = "test",
    weights: str = "last",
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Likelihood:
    """Bounds log p(x) of a finished run, and sums it over all codes if there are at most 16,384.

    The result is kept in the run's folder, where `show` and `compare` read it; the same call shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        bound_samples: m of the importance-weighted bound (arXiv 1509.00519), draws of q(z|x) per image; default: 1000,
            or none where q(z|x) is a point.
        split: the images: "test", "validation" or "train".
        weights: the weights: "last", or "best" on the validation split.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        Bound, and where they can be computed -log p(x) and the gap of the posterior, each with its standard error.
    Raises:
        ConfigError: a mistake in the request; a likelihood that is not in nats; samples of a point.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or there is nothing to evaluate.
        Interrupted: Ctrl-C or SIGTERM; nothing of this call is kept.
    """
    with _console(quiet) as console, _stop("stopped; nothing of it is kept"):
        from vaecli.experiment.evaluate import is_there, known, measure, number_of_samples
        from vaecli.launch.witness import witnessed
        from vaecli.runs import find_run

        of_split, of_weights = one_of("split", split, SPLITS), one_of("weights", weights, WEIGHTS)
        if bound_samples is not None:
            whole("bound-samples", bound_samples, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        samples = number_of_samples(found, of_split, bound_samples)
        measured = known(found, of_split, of_weights, console.say)
        if is_there(measured, samples):
            console.say(f"{found.evaluation_json}: this is what it has")
        else:
            draws = "" if samples is None else f", {samples:,} samples of each"
            console.say(f"{found.name}: {measured['images']:,} {split} images{draws} -> {found.evaluation_json}")
            told = console.counting(f"{split} images", measured["images"])
            with _prepared(threads, console), witnessed(found.path, found.tensorflow_log, console.stream):
                measured = measure(found, measured, samples, path_of(data_dir), fetching=console.fetching, told=told)
        return Likelihood(found, measured, samples)


@dataclass(frozen=True)
class Prior:
    """A prior over a run's codes, and the code lengths under it. `print` shows it."""

    run: "Run"
    fitted: "FittedPrior"

    @property
    def code_length(self) -> "CodeLengths":
        """Bits per image of the most probable codes, on both splits, each with its standard error."""
        return self.fitted["code_length"]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.fitted}

    def __str__(self) -> str:
        from vaecli.reports.run.summary import prior_lines

        return "\n".join([self.run.name, *prior_lines(self.run, [self.fitted])])


def prior(
    run: Name,
    *,
    kind: str | None = None,
    conditional: bool = False,
    epochs: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Prior:
    """Fits a prior over the codes of a finished run, and measures how long the test images' codes are under it.

    It is fitted to the most probable codes of the training images and kept in the run's folder, where `show`, `list`
    and `compare` read the code length; the same call shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        kind: "independent": how often each code has each of its values, one added to each count; "autoregressive": a
            small causal transformer over an image's codes. Default: autoregressive where an image has several codes.
        conditional: one prior for each label.
        epochs: epochs of an autoregressive prior at most; default: some minutes' worth. It ends earlier when its loss
            on a twelfth of the training codes, which is held out, stops falling, and keeps its best weights.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Raises:
        ConfigError: a mistake in the request; a run without codes, or images without labels.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, or it is not finished.
        RunFailed: it does not fit into memory, or cannot be written.
        Interrupted: Ctrl-C or SIGTERM; the state is saved, and the same call resumes.
    """
    with _console(quiet) as console, _stop("stopped before the prior's training began") as stop:
        from vaecli.experiment.prior import asked_of, fit, known
        from vaecli.launch.witness import witnessed
        from vaecli.runs import find_run

        of_kind = None if kind is None else one_of("kind", kind, PRIORS)
        if epochs is not None:
            whole("epochs", epochs, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        asked = asked_of(found, of_kind, conditional=conditional, epochs=epochs)
        fitted = known(found, asked, console.say)
        if fitted is not None:
            console.say(f"{found.prior_json}: this is what it has")
        else:
            console.say(f"{found.name}: {asked.kind} prior over its {found.latent} -> {found.prior_json}")
            with _prepared(threads, console), witnessed(found.path, found.tensorflow_log, console.stream):
                fitted = fit(
                    *(found, asked, path_of(data_dir)),
                    fetching=console.fetching,
                    counting=console.counting,
                    say=console.say,
                    stop=stop,
                )
        return Prior(found, fitted)


@dataclass(frozen=True)
class SampleQuality:
    """How alike what a run draws is to test images. `print` shows it."""

    run: "Run"
    measured: "Quality"

    @property
    def figures(self) -> "Mapping[str, DrawnFigures]":
        """The figures of each source: "test images", "reconstructions", "independent", "autoregressive by label"."""
        return {one["source"]: one for one in self.measured["figures"]}

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.measured}

    def __str__(self) -> str:
        from vaecli.reports.run.summary import quality_lines

        return "\n".join([self.run.name, *quality_lines(self.measured, self.measured["figures"])])


def quality(
    run: Name,
    *,
    count: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> SampleQuality:
    """Measures how alike the images that a finished run draws are to test images, without a network from elsewhere.

    A small classifier of the run's training images, trained once for all runs on the data and kept beside them, gives
    features and labels. Compared with test images are samples from every prior that the run has (without one, each code
    by itself; of a vae N(0, 1) and a Gaussian fitted to its encodings), reconstructions of other test images, and
    those images themselves. The result is kept in the run's folder, where `show` and `compare` read it; the same call
    shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        count: images of each source, and test images that they are compared with; default: 1000, or half of the test
            images where that is fewer.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        Of each source precision, recall, density and coverage (arXiv 2002.09797), the share recognised as its label,
        the entropy of the labels in bits, and how often it is nearer to a training image than test images are.
    Raises:
        ConfigError: a mistake in the request; images without labels, or too few.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or a prior cannot be read.
        RunFailed: the folder cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing of this call is kept.
    """
    with _console(quiet) as console, _stop("stopped; nothing of it is kept"):
        from vaecli.experiment.quality import count_of, known, measure
        from vaecli.launch.witness import witnessed
        from vaecli.runs import find_run

        if count is not None:
            whole("count", count, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        number = count_of(found, count)
        measured = known(found, number, console.say)
        if measured is not None:
            console.say(f"{found.quality_json}: this is what it has")
        else:
            console.say(f"{found.name}: {number:,} images of each source -> {found.quality_json}")
            with _prepared(threads, console), witnessed(found.path, found.tensorflow_log, console.stream):
                measured = measure(
                    *(found, number, path_of(data_dir)),
                    fetching=console.fetching,
                    counting=console.counting,
                    say=console.say,
                )
        return SampleQuality(found, measured)


@dataclass(frozen=True)
class Verification:
    """Whether a run's files are unchanged, and whether a short copy of it repeats bit for bit."""

    run: "Run"
    files: "Files"
    changed_since: Sequence[str]  # what may change bits here compared with when the run was made
    proof: "Proof | None"  # result of the copy; None if none was trained

    @property
    def verified(self) -> bool:
        return not (self.files.changed or self.files.missing or (self.proof and self.proof.different))

    def to_dict(self) -> dict[str, Any]:
        parts = {
            "files": self.files._asdict(),
            "changed_since": list(self.changed_since),
            "copy": self.proof._asdict() if self.proof else None,
        }
        return {"run": self.run.name, "verified": self.verified, **parts}


def verify(
    run: Name,
    *,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    files_only: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Proves that a run repeats bit for bit on this machine.

    Reads its files again and compares them with the recorded digests; then trains a short copy of it without
    interruption and another one that is killed and resumed, each in its own process, and compares every number.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        files_only: check the files alone, and train nothing.
        told: called with each line that the command prints, as soon as it is known.

    Raises:
        RunError: there is no such run, or it is not finished.
        RunFailed: a copy did not end as it should.
        DataError: its data is not available, or differs from what it was trained on.
        Interrupted: Ctrl-C or SIGTERM.
    """
    import tempfile

    from vaecli.experiment.verify import changed_here, prove
    from vaecli.runs import find_run

    found = find_run(os.fspath(run), runs_folder(output_dir))
    files, proof = found.examine(), None
    readable = {found.summary_json.name, found.run_json.name}.isdisjoint([*files.changed, *files.missing])
    changed = changed_here(found) if readable else []
    for line in files.lines:
        told(line)
    for line in changed:
        told(f"        {line} since then: trained here again, the run may get other bits")
    if not files_only and readable:
        with _stop("stopped"), tempfile.TemporaryDirectory(prefix="vaecli-verify-") as folder:
            proof = prove(found, Path(folder), path_of(data_dir))
        for line in proof.lines:
            told(line)
    return Verification(found, files, changed, proof)


def plot(
    *runs: Name,
    format: str = "png",
    output: Name | None = None,
    output_dir: Name | None = None,
    drawn: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """Draws the figures of finished runs: reconstructions, loss curves, what each code draws, and code use.

    Args:
        runs: names, beginnings of names, folders or runs; default: the newest finished run; "gumbel-max": the figure
            of the Gumbel-max trick.
        format: format of the files: "png", "svg" or "pdf".
        output: folder for the figures, with a subfolder for each of several runs; default: each run's own figures/.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        drawn: called with each file that was written.

    Returns:
        The files written.
    Raises:
        RunError: there is no such run, or it is not finished.
        RunFailed: names every figure that could not be drawn; the others were drawn.
    """
    from vaecli.reports.run import figures
    from vaecli.reports.style import Undrawn, checked_format, draw_each
    from vaecli.runs import find_runs, newest_finished

    names, folder, target = [os.fspath(run) for run in runs], runs_folder(output_dir), path_of(output)
    paths: list[Path] = []
    wrong: list[str] = []

    def failed(picture: Undrawn) -> None:
        wrong.append(picture.line)

    def tell(written: list[Path]) -> None:
        paths.extend(written)
        for path in written:
            drawn(path)

    if names == [GUMBEL_MAX]:
        checked_format(format, target or folder)
        drawing = partial(figures.gumbel_max, logits=ARTICLE_LOGITS, draws=GUMBEL_MAX_DRAWS, seed=0)
        tell(draw_each({f"gumbel_max.{format}": drawing}, target or folder, failed))
    else:
        found = find_runs(names, folder) if names else [newest_finished(folder)]
        for run in found:
            own = target / run.name if target and len(found) > 1 else target
            try:
                tell(figures.draw_run(run, failed=failed, output=own, fmt=format))
            except RunError as error:
                if len(found) == 1:
                    raise
                wrong += error.lines
    if wrong:
        raise RunFailed(*wrong)
    return paths


def encode(
    run: Name,
    images: Name,
    *,
    output: Name,
    seed: int | None = None,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the codes of images, by a finished run, as an npz. For arrays there is `load_run(run).encode`.

    Its array `codes` is [N, L] integers, of a grid [N, H', W', L]; of a Gaussian `latents` has D numbers for L codes.
    `rate` is KL(q(z|x) || p(z)) of each image in nats; `run`, `weights` and `weights_sha256` say what made it.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        images: an npz with an array images, x_test or x_train, of which the first is read, or an npy; or "test",
            "validation" or "train", a split of the run's own data.
        output: the file to write.
        seed: a sample of q(z|x) with this seed; default: the most probable codes, of a Gaussian the mean.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, a seed where q(z|x) is a point, no such split.
        DataError: images that are not there, or that training would refuse.
        RunError: there is no such run, it is not finished, or has no such weights.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    return _from_images("encode", run, images, output, seed, weights, force, output_dir, data_dir, threads, quiet)


def reconstruct(
    run: Name,
    images: Name,
    *,
    output: Name,
    seed: int | None = None,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the reconstructions of images, by a finished run, as an npz: what `decode` makes of `encode`.

    Its array `images` is [N, H, W], of colour [N, H, W, C], in [0, 1] or near it.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        images: as in `encode`.
        output: the file to write.
        seed: decode a sample of q(z|x) with this seed; default: the most probable codes, of a Gaussian the mean.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        VaecliError: as in `encode`.
    """
    return _from_images("reconstruct", run, images, output, seed, weights, force, output_dir, data_dir, threads, quiet)


def _from_images(
    what: str,
    run: Name,
    images: Name,
    output: Name,
    seed: int | None,
    weights: str,
    force: bool,
    output_dir: Name | None,
    data_dir: Name | None,
    threads: int | None,
    quiet: bool,
) -> Path:
    with _console(quiet) as console, _stop("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays

        target = free(path_of(output), force=force)
        used = _applied(run, weights, output_dir)
        if seed is not None:
            whole("seed", seed, 0, 2**31 - 1)
            if used.run.config.model.method.constant_rate:
                name = used.run.config.model.name
                raise ConfigError([f"{used.run.name}: --seed {seed}: {name} has a point for q(z|x), and no samples"])
        found, place = used.images(os.fspath(images), path_of(data_dir), console.fetching)
        console.say(f"{used.run.name}: {len(found):,} images of {place} -> {target}")
        told = console.counting("images", len(found))
        with _prepared(threads, console), chatter(Path(os.devnull)):
            import_keras()
            write_arrays(target, getattr(used, what)(found, place=place, seed=seed, told=told))
        return target


def sample(
    run: Name,
    *,
    output: Name,
    show: str = "samples",
    count: int | None = None,
    images: Numbers = (),
    temperature: float = 1.0,
    label: int | None = None,
    prior: str | None = None,
    source: str = "prior",
    seed: int = 0,
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Draws new images by a finished run: codes from a prior that `prior` fitted, of a vae vectors from N(0, 1).

    An npz has `images`, [N, H, W] or of colour [N, H, W, C], and the `codes` or `latents` that they were decoded from,
    as `encode` has them, with the names of the run and the weights; any other ending is a figure of them. Beside them
    an npz has `nearest`, `nearest_index` and `nearest_distance` (a sum of squares over pixels) with show="nearest",
    `labels` with "labels", and `row`, the line of each image, with "traversal" and "interpolation".

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output: the file to write: .npz, .png, .svg or .pdf.
        show: "samples"; "nearest": each beside its nearest training image; "labels": a line for each label, from a
            conditional prior; "traversal": a test image with one code changed through its values, or one number of a
            vector from -2 to 2 standard deviations of the test images' encodings; "interpolation": from one test image
            to another, code by code, or along the line between the means of a vae. The last two draw nothing.
        count: images (64; 32 with their nearest), images of each label (10), lines of a traversal (10), or steps of an
            interpolation (9).
        images: the test images, counted from 0, of a traversal (0), or of an interpolation from each to the next
            (0 and 1).
        temperature: T of p^(1/T) at each code, and the standard deviation of a vector's numbers; 0 draws the most
            probable codes, so all images are one.
        label: images of this label, from a conditional prior.
        prior: "independent" or "autoregressive"; default: the one that gives the shortest codes. Without any, each code
            is drawn by itself, as often as the training images have it.
        source: "prior"; or "fitted", of a vae: a Gaussian with the mean and covariance of the test images' encodings.
        seed: of the draws.
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, no such label or image, an option without effect.
        DataError: its data is needed and not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or has no such prior.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with _console(quiet) as console, _stop("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays
        from vaecli.experiment.sample import Wanted, checked, draw
        from vaecli.reports.run.samples import figure_of
        from vaecli.reports.style import checked_format, save, styled

        target = free(path_of(output), force=force)
        if target.suffix != ".npz":
            checked_format(target.suffix[1:], target)
        of_images = numbers("images", images, int) if len(images) or images == "" else ()
        kind = None if prior is None else one_of("prior", prior, PRIORS)
        whole("seed", seed, 0, 2**31 - 1)
        if count is not None:
            whole("count", count, 1, 10**6)
        used = _applied(run, "last", output_dir)
        shown, of_source = one_of("show", show, SHOWN), one_of("from", source, SOURCES)
        wanted = Wanted(shown, count, of_images, temperature, label, seed, kind, of_source)
        checked(used.run, wanted)
        console.say(f"{used.run.name}: {show} -> {target}")
        with _prepared(threads, console), chatter(Path(os.devnull)):
            import_keras()
            drawn = draw(
                *(used.run, wanted, path_of(data_dir)),
                fetching=console.fetching,
                counting=console.counting,
                say=console.say,
            )
        if target.suffix == ".npz":
            arrays = {"images": drawn.images, used.latents: drawn.latents, **drawn.also}
            write_arrays(target, {**arrays, **used.origin})
        else:
            with styled():
                save(figure_of(used.run, drawn.images, drawn.how, drawn.lines, drawn.also), target)
        return target


def decode(
    run: Name,
    codes: Name,
    *,
    output: Name,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the images of codes, by a finished run, as an npz. For arrays there is `load_run(run).decode`.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        codes: an npz that `encode` wrote; or any with an array codes (of a Gaussian, latents) of that shape, or an npy.
        output: the file to write; its array `images` is as in `reconstruct`.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, or its folder does not.
        DataError: codes that are not there, out of range, or of another shape.
        RunError: there is no such run, it is not finished, or has no such weights.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with _console(quiet) as console, _stop("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays

        target = free(path_of(output), force=force)
        used = _applied(run, weights, output_dir)
        found, remark = used.codes(path_of(codes))
        if remark:
            console.say(remark)
        console.say(f"{used.run.name}: {len(found):,} images of {codes} -> {target}")
        told = console.counting("images", len(found))
        with _prepared(threads, console), chatter(Path(os.devnull)):
            import_keras()
            write_arrays(target, used.decode(found, place=os.fspath(codes), told=told))
        return target


def _applied(run: Name, weights: str, output_dir: Name | None) -> "Applied":
    from vaecli.experiment.apply import Applied
    from vaecli.runs import find_run

    return Applied(find_run(os.fspath(run), runs_folder(output_dir)), weights)


def export(
    run: Name,
    *,
    output: Name,
    part: str = "whole",
    weights: str = "last",
    format: str = "keras",
    force: bool = False,
    output_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes a finished run's model, or a part of it, for programs without vaecli.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output: the file to write; for "savedmodel" the folder.
        part: "encoder", images to codes; "decoder", codes to images; "whole", images to images. Codes are as `encode`
            writes them, and images are floats in [0, 1]. "prior" is the autoregressive prior that `prior` fitted, from
            codes to log p of each value of each code given those before it; "prior-by-label" takes the place of each
            image's label among all labels too.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        format: "keras", for keras.models.load_model in safe mode; "savedmodel", for TensorFlow; "onnx", which needs
            the packages of vaecli[onnx].
        force: overwrite the file, or the SavedModel, if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        What was written.
    Raises:
        ConfigError: a mistake in the request: the file exists, a package is missing, or ONNX has no such layer.
        RunError: there is no such run, it is not finished, or has no such weights or prior.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with _console(quiet) as console, _stop("stopped; nothing is written"):
        from vaecli.experiment.export import PRIORS as OF_CODES
        from vaecli.experiment.export import place_of, prior_of, write_model

        of_part, form = one_of("part", part, EXPORTED), one_of("format", format, FORMATS)
        target = place_of(path_of(output), form, force=force)
        used = _applied(run, weights, output_dir)
        console.say(f"{used.run.name}: {part} -> {target}")
        with _prepared(threads, console), chatter(Path(os.devnull)):
            import_keras()
            if of_part in OF_CODES:
                model = prior_of(used.run, of_part, weights)
            else:
                model = used.trained.autoencoder.export(of_part)
            write_model(model, target, form)
        return target


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


@contextlib.contextmanager
def _console(quiet: bool) -> Iterator[Console]:
    with _one_at_a_time, Console(quiet=quiet) as console:
        yield console


def _stop(reason: str = "stopped before training began") -> Stop:
    return Stop(reason, ends_process=ends_quietly())


@contextlib.contextmanager
def _prepared(threads: int | None, console: Console) -> Iterator[None]:
    """The environment of TensorFlow; reports where it has already started with another number of threads."""
    if threads is not None and str(whole("threads", threads, 1)) != (known := threads_in_use() or str(threads)):
        console.say(f"--threads {threads}: TensorFlow has already started with {known} in this process and keeps them")
    with prepared(threads):
        yield
