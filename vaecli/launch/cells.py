"""The runs that published cells need: one for all cells of a setting and a seed, as long as the last of them."""

import json
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from vaecli.config import Config
from vaecli.config.arguments import Name
from vaecli.config.shapes import shapes
from vaecli.config.toys import Polynomial, Tied, Toy
from vaecli.data.binarized import TEST, TRAIN
from vaecli.errors import ConfigError, DataError, RunError
from vaecli.experiment.evaluate import known
from vaecli.experiment.plan import Plan, plan_run
from vaecli.launch.asked import DataSets
from vaecli.launch.forecast import PRODUCTS_PER_SECOND, START_SECONDS
from vaecli.papers.measures import MEASURES
from vaecli.papers.schema import Cell, cells_of, source_names
from vaecli.papers.verdict import Found, Verdict, verdict
from vaecli.runs import Run, all_runs
from vaecli.runs.identity import settings
from vaecli.runs.toys import toy_run

LENGTHS = ("epochs", "steps", "evaluate_at", "seed")  # keys of `training` that one setting's runs may differ in
Rows = Sequence[Mapping[str, float | None]]


class Setting(NamedTuple):
    """The cells of one protocol, which runs of one length answer."""

    protocol: Config | Toy
    cells: list[Cell]  # which are asked for

    @property
    def unit(self) -> str:
        return self.cells[0].unit or "epoch"

    @property
    def rows_at(self) -> tuple[int, ...]:
        """Steps after which rows are due, for means over the last steps too."""
        return tuple(step for cell in self.cells for step in (cell.at, cell.at - (cell.over or cell.at)))

    def config(self, seed: int) -> Config:
        """The protocol up to the last of the cells."""
        assert isinstance(self.protocol, Config)
        length = max(cell.at for cell in self.cells)
        by_steps = self.unit == "step"
        at = tuple(sorted({step for step in self.rows_at if 0 < step < length})) if by_steps else ()
        lengths = {"epochs": None, "steps": length} if by_steps else {"epochs": length, "steps": None}
        training = self.protocol.training.model_copy(update={**lengths, "evaluate_at": at, "seed": seed})
        return self.protocol.model_copy(update={"training": training})


class Asked(NamedTuple):
    """The cells that are asked for, and what they need."""

    cells: list[Cell]
    plans: list[Plan]  # of every missing or half done run, and of the finished ones
    toys: list[Polynomial]
    data: DataSets
    without_data: dict[str, str]  # why the cells of a setting have no data, by the names of the cells
    seeds: tuple[int, ...]


def select(sources: Sequence[Name], patterns: Sequence[str]) -> list[Cell]:
    """The cells of these sources (default: all that vaecli has) whose names have or match one of the patterns.

    A pattern is a part of a name, SOURCE/SETTING/METRIC/e20, or with * and ? the whole of it.

    Raises:
        ConfigError: an unknown source, a mistake in one, two of one name, or a pattern that no cell has.
    """
    asked = dict.fromkeys(os.fspath(name) for name in sources or source_names())
    found = [cells_of(name) for name in asked]
    twice = [name for name, times in Counter(of_one[0].source for of_one in found).items() if times > 1]
    if twice:
        raise ConfigError([f"{twice[0]}: two of the sources are called so; reproduce them one after the other"])
    cells = [cell for of_one in found for cell in of_one]
    if not patterns:
        return cells
    for pattern in patterns:
        if not pattern or not any(_fits(cell, pattern) for cell in cells):
            raise ConfigError([f"--cells {pattern}: no cell is called so; `vaecli reproduce --list` names them"])
    return [cell for cell in cells if any(_fits(cell, pattern) for pattern in patterns)]


