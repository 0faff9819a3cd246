"""Compares runs: one row per method and setting with intervals over seeds, and only like with like."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vaecli.config import Config
from vaecli.config.options import Schedule, described
from vaecli.config.shapes import latent_of
from vaecli.errors import ConfigError
from vaecli.metrics.intervals import Interval, interval, paired, resolved
from vaecli.metrics.metric import COLUMNS
from vaecli.registry import suggest
from vaecli.reports.columns import flat, numbers, plain
from vaecli.reports.health import Finding, findings
from vaecli.runs import Run, but_for_the_seed
from vaecli.runs.absent import Absent
from vaecli.runs.added import added, evaluation_of
from vaecli.runs.identity import settings
from vaecli.runs.provenance import data_name, made_with
from vaecli.runs.references import references_of, references_problem
from vaecli.runs.schema import PriorKind

Settings = dict[str, dict[int, list[Run]]]  # the runs of each setting, by seed
SQUARED, ELBO = (
    "mse sampled",
    "-elbo",
)  # the columns that methods are judged by: an error, or nats if the likelihood has them
BOUND, SAMPLES, LENGTH = "bound", "bound samples", "code length"
METHOD = "method"  # to sort by


@dataclass(frozen=True)
class Row:
    """One method at one setting: its runs in the order of their seeds, and the value of each measure by seed."""

    name: str
    runs: Sequence[Run]
    values: Mapping[str, Mapping[int, float]]
    absent: Mapping[int, str] = field(default_factory=dict)  # reasons by seed
    priors: tuple[str, ...] = ()  # the kinds of those that its code lengths are under

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """The intervals by measure, without measures that no run has a value for."""
        found = {name: [of_seeds[seed] for seed in sorted(of_seeds)] for name, of_seeds in self.values.items()}
        return {name: interval(values) for name, values in found.items() if values}

    def interval(self, measure: str) -> Interval | None:
        return self.intervals.get(measure)

    @cached_property
    def health(self) -> list[str]:
        """What went wrong in its runs: of each kind the sentence of the first seed that has it, and which others do."""
        found: dict[str, list[tuple[int, Finding]]] = {}
        for run in self.runs:
            for finding in findings(run):
                found.setdefault(finding.kind, []).append((seed_of(run), finding))
        sentences = []
        for (first, finding), *others in found.values():
            alike = f", and alike seed {numbers([seed for seed, _ in others])}" if others else ""
            sentences.append(f"{finding}{f' (Seed {first}{alike}.)' if len(self.runs) > 1 else ''}")
        return sentences

    @property
    def notes(self) -> list[str]:
        """The same as notes below a table."""
        return [f"{self.name}: {sentence.removesuffix('.')}" for sentence in self.health]

    @property
    def seeds(self) -> list[int]:
        return [seed_of(run) for run in self.runs]


@dataclass(frozen=True)
class Group:
    """Rows that are comparable, in the requested order."""

    protocol: Mapping[str, Any]  # what all their runs share
    rows: Sequence[Row]
    remarks: Sequence[str] = ()  # what its readers should know of the comparison

    @property
    def notes(self) -> list[str]:
        """All that its readers should know: of the comparison, then of each row."""
        return [*self.remarks, *(note for row in self.rows for note in row.notes)]

    @cached_property
    def judged(self) -> str:
        """The column that decides which row is best: -elbo if the likelihood is in nats, otherwise mse sampled."""
        return ELBO if any(row.values[ELBO] for row in self.rows) else SQUARED

    @cached_property
    def best(self) -> Row:
        """The row of the lowest mean in the column that decides, to which differences are taken, resolved or not."""
        return min(self.rows, key=lambda row: _rank(row, self.judged))

    def behind_best(self, row: Row) -> Interval | None:
        """The paired difference to the best row; None for the best row itself, or without a common seed."""
        best = self.best
        return None if row is best else paired(row.values[self.judged], best.values[self.judged])


def compared(
    runs: Sequence[Run],
    sort_by: str | None = None,
    absent: Sequence[Absent] = (),
    code_prior: PriorKind | None = None,
) -> list[Group]:
    """Groups finished runs by protocol, then by everything but the seed; duplicates of a run count once.

    Args:
        sort_by: "method" or a column of vaecli.metrics.metric: the best first, rows without a value last. None: each
            group by the column that decides it.
        absent: requested runs without figures; a row names the seeds missing from its means, with reasons.
        code_prior: the kind of prior that code lengths are under; None: of each run the one that gives the shortest.
    """
    by_protocol: dict[str, tuple[dict[str, Any], Settings]] = {}
    for run in runs:
        protocol = protocol_of(run.config, run.info["data"])
        key, place = _place(run.config, run.info["data"])
        _, found = by_protocol.setdefault(key, (protocol, {}))
        found.setdefault(place, {}).setdefault(seed_of(run), []).append(run)
    _rank_points(by_protocol)
    missing: dict[tuple[str, str], dict[int, str]] = {}
    for one in absent:
        missing.setdefault(_place(one.config, one.data), {})[one.config.training.seed] = one.reason
    groups = []
    for key, (protocol, found) in by_protocol.items():
        first = next(iter(next(iter(found.values())).values()))[0]
        notes = [problem] if (problem := references_problem(first)) else []
        of_rows = [[_chosen(alike, notes) for alike in of_seeds.values()] for of_seeds in found.values()]
        names = _labels([of_row[0].config for of_row in of_rows])
        rows = [
            _row(
                *(name, of_row, code_prior),
                {seed: why for seed, why in missing.get((key, place), {}).items() if seed not in seeds},
            )
            for name, of_row, (place, seeds) in zip(names, of_rows, found.items(), strict=True)
        ]
        by = sort_by or Group(protocol, rows).judged
        rows.sort(key=lambda row: _rank(row, by))
        groups.append(Group(protocol, rows, [*notes, *_notes(rows)]))
    return groups


def _rank_points(by_protocol: dict[str, tuple[dict[str, Any], Settings]]) -> None:
    """Moves methods whose posterior is a point into the groups that differ in beta alone, where the order is by -ELBO.

    A weight of a constant rate changes nothing that they learn, and their -ELBO is as comparable as all others.
    """
    for key, (protocol, found) in list(by_protocol.items()):
        points = {place: of_seeds for place, of_seeds in found.items() if _is_point(next(iter(of_seeds.values()))[0])}
        others = [
            rows
            for other, (theirs, rows) in by_protocol.items()
            if other != key and {**theirs, "beta": 0} == {**protocol, "beta": 0}
        ]
        if points and others and len(points) == len(found):
            for rows in others:
                rows.update(points)
            del by_protocol[key]


def _is_point(run: Run) -> bool:
    config = run.config
    return config.model.method.constant_rate and config.objective.in_nats


def unseen(groups: Sequence[Group], absent: Sequence[Absent]) -> dict[str, str]:
    """The absent seeds of settings without any row, with their reasons, by the method's name."""
    there = {_place(row.runs[0].config, row.runs[0].info["data"]) for group in groups for row in group.rows}
    found: dict[str, list[str]] = {}
    for one in absent:
        if _place(one.config, one.data) not in there:
            found.setdefault(one.config.model.name, []).append(f"seed {one.config.training.seed} {one.reason}")
    return {name: "; ".join(reasons) for name, reasons in found.items()}


