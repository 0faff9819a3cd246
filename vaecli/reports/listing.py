"""Runs side by side in words: a line each, one of them whole, or two of them against each other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vaecli.backend import last_words
from vaecli.errors import RunError
from vaecli.reports.summary import epoch_line, summary_lines
from vaecli.runs import Run

COLUMNS = ("run", "status", "data", "model", "seed", "epochs", "mse sampled", "mse mode", "mse relaxed", "perplexity")


def entry(run: Run) -> dict[str, Any]:
    """What `vaecli list --json` says of a run; of one that cannot be read, only why.

    Reads run.json and not config.yaml: two hundred runs are listed in a fraction of a second.
    """
    try:
        info, status = run.info, run.status
        config, data = info["config"], info["data"]
        test = run.summary["test"] if status == "finished" else None
        _figures(test)  # one that is missing is told of this run, and the others are listed
        return {
            "run": run.name,
            "status": status,
            "data": data["name"],
            "fallback_for": data["fallback_for"],
            "model": config["model"]["name"],
            "seed": config["training"]["seed"],
            "epochs": {"done": run.epochs_done, "of": config["training"]["epochs"]},
            "started": info["started"],
            "test": test,
        }
    except (RunError, KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, RunError) else f"{run.run_json}: not understood ({error!r})"
        return {"run": run.name, "status": "unreadable", "reason": reason}


def cells(entry: Mapping[str, Any]) -> list[str]:
    """The row of an entry under COLUMNS."""
    if entry["status"] == "unreadable":
        return [entry["run"], "unreadable", *[""] * (len(COLUMNS) - 2)]
    epochs, figures = entry["epochs"], _figures(entry["test"])
    done = str(epochs["of"]) if epochs["done"] == epochs["of"] else f"{epochs['done']}/{epochs['of']}"
    texts = ["" if x is None else f"{x:.{digits}f}" for x, digits in zip(figures, (4, 4, 4, 2), strict=True)]
    return [entry["run"], entry["status"], entry["data"], entry["model"], str(entry["seed"]), done, *texts]


def _figures(test: Mapping[str, Any] | None) -> list[float | None]:
    """Under the last columns; of a run that is not finished, nothing."""
    if test is None:
        return [None] * 4
    return [*(test["mse"][name] for name in ("sampled", "mode", "relaxed")), test["perplexity"]]


def show_lines(run: Run) -> Iterator[str]:
    """One run: what it is, how far it came, what it reached."""
    info = run.info
    yield f"{run.path} ({run.status}, started {info['started']})"
    if run.status == "finished":
        yield from summary_lines(run)
    else:
        words = last_words(run.tensorflow_log) if run.status == "interrupted" else None
        if run.failure or words:
            yield f"  {run.failure or f'ended outside Python: {words}'}"
        if run.metrics:
            yield f"  {epoch_line(run.metrics[-1], run.config.training.epochs)}"
        yield "  the command that started it resumes it"
    yield f"  command             {' '.join(info['argv'])}"
    if info["extends"]:
        yield f"  extends             {info['extends']}"
    versions = ", ".join(f"{name} {number}" for name, number in info["versions"].items() if number)
    yield f"  made with           {versions}"
    yield f"  on                  {info['host']}, {info['cpu']}, {info['cpus']} cores"


def differences(one: Run, two: Run) -> dict[str, dict[str, list[Any]]]:
    """By section ("config", "environment", "figures"), by dotted key: the two values where they are not equal."""
    sections: dict[str, list[dict[str, Any]]] = {"config": [], "environment": [], "figures": []}
    for run in (one, two):
        info = dict(run.info)
        sections["config"].append(flat(info.pop("config")))
        for key in ("argv", "started", "extends", "history"):
            info.pop(key, None)
        sections["environment"].append(flat(info))
        summary = run.summary if run.finished else {}
        kept = ("test", "gradient_norm", "parameters", "seconds")
        sections["figures"].append(flat({key: summary[key] for key in kept if key in summary}))
    return {
        name: {key: [first.get(key), second.get(key)] for key in first | second if first.get(key) != second.get(key)}
        for name, (first, second) in sections.items()
    }


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def plain(value: Any) -> str:
    """For a cell: six significant digits, and nothing for None."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
