"""Runs compared: methods in rows with intervals over seeds, and only like with like."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaecli.reports.intervals import Interval, interval, paired, resolved
from vaecli.reports.listing import aligned, flat
from vaecli.runs import Run
from vaecli.runs.references import references_of

# column -> (where its value stands in summary.json, digits after the point)
MEASURES: Mapping[str, tuple[str, int]] = {
    "mse sampled": ("test.mse.sampled", 4),
    "mse mode": ("test.mse.mode", 4),
    "mse relaxed": ("test.mse.relaxed", 4),
    "learned": ("learned", 2),
    "bits": ("test.bits", 2),
    "perplexity": ("test.perplexity", 2),
    "nmi": ("test.nmi", 2),
    "accuracy": ("test.accuracy", 2),
    "encoder gradient": ("gradient_norm.encoder", 5),
    "parameters": ("parameters", 0),
    "seconds": ("seconds", 1),
}
JUDGED = "mse sampled"


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
    """Rows that may stand on one scale, the best first by mean error on sampled codes."""

    protocol: Mapping[str, Any]  # what all their runs share
    rows: Sequence[Row]

    def behind_best(self, row: Row) -> Interval | None:
        """The paired difference to the first row; None for that row itself, or without a common seed."""
        best = self.rows[0]
        return None if row is best else paired(row.values[JUDGED], best.values[JUDGED])


def compared(runs: Sequence[Run]) -> list[Group]:
    """Finished runs by protocol, then by everything but the seed."""
    by_protocol: dict[str, tuple[dict[str, Any], dict[str, list[Run]]]] = {}
    for run in runs:
        protocol = protocol_of(run)
        _, settings = by_protocol.setdefault(repr(protocol), (protocol, {}))
        settings.setdefault(run.name.rpartition("-s")[0], []).append(run)
    groups = []
    for protocol, settings in by_protocol.values():
        rows = [_row(name, of_seeds) for name, of_seeds in _named(settings).items()]
        groups.append(Group(protocol, sorted(rows, key=lambda row: _mean(row))))
    return groups


def protocol_of(run: Run) -> dict[str, Any]:
    """What must be equal before two errors may be held against each other."""
    config, options = run.info["config"], run.info["config"]["model"]
    data = run.info["data"]
    if "latent_dim" in options:
        latent = f"Gaussian, {options['latent_dim']} dimensions"
    else:
        latent = f"{options['num_latents']} of {options.get('num_classes', options.get('num_codes'))} codes"
    return {
        "data": data["name"] + (f" (for want of {data['fallback_for']})" if data["fallback_for"] else ""),
        "digest": data["digest"][:12],
        "split": f"{data['train']:,} + {data['validation']:,} + {data['test']:,}",
        "latent": latent,
        "likelihood": config["objective"]["likelihood"],
        "beta": config["objective"]["beta"],
        "epochs": config["training"]["epochs"],
    }


def titles(groups: Sequence[Group]) -> list[str]:
    """What each group has in common; where there are several, what tells them apart stands first."""
    keys = list(groups[0].protocol) if groups else []
    apart = [key for key in keys if len({group.protocol[key] for group in groups}) > 1]
    shown = [*apart, *(key for key in keys if key not in apart and key != "digest")]
    return [", ".join(f"{key} {group.protocol[key]}" for key in shown) for group in groups]


def table_lines(groups: Sequence[Group]) -> Iterator[str]:
    """For people: a table for each group, and what the seeds do not resolve."""
    for title, group in zip(titles(groups), groups, strict=True):
        header, *rows = list(_cells(group))
        yield title
        yield from (f"  {line}" for line in aligned([header, *rows]))
        yield ""
    yield "± is the 95% interval over seeds; `behind` is the difference in mse sampled to the first row, paired by seed"


def markdown_lines(groups: Sequence[Group]) -> Iterator[str]:
    for title, group in zip(titles(groups), groups, strict=True):
        header, *rows = list(_cells(group))
        yield from (f"**{title}**", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}")
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def records(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One flat record per row: protocol, means, half widths, numbers of runs, difference to the best."""
    found = []
    for group in groups:
        for row in group.rows:
            record: dict[str, Any] = {"method": row.name, **{f"protocol.{k}": v for k, v in group.protocol.items()}}
            for measure, (path, _) in MEASURES.items():
                of_seeds = row.interval(measure)
                record[path] = of_seeds.mean if of_seeds else None
                record[f"{path}.half_width"] = of_seeds.half_width if of_seeds else None
            behind = group.behind_best(row)
            record["runs"] = len(row.values[JUDGED])
            record["behind_best"] = behind.mean if behind else None
            record["behind_best.half_width"] = behind.half_width if behind else None
            record["behind_best.resolved"] = resolved(behind)
            found.append(record)
    return found


def csv_text(groups: Sequence[Group]) -> str:
    text = io.StringIO()
    rows = records(groups)
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cells(group: Group) -> Iterator[list[str]]:
    yield ["method", "runs", "behind", *MEASURES]
    for row in group.rows:
        figures = []
        for measure, (_, digits) in MEASURES.items():
            found = row.interval(measure)
            text = "" if found is None else f"{found.mean:.{digits}f}"
            figures.append(text + (f" ± {found.half_width:.{digits}f}" if found and found.half_width else ""))
        yield [row.name, str(len(row.values[JUDGED])), _behind(group, row), *figures]


def _behind(group: Group, row: Row) -> str:
    if row is group.rows[0]:
        return "first"
    difference = group.behind_best(row)
    if difference is None:
        return "no common seed"
    if difference.half_width is None:
        return f"{difference.mean:+.4f}, one seed"
    return f"{difference.mean:+.4f} ± {difference.half_width:.4f}" + ("" if resolved(difference) else ", not resolved")


def _row(name: str, runs: Sequence[Run]) -> Row:
    runs = sorted(runs, key=seed_of)
    values: dict[str, dict[int, float]] = {measure: {} for measure in MEASURES}
    for run in runs:
        seed, summary = seed_of(run), flat(run.summary)
        references = references_of(run)
        summary["learned"] = references.learned(run.config, summary["test.mse.sampled"]) if references else None
        for measure, (path, _) in MEASURES.items():
            if summary.get(path) is not None:
                values[measure][seed] = summary[path]
    return Row(name, runs, values)


def seed_of(run: Run) -> int:
    return run.info["config"]["training"]["seed"]


def _named(settings: Mapping[str, list[Run]]) -> dict[str, list[Run]]:
    """Rows by method; by run name without the seed where a method stands there twice."""
    models = [runs[0].info["config"]["model"]["name"] for runs in settings.values()]
    return {
        model if models.count(model) == 1 else name: runs
        for (name, runs), model in zip(settings.items(), models, strict=True)
    }


def _mean(row: Row) -> float:
    found = row.interval(JUDGED)
    return found.mean if found else float("inf")