def _place(config: Config, data: Mapping[str, Any]) -> tuple[str, str]:
    """The group and the row of a run."""
    return repr({**protocol_of(config, data), "data": data_key(data)}), repr(distinguishing(config))


def _chosen(alike: Sequence[Run], notes: list[str]) -> Run:
    """Chooses one of several runs of the same settings, data and seed in any order: one still under its own name."""
    if len(alike) == 1:
        return alike[0]

    def order(run: Run) -> tuple[bool, str, str]:
        return _first_name(run) != run.name, run.info["started"], str(run.path)

    first, *others = sorted(alike, key=order)
    bits = first.summary["files"].get("weights/last.npz")
    for run in others:
        what = "has the same weights" if run.summary["files"].get("weights/last.npz") == bits else "has other weights"
        notes.append(f"{run.path} has the same setting and seed as {first.path} and {what}: it is not counted")
    return first


def _first_name(run: Run) -> str | None:
    """The name of the run's folder when it began; without a record of it, its current name if it looks like one."""
    made_up = f"{re.escape(run.config.model.name)}-(.*-)?[0-9a-f]{{8}}-s{seed_of(run)}"
    return run.info.get("run") or (run.name if re.fullmatch(made_up, run.name) else None)


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Notes on differences within the means of a row, or between rows."""
    if len({tuple(row.seeds) for row in rows}) > 1:
        yield "the means of these rows are over different seeds; differences are paired over the seeds that both have"
    points = [row.name for row in rows if row.values[ELBO] and row.runs[0].config.model.method.constant_rate]
    if points:
        yield f"the posterior of {', '.join(points)} is a point: its rate is its whole capacity, and -elbo counts that"
    samples: set[int] = set()
    for row in rows:
        of_seeds = {found["bound_samples"] for run in row.runs if "bound_samples" in (found := evaluation_of(run))}
        samples |= of_seeds
        if len(of_seeds) > 1:
            yield f"{row.name}: its bounds are of {_counts(of_seeds)} samples, so there is no mean of them"
    if len(samples) > 1:
        yield f"bounds of {_counts(samples)} samples are not on one scale: more samples lower them"
    kinds = dict.fromkeys(kind for row in rows for kind in row.priors)
    for row in rows:
        if len(row.priors) > 1:
            yield f"{row.name}: its code lengths are under {' and '.join(row.priors)} priors, so they have no mean"
    if len(kinds) > 1:
        yield f"code lengths under {' and '.join(kinds)} priors are not on one scale; --code-prior chooses one"
    of_rows = []
    for row in rows:
        made = [made_with(run.info) for run in row.runs]
        unlike = _unlike(made)
        if len({but_for_the_seed(name) for run in row.runs if (name := _first_name(run))}) > 1:
            unlike.append("versions of vaecli whose numbers differ")
        if unlike:
            yield f"{row.name}: its seeds were made with {'; '.join(unlike)}"
        of_rows += made[:1]
    if between := _unlike(of_rows):
        yield f"the rows were made with {'; '.join(between)}"


def _counts(numbers: set[int]) -> str:
    return ", ".join(f"{number:,}" for number in sorted(numbers))


def _unlike(made: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys with several values, e.g. "keras 3.14, 3.15"."""
    values = {key: sorted({one[key] for one in made}) for key in made[0]}
    return [f"{key} {', '.join(found)}" for key, found in values.items() if len(found) > 1]


