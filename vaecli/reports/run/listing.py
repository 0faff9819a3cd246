"""Runs as text: a list with one line each, one run in full, or the differences of two runs."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from vaecli.backend.process import last_words
from vaecli.config import config_of_run
from vaecli.errors import ConfigError, RunError
from vaecli.metrics.metric import METRICS
from vaecli.registry import suggest
from vaecli.reports.columns import aligned, flat, narrowed, plain
from vaecli.reports.run.epochs import EpochTable
from vaecli.reports.run.summary import health_lines, summary_lines
from vaecli.runs import Run
from vaecli.runs.added import added, prior_of, problems
from vaecli.runs.identity import settings, without_defaults
from vaecli.runs.provenance import data_name

LISTED = [metric for metric in METRICS if metric.listed]
FIGURES = tuple(metric.column or "" for metric in LISTED)
COLUMNS = ("run", "status", "data", "model", "seed", "epochs", *FIGURES, "started", "duration", "differs")
# Dropped where they do not fit, in this order: the first of them stand in the name of a run.
LEAST = ("data", "seed", "model", *reversed(FIGURES[1:]), "duration", "epochs", "started", "differs", "status")


def table(entries: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The rows of `vaecli list`, the header first, without columns that are empty for all runs."""
    rows = [COLUMNS, *map(cells, entries)]
    kept = [
        place for place, header in enumerate(COLUMNS) if header not in MAY_BE_EMPTY or any(r[place] for r in rows[1:])
    ]
    return [[row[place] for place in kept] for row in rows]


MAY_BE_EMPTY = ("code length", "differs")


def chosen(entries: Sequence[Mapping[str, Any]], words: Sequence[str]) -> list[Mapping[str, Any]]:
    """The entries that have all words: a part of a cell, or key=value of a column or of what differs."""
    return [entry for entry in entries if all(_has(entry, word) for word in words)]


def _has(entry: Mapping[str, Any], word: str) -> bool:
    row = dict(zip(COLUMNS, cells(entry), strict=True))
    key, equals, value = word.partition("=")
    if equals and key in row and key not in FIGURES:
        return row[key] == value
    differing = entry.get("differs", {})
    if equals:
        return any(plain(differing[name]) == value for name in differing if key in (name, name.rpartition(".")[2]))
    return any(word in row[header] for header in ("run", "status", "data", "model", "differs", "started"))


def ordered(entries: Sequence[Mapping[str, Any]], column: str) -> list[Mapping[str, Any]]:
    """The entries by a column: figures the best first, texts as in a dictionary; what has none comes last.

    Raises:
        ConfigError: there is no such column.
    """
    if column not in COLUMNS:
        raise ConfigError([f"--sort-by {column}: no such column{suggest(column, COLUMNS)}"])
    return sorted(entries, key=lambda entry: _rank(entry, column))


