"""Resolves a request (configs, runs, folders; seeds, settings, sweeps) to one plan per run."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vaecli.config import Config, is_config, read_config
from vaecli.config.schema import ModelConfig
from vaecli.data import Dataset, load
from vaecli.data.load import silent
from vaecli.data.source import source_of
from vaecli.errors import ConfigError, DataError, RunError, VaecliError, shut
from vaecli.experiment.plan import Plan, plan_run
from vaecli.experiment.prior import lacks, without_codes
from vaecli.launch.forecast import in_words, prior_seconds, seconds_left
from vaecli.registry import METHODS, suggest
from vaecli.runs import Run, all_runs
from vaecli.runs.absent import Absent, reason_of
from vaecli.runs.provenance import facts
from vaecli.runs.schema import PriorKind

SEED = "training.seed"
NAMED = 5  # runs on a line


class Asked(NamedTuple):
    """The contents of a comparison."""

    plans: list[Plan]  # of every run that a config describes, and of the named unfinished ones
    runs: list[Run]  # these, and the named finished ones
    data: "DataSets"
    notes: list[str]  # settings that have no effect for some methods
    problems: dict[str, str]  # of named runs that can neither be read nor resumed, by name


def ask(
    names: Sequence[str],
    *,
    settings: Sequence[str],
    sweeps: Sequence[str],
    seeds: Sequence[int] | None,
    output_dir: Path,
    data_dir: Path | None,
    fetching: Callable[[str, int, int], None] | None,
    training: bool,
) -> Asked:
    """Resolves the arguments of `compare`.

    Args:
        fetching: called with the progress of downloads; None: nothing is fetched.
        training: whether named unfinished runs are to be resumed.

    Raises:
        ConfigError: a mistake in a config, a setting or a sweep, or one of these when only runs are named.
        RunError: an unknown name, or none of the named runs can be read or resumed.
        DataError: a data set is not available.
    """
    config_names, named = sort_out(names, output_dir)
    if not config_names and (settings or sweeps or seeds is not None):
        raise ConfigError(["--seeds, --set, --sweep and --epochs have no effect on runs: name configs"])
    configs = configs_of(config_names, settings, sweeps, seeds)
    data = DataSets(data_dir, fetching)
    plans = plans_of(configs, output_dir, data)
    problems: dict[str, str] = {}
    found = []
    for run in named:
        try:
            if training and not run.finished:
                plans.append(plan_of(run, data))
            _ = run.config
            found.append(run)
        except VaecliError as error:  # the others go on
            problems[run.name] = error.lines[0]
    if problems and not plans and not found:
        raise RunError(*problems.values())
    plans = list({plan.run.path.resolve(): plan for plan in plans}.values())
    runs = {run.path.resolve(): run for run in [*(plan.run for plan in plans), *found]}
    every = [*settings, *itertools.chain.from_iterable(map(sweep_settings, sweeps))]
    notes = list(without_effect(config_names, every))
    if named and (every or seeds is not None):
        what = " and ".join(["--seeds"] * (seeds is not None) + ["settings"] * bool(every))
        notes.append(f"{what}: no effect on the named runs ({', '.join(_shortened([run.name for run in named]))})")
    return Asked(plans, list(runs.values()), data, notes, problems)


def _shortened(names: Sequence[str]) -> list[str]:
    return [*names[:NAMED], *([f"and {len(names) - NAMED:,} more"] if len(names) > NAMED else [])]


def plan_lines(
    asked: Asked, speeds: Mapping[str, float], jobs: int, code_prior: PriorKind | None = None
) -> Iterator[str]:
    """One line per run (finished, half done or missing, with its prior and the time it will take), and a total."""
    fitting = {plan.run.name: prior_seconds(plan, code_prior) for plan in asked.plans}
    left = {plan.run.name: seconds_left(plan, speeds) + fitting[plan.run.name] for plan in asked.plans}
    planned = {plan.run.name: plan.config for plan in asked.plans}
    states = []
    for run in asked.runs:
        states.append("finished" if run.finished else "half done" if run.exists else "missing")
        notes = []
        if states[-1] == "half done":
            training = (planned.get(run.name) or run.config).training
            notes.append(f"{run.done(training.unit):,.0f} of {training.length}")
        notes += [f"{code_prior} prior"] if fitting.get(run.name) else []
        notes += [in_words(left[run.name])] if left.get(run.name) else []
        yield f"{states[-1]:<9}  {run.name}{'  ' * bool(notes)}{', '.join(notes)}"
    counts = [f"{states.count(state)} {state}" for state in ("finished", "half done", "missing") if state in states]
    rest = [seconds for seconds in left.values() if seconds]
    at_once = min(jobs, max(1, len(rest)))
    whole = max(sum(rest) / at_once, max(rest, default=0))
    time = f"; {in_words(whole)} with {at_once} job{'s' * (at_once > 1)}" if rest else ""
    yield f"{len(states)} run{'s' * (len(states) != 1)}: {', '.join(counts)}{time}"


def without_prior(asked: Asked, kind: PriorKind) -> Iterator[str]:
    """What a comparison says of runs that get no prior over their codes, or are not asked for one."""
    reasons: dict[str, str] = {}
    for plan in asked.plans:
        if reason := without_codes(plan.config, plan.dataset.image_shape):
            reasons.setdefault(reason, plan.config.model.name)
    for reason, name in reasons.items():
        yield f"--code-prior {kind}: no effect with {name}: {reason}"
    planned = {plan.run.path.resolve() for plan in asked.plans}
    named = [run for run in asked.runs if run.finished and run.path.resolve() not in planned]
    lacking = [run.name for run in named if run.latent.discrete and lacks(run, kind)]
    if lacking:
        yield f"no {kind} prior: {', '.join(_shortened(lacking))}; `vaecli prior RUN --kind {kind}` fits it"


def sort_out(names: Iterable[str], output_dir: Path) -> tuple[list[str], list[Run]]:
    """Resolves each name as a run, a folder of runs, a config, or the beginning of run names: the first that fits.

    Returns:
        The names of configs, and the runs.
    Raises:
        RunError: a name is none of these.
    """
    configs: list[str] = []
    runs: list[Run] = []
    here = sorted(all_runs(output_dir), key=lambda run: run.name)
    for name in names:
        if not name.strip() or "\0" in name:
            raise RunError(f"{name!r}: no name of a config, run or folder")
        path = Path(os.path.expanduser(name))
        if reason := shut(path):
            raise RunError(f"{name}: {reason}")
        exact = [run for run in here if run.name == name]
        if path.is_dir() and not exact:
            exact = [Run(path)] if Run(path).exists else sorted(all_runs(path), key=lambda run: run.name)
        begun = [run for run in here if run.name.startswith(name)]
        if exact:
            runs.extend(exact)
        elif is_config(name):
            configs.append(name)
        elif begun:
            runs.extend(begun)
        elif path.is_dir():
            raise RunError(f"{name}: neither a run nor a folder of runs (no run.json in it or one below)")
        else:
            known = [*METHODS, *(run.name for run in here)]
            raise RunError(f"{name}: no such config, run or folder{suggest(name, known)}")
    return configs, runs


def configs_of(
    names: Sequence[str], settings: Sequence[str], sweeps: Sequence[str], seeds: Sequence[int] | None
) -> list[Config]:
    """All configs with the settings, at every combination of the sweeps and every seed.

    A key of `model` is applied to the methods that have it, a weight of the rate to those whose rate is not constant,
    a prior to those that can learn one.

    Args:
        seeds: None: each config's own.

    Raises:
        ConfigError: all mistakes of a config; a setting without effect for all of the methods; a seed given twice.
    """
    asked = {name: read_config(name) for name in names}
    methods = {name: config.model for name, config in asked.items()}
    choices = [sweep_settings(sweep) for sweep in sweeps]
    for setting in [*settings, *itertools.chain.from_iterable(choices)]:
        key = setting.partition("=")[0].strip()
        if key == SEED and seeds is not None:
            raise ConfigError([f"{setting}: --seeds says which seeds; give one of the two"])
        if names and not any(_has_effect(setting, model) for model in methods.values()):
            raise ConfigError([f"{setting}: has no effect with {', '.join(names)}"])
    found = []
    for (name, model), combination in itertools.product(methods.items(), itertools.product(*choices)):
        fitting = [setting for setting in (*settings, *combination) if _has_effect(setting, model)]
        own = read_config(name, fitting)
        for seed in [own.training.seed] if seeds is None else seeds:
            found.append(read_config(name, [*fitting, f"{SEED}={seed}"]))
    return found


def without_effect(names: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    """One line for each setting that has no effect for some of the methods."""
    methods = {name: read_config(name).model for name in names}
    for setting in settings:
        left_out = [name for name, model in methods.items() if not _has_effect(setting, model)]
        if left_out:
            yield f"{setting}: no effect with {', '.join(left_out)}"


def _has_effect(setting: str, model: ModelConfig) -> bool:
    """Whether a setting has an effect for this method: one of its options, or a key that it leaves open."""
    key, of_model = setting.partition("=")[0].strip(), model_key(setting)
    if key.startswith("objective.beta"):
        return not model.method.constant_rate
    if key == "objective.prior":
        return model.method.bottleneck.learns_prior
    return of_model is None or of_model in model.method.options


def sweep_settings(sweep: str) -> list[str]:
    """Splits "key=v1,v2" into ["key=v1", "key=v2"], but not at commas inside brackets or quotes. Raises ConfigError."""
    key, equals, text = sweep.partition("=")
    values, depth, quote = [""], 0, ""
    for letter in text:
        if letter in "\"'" and quote in ("", letter) and (quote or depth or not values[-1].strip()):
            quote = "" if quote else letter
        depth += 0 if quote else (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            values.append("")
        else:
            values[-1] += letter
    if not equals or not key.strip() or not all(value.strip() for value in values):
        raise ConfigError([f"--sweep {sweep}: write it as key.path=value,value, e.g. model.temperature=0.5,1.0"])
    return [f"{key}={value.strip()}" for value in values]


def model_key(setting: str) -> str | None:
    """The key of a setting if only some methods have it; None for all others."""
    block, key = [*setting.partition("=")[0].strip().split("."), ""][:2]
    every = {option for method in METHODS.values() for option in method.options}
    return key if block == "model" and key in every else None


class DataSets:
    """Every data set of a comparison: found, fetched (unless `fetching` is None) and checked once."""

    def __init__(self, data_dir: Path | None, fetching: Callable[[str, int, int], None] | None) -> None:
        self.data_dir = data_dir
        self.fetching = fetching
        self._loaded: dict[str, Dataset] = {}

    def of(self, config: Config) -> Dataset:
        """Returns the data set; raises DataError if it is not available."""
        key, name, source = config.data.model_dump_json(), config.data.name, source_of(config.data)
        if self.fetching is None and source.fetchable and not source.here(self.data_dir):
            raise DataError(f"{name} is not here, so its runs have no names yet; `vaecli data fetch {name}`")
        if key not in self._loaded:
            self._loaded[key] = load(config.data, self.data_dir, self.fetching or silent)
        return self._loaded[key]

    def folder(self, config: Config) -> Path | None:
        """The folder in which a worker looks first for the same files; None for data that come with a package."""
        return source_of(config.data).folder(self.data_dir)


def plans_of(configs: Iterable[Config], output_dir: Path, data: DataSets) -> list[Plan]:
    """The run of each config; raises DataError if a data set is not available."""
    plans = {}
    for config in configs:
        plan = plan_run(config, data.of(config), output_dir)
        plans[plan.run.path.resolve()] = plan
    return list(plans.values())


def plan_of(run: Run, data: DataSets) -> Plan:
    """The plan that resumes an unfinished run in place.

    Raises:
        DataError: its data set is not available.
        RunError: it cannot be resumed: it is damaged, was renamed, or its data have changed.
    """
    dataset = data.of(run.config)
    plan = plan_run(run.config, dataset, run.path.parent)
    if plan.run.name != run.path.resolve().name:
        raise RunError(f"{run.path}: cannot be resumed: {_why_not(run, dataset, plan)}; see --no-train")
    return plan


def _why_not(run: Run, dataset: Dataset, plan: Plan) -> str:
    """Why an unfinished run is not the one that its config and the current data describe."""
    if dataset.digest != run.info["data"]["digest"]:
        return f"it was trained on other data than {dataset.source}"
    began = run.info.get("run", run.name)
    if began == plan.run.name:
        return f"the folder was renamed; its name was {began}"
    return "it was made by a version of vaecli whose numbers differ from this one's"


def absent_of(asked: Asked, failures: Mapping[str, str]) -> list[Absent]:
    """The requested runs without figures, with the reason in a word or two."""
    found = []
    described = {plan.run.path.resolve(): (plan.config, facts(plan.dataset)) for plan in asked.plans}
    for run in asked.runs:
        if run.finished and run.name not in failures:
            continue
        reason = reason_of(run) if run.name not in failures else "damaged" if run.finished else "failed"
        with contextlib.suppress(RunError):  # without a readable run.json nobody knows which row a run belongs to
            config, data = described.get(run.path.resolve()) or (run.config, run.info["data"])
            found.append(Absent(config, data, reason))
    return found