def _fits(cell: Cell, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(cell.name, pattern)
    return f"/{pattern}/" in f"/{cell.name}/" or pattern in cell.name.split("/")[1]


def settings_of(cells: Iterable[Cell]) -> list[Setting]:
    """The expressible cells by protocol and unit."""
    found: dict[str, Setting] = {}
    for cell in cells:
        if cell.protocol is not None and cell.missing is None:
            key = f"{cell.unit} {cell.protocol.model_dump_json()}"
            found.setdefault(key, Setting(cell.protocol, [])).cells.append(cell)
    return list(found.values())


def earliest(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of each setting at its earliest epoch or step."""
    kept = [cell for cell in cells if cell.missing is not None or cell.protocol is None]
    for setting in settings_of(cells):
        first = min(cell.at for cell in setting.cells)
        kept += [cell for cell in setting.cells if cell.at == first]
    order = {cell.name: place for place, cell in enumerate(cells)}
    return sorted(kept, key=lambda cell: order[cell.name])


def ask(cells: list[Cell], seeds: Sequence[int], output_dir: Path, data: DataSets) -> Asked:
    """Plans the runs and toys of the cells; raises ConfigError."""
    plans: dict[Path, Plan] = {}
    toys: dict[str, Polynomial] = {}
    without: dict[str, str] = {}
    for setting in settings_of(cells):
        protocol = setting.protocol
        if isinstance(protocol, Polynomial):
            toys |= {toy.model_dump_json(): toy for toy in toys_of(protocol, seeds)}
        elif isinstance(protocol, Config):
            try:
                for seed in seeds:
                    config = setting.config(seed)
                    plan = plan_run(config, data.of(config), output_dir)
                    plans[plan.run.path] = plan
            except DataError as error:
                why = error.lines[0]
                if path := protocol.data.binarized_path:
                    why += f"; the folder {path} needs the published {', '.join((*TRAIN, TEST))}"
                without |= dict.fromkeys((cell.name for cell in setting.cells), why)
    return Asked(cells, list(plans.values()), list(toys.values()), data, without, tuple(seeds))


def toys_of(toy: Polynomial, seeds: Sequence[int]) -> list[Polynomial]:
    return [toy.model_copy(update={"seed": seed}) for seed in seeds]


def look(asked: Asked, output_dir: Path, failures: Mapping[str, str]) -> list[Found]:
    """The verdict on each cell, by the runs of its protocol in the output folder, however long they are."""
    runs_there = _known_runs(output_dir, asked.seeds)
    found = []
    for cell in asked.cells:
        if cell.missing is not None:
            found.append(Found(cell, Verdict("not expressible", cell.missing), {}, {}))
        elif cell.name in asked.without_data:
            found.append(Found(cell, Verdict("no data", asked.without_data[cell.name]), {}, {}))
        else:
            figures, runs = _figures(cell, asked, output_dir, runs_there)
            said = verdict(cell, [*figures.values()])
            failed = _failure(cell, asked, output_dir, failures) if not figures else None
            found.append(Found(cell, said._replace(word="failed", why=failed) if failed else said, figures, runs))
    return found


def _known_runs(output_dir: Path, seeds: Sequence[int]) -> dict[tuple[str, int], list[Run]]:
    """The runs in the folder by protocol and seed, the longest first."""
    found: dict[tuple[str, int], list[Run]] = {}
    for run in all_runs(output_dir):
        try:
            config, digest = run.config, run.info["data"]["digest"]
        except (RunError, KeyError):
            continue  # what cannot be read answers nothing
        if config.training.seed in seeds:
            found.setdefault((_protocol(config, digest), config.training.seed), []).append(run)
    return {key: sorted(runs, key=lambda run: -run.rows_done) for key, runs in found.items()}


def _protocol(config: Config, digest: str) -> str:
    return json.dumps([settings(config, but=LENGTHS), digest], sort_keys=True)


def _figures(
    cell: Cell, asked: Asked, output_dir: Path, there: Mapping[tuple[str, int], list[Run]]
) -> tuple[dict[int, float], dict[int, str]]:
    """The figures of a cell by seed, and the runs that they are of."""
    if isinstance(cell.protocol, Tied):
        return {0: of_tied(cell.protocol, cell.metric)}, {}
    figures: dict[int, float] = {}
    runs: dict[int, str] = {}
    for seed in asked.seeds:
        if isinstance(cell.protocol, Polynomial):
            of_toy = toy_run(toys_of(cell.protocol, [seed])[0], output_dir)
            if of_toy.finished and cell.at <= len(of_toy.losses):
                figures[seed], runs[seed] = of_toy.losses[cell.at - 1], of_toy.name
            continue
        assert isinstance(cell.protocol, Config)
        dataset = asked.data.of(cell.protocol)
        config = Setting(cell.protocol, [cell]).config(seed)
        for run in there.get((_protocol(config, dataset.digest), seed), ()):
            try:
                if MEASURES[cell.metric].evaluated is None:
                    figure = figure_of(cell, run.metrics, dataset.steps_per_epoch(config.training))
                else:
                    figure = _evaluated(cell, run)
            except RunError:
                continue
            if figure is not None:
                figures[seed], runs[seed] = figure, run.name
                break
    return figures, runs


def _evaluated(cell: Cell, run: Run) -> float | None:
    """Minus the bound of one draw of each image, of a finished run that ended where the cell is; None if unmeasured."""
    split = MEASURES[cell.metric].evaluated
    if split is None or not _ends_at(run, cell):
        return None
    bounds = known(run, split, "last", lambda line: None)["bounds"]
    return next((bound["value"] for bound in bounds if bound["samples"] == 1), None)


def _ends_at(run: Run, cell: Cell) -> bool:
    training = run.config.training
    return run.finished and cell.at == (training.epochs if cell.unit == "epoch" else training.steps)


def to_evaluate(asked: Asked, output_dir: Path) -> list[tuple[Run, Literal["train"]]]:
    """The finished runs whose last weights a cell wants evaluated on a split, where that was not done yet."""
    runs, found = _known_runs(output_dir, asked.seeds), {}
    for cell in asked.cells:
        split = MEASURES[cell.metric].evaluated
        if split is None or not isinstance(cell.protocol, Config) or cell.name in asked.without_data:
            continue
        for seed in asked.seeds:
            wanted = _protocol(Setting(cell.protocol, [cell]).config(seed), asked.data.of(cell.protocol).digest)
            ended = [run for run in runs.get((wanted, seed), ()) if _ends_at(run, cell)]
            if ended and all(_evaluated(cell, run) is None for run in ended):
                found[ended[0].name, split] = ended[0], split
    return list(found.values())


def _failure(cell: Cell, asked: Asked, output_dir: Path, failures: Mapping[str, str]) -> str | None:
    """Why the run of a cell has no figure, if it failed."""
    if not isinstance(cell.protocol, Config):
        return None
    config = Setting(cell.protocol, [cell]).config(asked.seeds[0])
    wanted = _protocol(config, asked.data.of(config).digest)
    for plan in asked.plans:
        if plan.run.name in failures and _protocol(plan.config, plan.dataset.digest) == wanted:
            return failures[plan.run.name]
    return None


def figure_of(cell: Cell, rows: Rows, steps_per_epoch: int) -> float | None:
    """The figure of a cell in the rows of a metrics.csv; None if they have none."""
    measure = MEASURES[cell.metric]
    values = [_value(rows, column, cell, steps_per_epoch, measure.of_training) for column in measure.columns]
    return None if None in values else float(sum(value for value in values if value is not None))


def _value(rows: Rows, column: str, cell: Cell, steps_per_epoch: int, of_training: bool) -> float | None:
    step = cell.at * steps_per_epoch if cell.unit == "epoch" else cell.at
    by_step = {round(row.get("step") or (row["epoch"] or 0) * steps_per_epoch): row.get(column) for row in rows}
    if not (of_training and cell.over):
        return by_step.get(step)
    sums = [_sum(by_step, at, steps_per_epoch) for at in (step, step - cell.over)]
    if sums[0] is None or sums[1] is None:
        return None
    return (sums[0] - sums[1]) / cell.over


def _sum(means: Mapping[int, float | None], step: int, steps_per_epoch: int) -> float | None:
    """The sum over all steps up to this one, of means that each epoch begins again."""
    if step == 0:
        return 0.0
    epochs, inside = divmod(step - 1, steps_per_epoch)
    ends = [means.get((epoch + 1) * steps_per_epoch) for epoch in range(epochs)]
    last = means.get(step)
    if last is None or None in ends:
        return None
    return steps_per_epoch * float(sum(end for end in ends if end is not None)) + (inside + 1) * last


def of_tied(toy: Tied, metric: str) -> float:
    """The expected loss, or its gradient in phi, of tied Bernoulli variables: a sum over all their states."""
    p = 1 / (1 + np.exp(-toy.phi))
    states = (np.arange(2 ** len(toy.targets))[:, None] >> np.arange(len(toy.targets))) & 1
    losses = ((states - np.array(toy.targets)) ** 2).sum(1)
    probabilities = np.where(states, p, 1 - p).prod(1)
    if metric == "exact loss":
        return float(probabilities @ losses)
    return float(probabilities @ (losses * (states - p).sum(1)))  # d log q / d phi = sum_i x_i - p


def minutes(asked: Asked, speeds: Mapping[str, float]) -> dict[str, float]:
    """The time that a training up to each cell takes on one thread, by the cell's name."""
    left = {}
    for cell in asked.cells:
        if isinstance(cell.protocol, Config) and cell.missing is None and cell.name not in asked.without_data:
            config = Setting(cell.protocol, [cell]).config(asked.seeds[0])
            dataset = asked.data.of(config)
            work = shapes(config, dataset.image_shape).products * config.training.passes(len(dataset.train))
            pace = speeds.get(config.model.name) or statistics.median([*speeds.values()] or [PRODUCTS_PER_SECOND])
            left[cell.name] = (START_SECONDS + work * len(dataset.train) / pace) / 60
    return left


def missing_toys(asked: Asked, output_dir: Path) -> Iterator[Polynomial]:
    """The toys that are not trained yet."""
    return (toy for toy in asked.toys if not toy_run(toy, output_dir).finished)
