"""Estimators on a toy whose optimum is known: no data, and seconds each."""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import console_of, prepared_for, stop_on
from vaecli.backend.process import chatter, import_keras
from vaecli.config.arguments import (
    Name,
    Numbers,
    Settings,
    Sweeps,
    path_of,
    runs_folder,
    seeds_of,
    settings_of,
    sweeps_of,
)
from vaecli.errors import ConfigError, Interrupted
from vaecli.registry import METHODS, suggest
from vaecli.terminal.console import Console
from vaecli.terminal.signals import Stop

if TYPE_CHECKING:
    from vaecli.config.source import Source
    from vaecli.config.toys import Polynomial
    from vaecli.reports.toys.table import Group
    from vaecli.runs.toys import ToyRun

# Liu et al. 2023, arXiv 2304.08612; the exponent is neither 1 nor 2, for which some estimators are exact
PUBLISHED = {"codes": [0.0, 1.0], "exponent": 1.5}
NUM_LATENTS = 128
SIZES = ("num_latents", "num_classes")  # of a model, which rows of one table share


@dataclass(frozen=True)
class Toys:
    """What estimators made of toys. `print` shows the table, and so does a notebook."""

    groups: "Sequence[Group]"  # by toy, the lowest loss first
    failures: Mapping[str, str] = field(default_factory=dict)  # why, by the name of a toy's folder
    folder: Path | None = None  # of table and figure

    @property
    def records(self) -> list[dict[str, Any]]:
        """A flat record for each toy and estimator, with the loss of every epoch."""
        from vaecli.reports.toys.table import records

        return records(self.groups)

    @property
    def table(self) -> str:
        from vaecli.reports.toys.table import table_lines

        return "\n".join(table_lines(self.groups))

    @property
    def markdown(self) -> str:
        from vaecli.reports.toys.table import markdown_lines

        return "\n".join(markdown_lines(self.groups))

    @property
    def latex(self) -> str:
        from vaecli.reports.toys.table import latex_lines

        return "\n".join(latex_lines(self.groups))

    @property
    def csv(self) -> str:
        from vaecli.reports.toys.table import csv_text

        return csv_text(self.groups)

    def __str__(self) -> str:
        return self.table

    def _repr_markdown_(self) -> str:
        return self.markdown


def toy(
    *names: Name,
    set: Settings = (),
    sweep: Sweeps = (),
    seeds: Numbers | None = None,
    output_dir: Name | None = None,
    output: Name | None = None,
    quiet: bool = False,
    shown: Callable[[Toys], None] = lambda toys: None,
) -> Toys:
    """Minimises E mean |c(z) - target|^exponent over the logits of codes z, by the gradients of estimators.

    The loss of a code has a known optimum, so that what is left above it is the estimator's own (arXiv 2304.08612).
    What is trained already is read.

    Args:
        names: estimators, or YAML files of a toy; default: every estimator that draws codes.
        set: keys of the toy to override, as {"exponent": 2} or ["codes=[0, 0.5, 1]", "model.temperature=0.5"].
        sweep: values to try for a key, as {"exponent": [1.5, 2, 3]}; several sweeps multiply.
        seeds: how many, or which, as in `compare`; default: seed 0, or the file's.
        output_dir: where each toy has a folder; default: $VAECLI_OUTPUT_DIR, then outputs.
        output: folder for table and figure; default: a folder inside output_dir.
        quiet: say nothing on stderr.
        shown: called with the result before its figure is drawn, which takes a second.

    Returns:
        The loss of each estimator on each toy.
    Raises:
        ConfigError: an unknown estimator, a mistake in a toy, or a setting without effect.
        RunError: an output folder that cannot be written.
        Interrupted: Ctrl-C or SIGTERM; finished toys are kept, and the same call goes on.
    """
    with console_of(quiet) as console, stop_on() as stop:
        from vaecli.runs.toys import toy_run

        folder = runs_folder(output_dir)
        asked = list(_asked([os.fspath(name) for name in names], settings_of(set), sweeps_of(sweep), seeds, console))
        named = {toy_run(one, folder).name: one for one in asked}
        missing = [one for one in named.values() if not _has_expected(toy_run(one, folder))]
        failures = train_toys(missing, folder, console, stop) if missing else {}
        groups = _groups(asked, folder)
        found = Toys(groups, failures)
        if not groups:
            return found
        shown(found)
        code = hashlib.sha256("\n".join(sorted(toy_run(one, folder).name for one in asked)).encode()).hexdigest()[:8]
        place = path_of(output) or folder / f"toys-{code}"
        _write(found, place, console)
        return Toys(groups, failures, place)


