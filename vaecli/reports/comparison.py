"""Runs compared: methods in rows with intervals over seeds, and only like with like."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vaecli.errors import ConfigError
from vaecli.registry import suggest
from vaecli.reports.intervals import Interval, interval, paired, resolved
from vaecli.reports.listing import flat, plain
from vaecli.runs import Run
from vaecli.runs.provenance import data_name
from vaecli.runs.references import references_of


class Measure(NamedTuple):
    """A column of the table."""

    path: str  # where its value stands in summary.json
    digits: int  # after the point
    more_is_better: bool = False


MEASURES: Mapping[str, Measure] = {
    "mse sampled": Measure("test.mse.sampled", 4),
    "mse mode": Measure("test.mse.mode", 4),
    "mse relaxed": Measure("test.mse.relaxed", 4),
    "learned": Measure("learned", 2, True),
    "bits": Measure("test.bits", 2),
    "perplexity": Measure("test.perplexity", 2, True),
    "nmi": Measure("test.nmi", 2, True),
    "accuracy": Measure("test.accuracy", 2, True),
    "encoder gradient": Measure("gradient_norm.encoder", 5, True),
    "parameters": Measure("parameters", 0),
    "seconds": Measure("seconds", 1),
}
JUDGED = "mse sampled"
METHOD = "method"  # to sort by


@dataclass(frozen=True)
class Row:
    """One method at one setting: its runs in the order of their seeds, and the value of each measure by seed."""

    name: str
    runs: Sequence[Run]
    values: Mapping[str, Mapping[int, float]]

    def interval(self, measure: str) -> Interval | None:
        found = self.values[measure]
        return interval([found[seed] for seed in sorted(found)]) if found else None


@dataclass(frozen=True)
class Group:
    """Rows that may stand on one scale, in the order that was asked for."""

    protocol: Mapping[str, Any]  # what all their runs share
    rows: Sequence[Row]

    @property
    def best(self) -> Row:
        """The lowest mean error on sampled codes: what the differences are to, resolved or not."""
        return min(self.rows, key=lambda row: _rank(row, JUDGED))

    def behind_best(self, row: Row) -> Interval | None:
        """The paired difference to the best; None for that row itself, or without a common seed."""
        best = self.best
        return None if row is best else paired(row.values[JUDGED], best.values[JUDGED])


def compared(runs: Sequence[Run], sort_by: str = JUDGED) -> list[Group]:
    """Finished runs by protocol, then by everything but the seed; a run that is there twice counts once.

    Args:
        sort_by: "method" or a name of MEASURES; the best first, rows without a value last.
    """
    by_protocol: dict[str, tuple[dict[str, Any], dict[str, dict[int, Run]]]] = {}
    for run in runs:
        protocol = protocol_of(run)
        key = repr({**protocol, "data": data_key(run)})
        _, settings = by_protocol.setdefault(key, (protocol, {}))
        settings.setdefault(repr(_settings(run)), {}).setdefault(seed_of(run), run)
    groups = []
    for protocol, settings in by_protocol.values():
        of_rows = [list(of_seeds.values()) for of_seeds in settings.values()]
        rows = [_row(name, of_row) for name, of_row in zip(_labels(of_rows), of_rows, strict=True)]
        groups.append(Group(protocol, sorted(rows, key=lambda row: _rank(row, sort_by))))
    return groups


def sort_key(text: str) -> str:
    """The column that a user means by "mse-mode" or "accuracy"; raises ConfigError if there is none."""
    name = text.strip().lower().replace("-", " ").replace("_", " ")
    if name not in (METHOD, *MEASURES):
        raise ConfigError([f"--sort-by {text}: no such column{suggest(name, (METHOD, *MEASURES))}"])
    return name


def protocol_of(run: Run) -> dict[str, Any]:
    """What must be equal before two errors may be held against each other."""
    config, options = run.info["config"], run.info["config"]["model"]
    data = run.info["data"]
    if "latent_dim" in options:
        latent = f"Gaussian, {options['latent_dim']} dimensions"
    else:
        latent = f"{options['num_latents']} of {options.get('num_classes', options.get('num_codes'))} codes"
    return {
        "data": data_name(data) + (f" (for want of {data['fallback_for']})" if data["fallback_for"] else ""),
        "digest": data["digest"][:12],
        "split": f"{data['train']:,} + {data['validation']:,} + {data['test']:,}",
        "latent": latent,
        "likelihood": config["objective"]["likelihood"],
        "beta": config["objective"]["beta"],
        "epochs": config["training"]["epochs"],
    }


def data_key(run: Run) -> tuple[str, str | None]:
    """What tells data apart beside their digest; a title does not."""
    data = run.info["data"]
    return data["name"], data["fallback_for"]


def titles(groups: Sequence[Group]) -> list[str]:
    """What each group has in common; where there are several, what tells them apart stands first."""
    keys = list(groups[0].protocol) if groups else []
    apart = [key for key in keys if len({group.protocol[key] for group in groups}) > 1]
    shown = [*apart, *(key for key in keys if key not in apart and key != "digest")]
    return [", ".join(f"{key} {group.protocol[key]}" for key in shown) for group in groups]


def records(groups: Sequence[Group], failures: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """One flat record per row: protocol, means, half widths, numbers of runs, difference to the best.

    A run that failed is a record of its name and the reason alone.
    """
    found = []
    for group in groups:
        for row in group.rows:
            record: dict[str, Any] = {"method": row.name, **{f"protocol.{k}": v for k, v in group.protocol.items()}}
            for measure, (path, _, _) in MEASURES.items():
                of_seeds = row.interval(measure)
                record[path] = of_seeds.mean if of_seeds else None
                record[f"{path}.half_width"] = of_seeds.half_width if of_seeds else None
            behind = group.behind_best(row)
            record["runs"] = len(row.values[JUDGED])
            record["behind_best"] = behind.mean if behind else None
            record["behind_best.half_width"] = behind.half_width if behind else None
            record["behind_best.resolved"] = resolved(behind)
            record["failed"] = None
            found.append(record)
    return found + [{"method": name, "failed": reason} for name, reason in (failures or {}).items()]


def csv_text(groups: Sequence[Group], failures: Mapping[str, str] | None = None) -> str:
    """The records as CSV, empty where there is no value."""
    text = io.StringIO()
    rows = records(groups, failures)
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(name: str, runs: Sequence[Run]) -> Row:
    runs = sorted(runs, key=seed_of)
    values: dict[str, dict[int, float]] = {measure: {} for measure in MEASURES}
    for run in runs:
        seed, summary = seed_of(run), flat(run.summary)
        references = references_of(run)
        summary["learned"] = references.learned(run.config, summary["test.mse.sampled"]) if references else None
        for measure, (path, _, _) in MEASURES.items():
            if summary.get(path) is not None:
                values[measure][seed] = summary[path]
    return Row(name, runs, values)


def seed_of(run: Run) -> int:
    return run.info["config"]["training"]["seed"]


def _settings(run: Run) -> dict[str, Any]:
    """What tells rows apart: the whole config but the seed, and the data by their digest."""
    settings = flat({block: keys for block, keys in run.info["config"].items() if block != "data"})
    del settings["training.seed"]
    return settings


def _labels(rows: Sequence[Sequence[Run]]) -> list[str]:
    """The method, and what else tells a row from the others: "gumbel, temperature 0.5"."""
    settings = [_settings(runs[0]) for runs in rows]
    labels = []
    for mine in settings:
        named = []
        for key, value in mine.items():
            of_model = key.startswith("model.")
            others = [one for one in settings if not of_model or one["model.name"] == mine["model.name"]]
            if key != "model.name" and any(one.get(key) != value for one in others):
                named.append(f"{key.rpartition('.')[2]} {plain(value)}")
        labels.append(", ".join([mine["model.name"], *named]))
    return labels


def _rank(row: Row, sort_by: str) -> tuple[bool, float, str]:
    found = None if sort_by == METHOD else row.interval(sort_by)
    if found is None:
        return True, 0.0, row.name
    return False, -found.mean if MEASURES[sort_by].more_is_better else found.mean, row.name