def sort_key(text: str) -> str:
    """The column meant by "mse-mode", "elbo" or "log p(x)"; raises ConfigError if there is none."""
    return column_of("sort-by", text, (METHOD, *COLUMNS))


def column_of(option: str, text: str, known: Iterable[str]) -> str:
    """The column whose words an option has; raises ConfigError if there is none."""
    names = {_words(column): column for column in known}
    if _words(text) not in names:
        raise ConfigError([f"--{option} {text}: no such column{suggest(_words(text), names)}"])
    return names[_words(text)]


def _words(text: str) -> str:
    return " ".join(re.findall("[a-z]+", text.lower()))


def protocol_of(config: Config, data: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol that must be equal for two errors to be comparable; `data` as in run.json."""
    beta, codes = config.objective.beta, config.evaluation.codes
    return {
        "data": data_name(data) + (f" (fallback for {data['fallback_for']})" if data["fallback_for"] else ""),
        "digest": data["digest"][:12],
        "split": f"{data['train']:,} + {data['validation']:,} + {data['test']:,}",
        "trained on": "test images too" if config.data.train_on == "all" else None,
        "latent": str(latent_of(config, data["image_shape"])),
        "likelihood": str(config.objective),
        "beta": f"{beta.schedule} {beta:g}" if isinstance(beta, Schedule) else beta,
        "codes": codes if config.objective.in_nats and codes != "sample" else None,  # else distortion + rate is a bound
        "epochs": config.training.epochs,
        "steps": config.training.steps,
        "precision": None if config.training.precision == "float32" else config.training.precision,
    }


def data_key(data: Mapping[str, Any]) -> tuple[str, str | None]:
    """What identifies data beside their digest; a title does not."""
    return data["name"], data["fallback_for"]


def titles(groups: Sequence[Group]) -> list[str]:
    """The titles of the groups: what each has in common, beginning with what distinguishes several groups."""
    apart, shared = headings(groups)
    return [", ".join(filter(None, (own, shared))) for own in apart]


def headings(groups: Sequence[Group]) -> tuple[list[str], str]:
    """What distinguishes each group from the others, and what all of them share."""
    keys = list(groups[0].protocol) if groups else []
    apart = [key for key in keys if len({group.protocol[key] for group in groups}) > 1]
    shared = [key for key in keys if key not in apart and key != "digest"]

    def told(group: Group, keys: Sequence[str]) -> str:
        return ", ".join(f"{key} {group.protocol[key]}" for key in keys if group.protocol[key] is not None)

    return [told(group, apart) for group in groups], told(groups[0], shared) if groups else ""


def records(groups: Sequence[Group], failures: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """One flat record per row: protocol, means, half widths, numbers of runs, difference to the best.

    The record of a failed run holds only its name and the reason.
    """
    found = []
    for group in groups:
        for row in group.rows:
            record: dict[str, Any] = {"method": row.name, **{f"protocol.{k}": v for k, v in group.protocol.items()}}
            for column, metric in COLUMNS.items():
                of_seeds = row.interval(column)
                record[metric.key] = of_seeds.mean if of_seeds else None
                record[f"{metric.key}.half_width"] = of_seeds.half_width if of_seeds else None
            behind = group.behind_best(row)
            record["runs"] = len(row.values[group.judged])
            record["seeds"] = " ".join(map(str, row.seeds))
            record["absent"] = "; ".join(f"seed {seed}: {why}" for seed, why in sorted(row.absent.items())) or None
            record["behind_best"] = behind.mean if behind else None
            record["behind_best.half_width"] = behind.half_width if behind else None
            record["behind_best.resolved"] = resolved(behind)
            record["health"] = " ".join(row.health) or None
            record["failed"] = None
            found.append(record)
    return found + [{"method": name, "failed": reason} for name, reason in (failures or {}).items()]


def csv_text(groups: Sequence[Group], failures: Mapping[str, str] | None = None) -> str:
    """The records as CSV, with empty cells for missing values."""
    text = io.StringIO()
    rows = records(groups, failures)
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(name: str, runs: Sequence[Run], code_prior: PriorKind | None, absent: Mapping[int, str]) -> Row:
    runs = sorted(runs, key=seed_of)
    values: dict[str, dict[int, float]] = {column: {} for column in COLUMNS}
    kinds: dict[str, None] = {}
    for run in runs:
        references = references_of(run)
        learned = references.learned(run.latent, run.summary["test"]["mse"]["sampled"]) if references else None
        later = added(run, code_prior)
        kinds |= dict.fromkeys([later["prior"]["kind"]] if later["prior"] else [])
        summary = {**run.summary, "learned": learned, **later}
        for column, metric in COLUMNS.items():
            value = metric.value(summary)
            if value is not None:
                values[column][seed_of(run)] = value
    if len({(run.info["host"], run.info["cpu"], made_with(run.info)["threads"]) for run in runs}) > 1:
        values["seconds"] = {}  # on different machines their mean is meaningless
    if len(set(values[SAMPLES].values())) > 1:
        values[BOUND], values[SAMPLES] = {}, {}  # bounds of other numbers of samples have no mean
    if len(kinds) > 1:
        values[LENGTH] = {}  # nor have code lengths under other kinds of priors
    return Row(name, runs, values, absent, tuple(kinds))


def seed_of(run: Run) -> int:
    return run.config.training.seed


def distinguishing(config: Config) -> dict[str, Any]:
    """What distinguishes rows: all of the config that decides a result, except the seed and the data."""
    found = flat(settings(config, but=("seed",)))
    for (block, key), schedule in config.schedules.items():
        path = f"{block}.{key}"
        found = {name: value for name, value in found.items() if not name.startswith(f"{path}.")}
        found[path] = f"{schedule.schedule} {schedule}"
    return found


def _labels(configs: Sequence[Config]) -> list[str]:
    """The name of a row: the method, and what else distinguishes it: "gumbel, temperature 0.5".

    A choice of the method (a word) or a remedy (0 is without) is not named where it is the default: of two rows that
    differ in it, the one is "vqvae" and the other "vqvae, restart 1".
    """
    every = [distinguishing(config) for config in configs]
    values: dict[tuple[str, str], set[str]] = {}
    rows: dict[tuple[str, str], int] = {}
    for mine in every:
        for key, value in mine.items():
            values.setdefault(_scope(key, mine), set()).add(repr(value))
            rows[_scope(key, mine)] = rows.get(_scope(key, mine), 0) + 1
    of_model = Counter(mine["model.name"] for mine in every)
    labels = []
    for config, mine in zip(configs, every, strict=True):
        defaults = {f"model.{key}": option.default for key, option in described(config.model.method).items()}
        unsaid = {key: value for key, value in defaults.items() if value == 0 or isinstance(value, str)}
        named = []
        for key, value in mine.items():
            scope = _scope(key, mine)
            others = of_model[scope[0]] if scope[0] else len(every)
            if key in ("model.name", "objective.beta") or unsaid.get(key, ...) == value:
                continue
            if len(values[scope]) > 1 or rows[scope] < others:
                named.append(f"{key.rpartition('.')[2]} {plain(value)}")
        labels.append(", ".join([mine["model.name"], *named]))
    return labels


def _scope(key: str, mine: Mapping[str, Any]) -> tuple[str, str]:
    """Whether a key distinguishes rows: a key of the model those of the same method, any other key all rows."""
    return (mine["model.name"] if key.startswith("model.") else "", key)


def _rank(row: Row, sort_by: str) -> tuple[bool, float, str]:
    found = None if sort_by == METHOD else row.interval(sort_by)
    if found is None:
        return True, 0.0, row.name
    return False, -found.mean if COLUMNS[sort_by].better == "high" else found.mean, row.name
