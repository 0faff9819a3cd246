"""Published figures beside ours."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vaecli.api.frame import console_of, stop_on, working
from vaecli.api.toys import train_toys
from vaecli.config.arguments import Name, Names, Numbers, path_of, runs_folder, seeds_of, whole
from vaecli.errors import ConfigError, RunFailed
from vaecli.terminal.board import Board
from vaecli.terminal.console import Console

if TYPE_CHECKING:
    from vaecli.papers.verdict import Found
    from vaecli.runs import Run


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
    def latex(self) -> str:
        from vaecli.reports.reproduction.table import latex_lines

        return "\n".join(latex_lines(self.cells))

    @property
    def csv(self) -> str:
        from vaecli.reports.reproduction.table import csv_text

        return csv_text(self.cells)

    def __str__(self) -> str:
        return self.table if self.cells else "\n".join(self.plan)

    def _repr_markdown_(self) -> str:
        return self.markdown


def reproduce(
    *sources: Name,
    cells: Names = (),
    quick: bool = False,
    seeds: Numbers | None = None,
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
    with console_of(quiet) as console, stop_on() as stop, ExitStack() as drawing:
        from vaecli.launch import cells as launch
        from vaecli.launch.asked import Asked as Runs
        from vaecli.launch.asked import DataSets, plan_lines
        from vaecli.launch.drive import train_missing
        from vaecli.launch.forecast import side_by_side, speeds
        from vaecli.reports.guide import after_reproducing
        from vaecli.reports.reproduction.page import report_folder, write_report
        from vaecli.runs import all_runs

        if jobs is not None and scheduler:
            raise ConfigError([f"--jobs {jobs}: has no effect with --scheduler, whose workers are counted there"])
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
        failures = train_toys(toys, folder, console, stop) if toys else {}
        with Board(console) as board:
            training = train_missing(
                plans,
                data,
                board,
                output_dir=folder,
                jobs=jobs,
                scheduler=scheduler,
                argv=sys.argv,
                speeds=pace,
                stop=stop,
                idle=partial(import_module, "vaecli.reports.reproduction.figures"),
                references=False,
            )
            failures |= drawing.enter_context(training).failures
        stop.at_once("stopped before the report; the same command writes it")
        for run, split in launch.to_evaluate(asked, folder):
            _evaluate(run, split, data_dir, console)
        found = launch.look(asked, folder, failures)
        reproduction = Reproduction(plan, found, failures=failures)
        shown(reproduction)
        report = path_of(output) if output else report_folder(folder, [cell.name for cell in wanted])
        try:
            console.lines(write_report(found, folder, report, shlex.join(["vaecli", *sys.argv[1:]])).lines)
        except RunFailed as error:  # the folder is read-only: the verdicts are returned all the same
            console.say(f"{error}; --output names a folder for table and page")
            return reproduction
        console.rows(after_reproducing(report, found, failures, folder, console.width))
        return replace(reproduction, folder=report)


def _evaluate(run: "Run", split: "Literal['train']", data_dir: Name | None, console: Console) -> None:
    """Measures the bound of one draw of each image with the run's last weights."""
    from vaecli.experiment.evaluate import known, measure

    before = known(run, split, "last", console.say)
    console.say(f"{run.name}: {before['images']:,} {split} images, one draw of each -> {run.evaluation_json}")
    told = console.counting(f"{split} images", before["images"])
    with working(run, None, console):
        measure(run, before, 1, path_of(data_dir), fetching=console.fetching, told=told)