def _asked(
    names: Sequence[str], settings: Sequence[str], sweeps: Sequence[str], seeds: Numbers | None, console: Console
) -> "Iterator[Polynomial]":
    """Every toy, by combinations of the sweeps, estimators and seeds; says which settings have no effect for some."""
    from vaecli.config.read import override
    from vaecli.config.source import Source, read_source
    from vaecli.config.toys import Polynomial, toy_of
    from vaecli.launch.asked import model_key, sweep_settings

    known = [name for name, method in METHODS.items() if method.estimator and not method.enumerates]
    sources: dict[str, Source] = {}
    for name in names or known:
        if name.endswith((".yaml", ".yml")):
            sources[name] = read_source(Path(name))
        elif name in known:
            sources[name] = Source(name, {"model": name, **PUBLISHED})
        elif name in METHODS:
            raise ConfigError([f"{name}: a toy needs an estimator that draws codes"])
        else:
            raise ConfigError([f"{name}: no such estimator{suggest(name, known)}"])
    choices = [sweep_settings(one) for one in sweeps]
    options = {name: _options(source) for name, source in sources.items()}

    def has_effect(setting: str, name: str) -> bool:
        has, option = options[name], model_key(setting)
        return has is None or option is None or option in has

    for setting in [*settings, *itertools.chain.from_iterable(choices)]:
        key = setting.partition("=")[0].strip()
        if key == "seed" and seeds is not None:
            raise ConfigError([f"{setting}: --seeds says which seeds; give one of the two"])
        if key in ("model", "model.name"):
            raise ConfigError([f"{setting}: estimators are named first, as in `vaecli toy zgr`"])
        without = [name for name in sources if not has_effect(setting, name)]
        if len(without) == len(sources):
            raise ConfigError([f"{setting}: has no effect with {', '.join(without)}"])
        if without:
            console.say(f"{setting}: no effect with {', '.join(without)}")
    for combination in itertools.product(*choices):
        for name, source in sources.items():
            fitting = [setting for setting in (*settings, *combination) if has_effect(setting, name)]
            found = toy_of(_sized(override(source, fitting)))
            if not isinstance(found, Polynomial):
                raise ConfigError([f"{name}: a toy of kind {found.kind} is not trained, as it has nothing to choose"])
            for seed in [found.seed] if seeds is None else seeds_of(seeds):
                yield found.model_copy(update={"seed": seed})


def _sized(source: "Source") -> "Source":
    """A toy whose model has as many codes as the published one, and as many classes as there are values, if unsaid."""
    tree = source.tree if isinstance(source.tree, dict) else {}
    model, codes = tree.get("model"), tree.get("codes")
    if isinstance(model, str):
        model = {"name": model}
    if isinstance(model, dict):
        sizes = {"num_classes": len(codes)} if isinstance(codes, list) and len(codes) > 1 else {}
        source = replace(source, tree={**tree, "model": {"num_latents": NUM_LATENTS, **sizes, **model}})
    return source


def _options(source: "Source") -> "tuple[str, ...] | None":
    """The keys of `model` that have an effect; None where the source does not say which method it is of."""
    model = source.tree.get("model") if isinstance(source.tree, dict) else None
    name = model.get("name") if isinstance(model, dict) else model
    return METHODS[name].options if isinstance(name, str) and name in METHODS else None


def _groups(asked: "Sequence[Polynomial]", folder: Path) -> "list[Group]":
    """The trained toys by what is asked of all estimators alike."""
    from vaecli.reports.toys.table import Row, group
    from vaecli.runs.toys import toy_run

    found: dict[str, dict[str, dict[int, Polynomial]]] = {}
    for one in asked:
        if _has_expected(toy_run(one, folder)):
            options = one.model.options()
            alike = one.model_copy(update={"seed": 0}).model_dump_json(exclude={"model"})
            key = f"{alike} {[options.get(name) for name in SIZES]}"
            own = one.model.model_dump_json()
            found.setdefault(key, {}).setdefault(own, {})[one.seed] = one
    groups = []
    for rows in found.values():
        names = _names([next(iter(of_seeds.values())) for of_seeds in rows.values()])
        made = []
        for name, of_seeds in zip(names, rows.values(), strict=True):
            runs = {seed: toy_run(one, folder) for seed, one in of_seeds.items()}
            losses = {seed: run.expected or [] for seed, run in runs.items()}
            made.append(Row(name, losses, {seed: run.name for seed, run in runs.items()}))
        groups.append(group(next(iter(next(iter(rows.values())).values())), made))
    return groups


def _has_expected(run: "ToyRun") -> bool:
    return run.finished and run.expected is not None


def _names(toys: "Sequence[Polynomial]") -> list[str]:
    """The estimators, with the options in which those of one name differ."""
    names = []
    for one in toys:
        same = [other.model.options() for other in toys if other.model.name == one.model.name]
        apart = [key for key, value in one.model.options().items() if any(other[key] != value for other in same)]
        names.append(", ".join([one.model.name, *(f"{key} {one.model.options()[key]}" for key in apart)]))
    return names


def _write(found: Toys, place: Path, console: Console) -> None:
    """Writes toys.json, toys.csv and loss.png."""
    from vaecli.errors import RunFailed
    from vaecli.reports.style import draw_each
    from vaecli.reports.toys.figures import draw
    from vaecli.reports.toys.table import kept
    from vaecli.runs.files import write, write_json, writing

    try:
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        write_json(place / "toys.json", {"records": kept(found.groups)})
        write(place / "toys.csv", found.csv)
    except RunFailed as error:  # the folder is read-only: the table is returned all the same
        console.say(f"{error}; --output names a folder for table and figure")
        return
    drawn = draw_each({"loss.png": lambda: draw(found.groups)}, place, lambda undrawn: console.say(undrawn.line))
    console.lines([f"picture  {path}" for path in drawn])


def train_toys(toys: "Sequence[Polynomial]", folder: Path, console: Console, stop: Stop) -> dict[str, str]:
    """Trains toys one after the other; returns the reason for each failure, by the toy's name."""
    from vaecli.runs.toys import toy_run

    failures = {}
    with prepared_for(None, console), chatter(Path(os.devnull)):
        import_keras()
        from vaecli.experiment.toys import train_toy

        for number, one in enumerate(toys, 1):
            where = toy_run(one, folder)
            trained = train_toy(one, stop)
            if trained is None:
                raise Interrupted("stopped; finished toys are kept, and the same command resumes")
            if not trained.finite:
                failures[where.name] = f"{one.model.name}: the loss is not a finite number"
                console.say(f"{number}/{len(toys)}  {failures[where.name]}")
                continue
            where.write(one, *trained)
            end = f"loss {trained.expected[-1]:.4g}, optimum {one.optimum:.4g}"
            console.say(f"{number}/{len(toys)}  {one.model.name}, exponent {one.exponent:g}: {end} -> {where.path}")
    return failures
