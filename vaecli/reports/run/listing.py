"""Runs as text: a list with one line each, one run in full, or the differences of two runs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vaecli.backend.process import last_words
from vaecli.errors import RunError
from vaecli.metrics.metric import METRICS
from vaecli.reports.columns import flat
from vaecli.reports.run.summary import epoch_line, health_lines, summary_lines
from vaecli.runs import Run
from vaecli.runs.added import added, prior_of, problems
from vaecli.runs.provenance import data_name

LISTED = [metric for metric in METRICS if metric.listed]
COLUMNS = ("run", "status", "data", "model", "seed", "epochs", *(metric.column or "" for metric in LISTED))


def table(entries: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The rows of `vaecli list`, the header first, without the code lengths where no run has a prior."""
    rows = [COLUMNS, *map(cells, entries)]
    place = COLUMNS.index("code length")
    if not any(row[place] for row in rows[1:]):
        rows = [[*row[:place], *row[place + 1 :]] for row in rows]
    return rows


def entry(run: Run) -> dict[str, Any]:
    """The entry of a run in `vaecli list --json`; if it cannot be read, only the reason.

    Reads run.json and summary.json, or the length of metrics.csv: ten thousand runs are listed in seconds.
    """
    try:
        info, status = run.info, run.status
        config, data = info["config"], info["data"]
        return {
            "run": run.name,
            "status": status,
            "data": data["name"],
            "title": data_name(data),
            "fallback_for": data["fallback_for"],
            "model": config["model"]["name"],
            "seed": config["training"]["seed"],
            **_done(run, config["training"], finished=status == "finished"),
            "started": info["started"],
            "test": run.summary["test"] if status == "finished" else None,
            "prior": prior_of(run) if status == "finished" else None,
        }
    except RunError as error:
        return {"run": run.name, "status": "unreadable", "reason": str(error)}


def _done(run: Run, training: Mapping[str, Any], *, finished: bool) -> dict[str, Any]:
    """How far a run is, in epochs or in steps; the other is None."""
    lengths = {"epochs": training["epochs"], "steps": training.get("steps")}
    done = {"epochs": partial(run.done, "epoch"), "steps": partial(run.done, "step")}
    return {
        unit: length and {"done": length if finished else int(done[unit]()), "of": length}
        for unit, length in lengths.items()
    }


def cells(entry: Mapping[str, Any]) -> list[str]:
    """The row of an entry under COLUMNS."""
    if entry["status"] == "unreadable":
        return [entry["run"], "unreadable", *[""] * (len(COLUMNS) - 2)]
    found = {"test": entry["test"], "prior": entry["prior"]}  # both None for an unfinished run
    figures = [metric.value(found) for metric in LISTED]
    length, unit = (entry["epochs"], "") if entry["epochs"] else (entry["steps"], " steps")
    done = f"{length['of']}{unit}" if length["done"] == length["of"] else f"{length['done']}/{length['of']}{unit}"
    texts = ["" if x is None else f"{x:.{m.decimals}f}" for x, m in zip(figures, LISTED, strict=True)]
    return [entry["run"], entry["status"], entry["title"], entry["model"], str(entry["seed"]), done, *texts]


def show_lines(run: Run) -> Iterator[str]:
    """One run in full: what it is, how far it got, and its results."""
    info = run.info
    yield f"{run.path} ({run.status}, started {info['started']})"
    if run.status == "finished":
        yield from summary_lines(run)
        yield from changed_lines(run)
    else:
        words = last_words(run.tensorflow_log) if run.status == "interrupted" else None
        if run.failure or words:
            yield f"  {run.failure or f'ended outside Python: {words}'}"
        if run.metrics:
            training = run.config.training
            last = training.last_row(training.batches(info["data"]["train"]))
            yield f"  {epoch_line(run.metrics[-1], last)}"
        yield from health_lines(run)
        yield f"  {run.way_on}"
    yield f"  command             {' '.join(info['argv'])}"
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