def _rank(entry: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    value: Any = cells(entry)[COLUMNS.index(column)]
    if column in FIGURES and value:
        better = LISTED[FIGURES.index(column)].better
        value = -float(value) if better == "high" else float(value)
    elif column == "duration":
        value = entry.get("seconds") or ""
    elif column in ("seed", "epochs") and value:
        value = int(entry["seed"]) if column == "seed" else (entry["epochs"] or entry["steps"])["of"]
    return (value == "", value)


def entry(run: Run) -> dict[str, Any]:
    """The entry of a run in `vaecli list --json`; if it cannot be read, only the reason.

    Reads run.json and summary.json, or the length of metrics.csv: ten thousand runs are listed in seconds.
    """
    try:
        info, status = run.info, run.status
        config, data = info["config"], info["data"]
        return {
            "kind": "run",
            "run": run.name,
            "status": status,
            "data": data["name"],
            "title": data_name(data),
            "fallback_for": data["fallback_for"],
            "model": config["model"]["name"],
            "seed": config["training"]["seed"],
            **_done(run, config["training"], finished=status == "finished"),
            "started": info["started"],
            "seconds": run.summary["seconds"] if status == "finished" else None,
            "differs": _differs(json.dumps(config | {"training": config["training"] | {"seed": 0}})),
            "test": run.summary["test"] if status == "finished" else None,
            "prior": prior_of(run) if status == "finished" else None,
        }
    except RunError as error:
        return {"kind": "run", "run": run.name, "status": "unreadable", "reason": str(error)}


def _done(run: Run, training: Mapping[str, Any], *, finished: bool) -> dict[str, Any]:
    """How far a run is, in epochs or in steps; the other is None."""
    lengths = {"epochs": training["epochs"], "steps": training.get("steps")}
    done = {"epochs": partial(run.done, "epoch"), "steps": partial(run.done, "step")}
    return {
        unit: length and {"done": length if finished else int(done[unit]()), "of": length}
        for unit, length in lengths.items()
    }


@lru_cache(maxsize=1024)  # runs that differ in their seed alone have one config
def _differs(config: str) -> dict[str, Any]:
    """The settings of a config that are not the defaults of its method, but for those that have columns.

    None are known of a method whose package is gone, whose runs are listed all the same.
    """
    try:
        found = config_of_run(json.loads(config), "run.json")
    except ConfigError:
        return {}
    changed = flat(without_defaults(found, settings(found, but=("seed", "epochs"))))
    for (block, key), schedule in found.schedules.items():
        changed = {name: value for name, value in changed.items() if not name.startswith(f"{block}.{key}.")}
        changed[f"{block}.{key}"] = schedule.schedule
    return {name: value for name, value in changed.items() if name not in ("model.name", "training.steps")}


def cells(entry: Mapping[str, Any]) -> list[str]:
    """The row of an entry under COLUMNS."""
    if entry["status"] == "unreadable":
        return [entry["run"], "unreadable", *[""] * (len(COLUMNS) - 2)]
    found = {"test": entry["test"], "prior": entry["prior"]}  # both None for an unfinished run
    figures = [metric.value(found) for metric in LISTED]
    length, unit = (entry["epochs"], "") if entry["epochs"] else (entry["steps"], " steps")
    done = f"{length['of']}{unit}" if length["done"] == length["of"] else f"{length['done']}/{length['of']}{unit}"
    texts = ["" if x is None else f"{x:.{m.decimals}f}" for x, m in zip(figures, LISTED, strict=True)]
    differs = ", ".join(f"{name.rpartition('.')[2]}={plain(value)}" for name, value in entry["differs"].items())
    about = [entry["run"], entry["status"], entry["title"], entry["model"], str(entry["seed"]), done]
    return [*about, *texts, moment(entry["started"]), duration(entry["seconds"]), differs]


def moment(started: str) -> str:
    """A moment of run.json to the minute, in UTC as there."""
    return started[:16].replace("T", " ")


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_lines(run: Run, width: int | None = None) -> Iterator[str]:
    """One run in full: what it is, how far it got, and its results; tables fit the width."""
    info = run.info
    yield f"{run.path} ({run.status}, started {info['started']})"
    if run.status == "finished":
        yield from summary_lines(run, width)
        yield from changed_lines(run)
    else:
        words = last_words(run.tensorflow_log) if run.status == "interrupted" else None
        if run.failure or words:
            yield f"  {run.failure or f'ended outside Python: {words}'}"
        if run.metrics:
            training = run.config.training
            last = training.last_row(training.batches(info["data"]["train"]))
            yield from (f"  {line}" for line in EpochTable(width and width - 2).lines(run.metrics[-1], last))
        yield from health_lines(run)
        yield f"  {run.way_on}"
    yield f"  command             {shlex.join(info['argv'])}"
    if info["extends"]:
        yield f"  extends             {info['extends']}"
    versions = ", ".join(f"{name} {number}" for name, number in info["versions"].items() if number)
    yield f"  made with           {versions}"
    yield f"  on                  {info['host']}, {info['cpu']}, {info['cpus']} cores"


def changed_lines(run: Run) -> Iterator[str]:
    """Files of a finished run that changed but are not needed for its figures."""
    examined = run.examine()
    for what, names in (("was changed after the run was finished", examined.changed), ("is missing", examined.missing)):
        yield from (f"  {run.path / name} {what}" for name in names if not run.is_added(name))
    yield from (f"  {problem}" for problem in problems(run))
    if run.before_seals:
        yield "  made before summary.json had its own digest: its figures are used unchecked"


def differences(one: Run, two: Run) -> dict[str, dict[str, list[Any]]]:
    """The differing values of two runs, by section ("config", "environment", "figures") and dotted key."""
    sections: dict[str, list[dict[str, Any]]] = {"config": [], "environment": [], "figures": []}
    for run in (one, two):
        sections["config"].append(flat(run.config.to_dict()))
        info: dict[str, Any] = {**run.info}
        not_compared = ("config", "argv", "started", "extends", "history", "format", "run", "changed", "latent")
        sections["environment"].append(flat({key: info[key] for key in info if key not in not_compared}))
        summary: dict[str, Any] = {**run.summary, **added(run)} if run.finished else {}
        kept = ("test", "evaluation", "prior", "quality", "gradient_norm", "parameters", "seconds")
        sections["figures"].append(flat({key: summary[key] for key in kept if key in summary}))
    return {
        name: {key: [first.get(key), second.get(key)] for key in first | second if first.get(key) != second.get(key)}
        for name, (first, second) in sections.items()
    }


def difference_lines(sections: Mapping[str, Mapping[str, Sequence[Any]]], width: int | None) -> Iterator[str]:
    """The lines of `vaecli diff`: each key with both values, and of figures how far the second is off."""
    for section, values in sections.items():
        yield ""
        if not values:
            yield f"{section}: no difference"
            continue
        figures = section == "figures"
        rows = [[section, "one", "two", *(["two - one", "change"] if figures else [])]]
        for key, (one, two) in values.items():
            rows.append([key, _cell(one), _cell(two), *(_off(one, two) if figures else [])])
        fitting, _ = narrowed(rows, width, ["change", "two - one"])
        yield from aligned(fitting, width)


DIGEST = re.compile(r"[0-9a-f]{40,64}")


def _cell(value: Any) -> str:
    """The text of a value; of a digest its beginning, which nobody reads further."""
    text = plain(value)
    return text[:12] if DIGEST.fullmatch(text) else text


def _off(one: Any, two: Any) -> list[str]:
    """The difference, and its share of the first; nothing of what is no number."""
    if not (isinstance(one, int | float) and isinstance(two, int | float)):
        return ["", ""]
    return [f"{two - one:+.4g}", f"{(two - one) / abs(one):+.0%}" if one else ""]
