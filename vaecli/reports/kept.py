"""Comparisons, audits, reproductions and toys of a folder: listed beside the runs, and shown again as they were."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.errors import RunError
from vaecli.metrics.metric import METRICS
from vaecli.reports.audit.table import table_lines as audit_lines
from vaecli.reports.columns import aligned, filled, folded_lines, narrowed, plain
from vaecli.reports.toys.table import kept_lines as toy_lines
from vaecli.runs.audits import PREFIX, Audit
from vaecli.runs.files import read
from vaecli.runs.sealed import MAX_BYTES

TOYS = "toys-"
RECORDS = {"compare-": "comparison.json", "reproduce-": "reproduction.json", PREFIX: "audit.json", TOYS: "toys.json"}
KINDS = {"compare-": "comparison", "reproduce-": "reproduction", PREFIX: "audit", TOYS: "toys"}


class Kept(NamedTuple):
    """What one of them is; `problem` is empty unless it cannot be read."""

    path: Path
    kind: str
    made: str  # to the minute, in UTC
    what: str
    records: Any  # the contents of its JSON
    problem: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    def to_json(self) -> dict[str, Any]:
        """All of it, for `vaecli show --json`."""
        rows = {"rows": [row.to_dict() for row in self.records["rows"]]} if self.kind == "audit" else {}
        return {"kind": self.kind, "name": self.name, "made": self.made, **self.records, **rows}

    def to_dict(self) -> dict[str, str]:
        """The entry of `vaecli list --json`."""
        return {"kind": self.kind, "name": self.name, "made": self.made, "what": self.what or self.problem}


def all_kept(output_dir: Path) -> list[Kept]:
    """All of a folder, the newest first."""
    places = [place for prefix, name in RECORDS.items() for place in output_dir.glob(f"{prefix}*/{name}")]
    return sorted(map(_read, places), key=lambda found: found.made, reverse=True)


def find_kept(name: str, output_dir: Path) -> Kept | None:
    """The one of this name, beginning of a name or path; None if there is none.

    Raises:
        RunError: there are several, or it cannot be read.
    """
    folder, _, last = name.rstrip("/").rpartition("/")
    if not last.startswith(tuple(prefix.rstrip("-") for prefix in RECORDS)):
        return None
    places = [found.path for found in all_kept(Path(folder) if folder else output_dir) if found.name.startswith(last)]
    exact = [place for place in places if place.name == last] or places
    if len(exact) > 1:
        raise RunError(f"{name}: means {len(exact)}: {', '.join(p.name for p in exact[:5])}; give more of the name")
    if not exact:
        return None
    prefix = next(prefix for prefix in RECORDS if exact[0].name.startswith(prefix))
    found = _read(exact[0] / RECORDS[prefix])
    if found.problem:
        raise RunError(found.problem)
    return found


def _read(path: Path) -> Kept:
    prefix = next(prefix for prefix in RECORDS if path.parent.name.startswith(prefix))
    made = f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M}"
    try:
        if prefix == PREFIX:
            audit = Audit(path.parent)
            records: Any = audit.read() | {"rows": audit.rows}
            what = f"{records['title']}{'' if records.get('finished') else ' (not finished)'}"
        else:
            records = json.loads(read(path, most=MAX_BYTES))
            what = WHAT[prefix](records["records"])
        return Kept(path.parent, KINDS[prefix], made, what, records)
    except RunError as error:
        return Kept(path.parent, KINDS[prefix], made, "", None, error.lines[0])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return Kept(path.parent, KINDS[prefix], made, "", None, _damaged(path, error))


def _damaged(path: Path, error: Exception) -> str:
    what = f"it has no {error}" if isinstance(error, KeyError) else error
    return f"{path}: damaged ({what}); the command that made it makes it again"


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(str(row["method"]) for row in rows))
    data = ", ".join(dict.fromkeys(str(row["protocol.data"]) for row in rows if not row["failed"]))
    return f"{len(names)} rows on {data}: {', '.join(names)}"


def _of_cells(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(str(row["verdict"]) for row in rows)
    sources = ", ".join(dict.fromkeys(str(row["source"]) for row in rows))
    return f"{', '.join(f'{count} {word}' for word, count in counts.items())} of {sources}"


def _of_toys(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(str(row["estimator"]) for row in rows))
    exponents = ", ".join(dict.fromkeys(f"{row['exponent']:g}" for row in rows))
    return f"{len(names)} estimators on toys of exponent {exponents}: {', '.join(names)}"


WHAT = {"compare-": _of_rows, "reproduce-": _of_cells, TOYS: _of_toys}


def kept_table(found: Sequence[Kept], width: int | None) -> Iterator[str]:
    """The lines of a list."""
    rows = [["name", "made", "what"], *([one.name, one.made, one.what or "unreadable"] for one in found)]
    fitting, _ = narrowed(rows, width, ["made"], folds="what")
    return aligned(fitting, width)


def kept_lines(found: Kept, width: int | None) -> list[str]:
    """One of them in full, as it was when it was made; raises RunError if its file lacks what it should have."""
    try:
        return [*_lines(found, width)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        prefix = next(prefix for prefix, kind in KINDS.items() if kind == found.kind)
        raise RunError(_damaged(found.path / RECORDS[prefix], error)) from None


def _lines(found: Kept, width: int | None) -> Iterator[str]:
    yield from filled(f"{found.path} ({found.kind}, made {found.made})", width)
    if found.kind == "audit":
        yield from filled(found.records["title"], width)
        yield from audit_lines(found.records["rows"], found.records["left_out"], width)
        pages = sorted(found.path.glob("*.png"))
    elif found.kind == "comparison":
        yield from _comparison(found.records["records"], width)
        pages = [found.path / "report.html"]
    elif found.kind == "toys":
        yield from toy_lines(found.records["records"], width)
        pages = [found.path / "loss.png"]
    else:
        yield from _reproduction(found.records["records"], width)
        pages = [found.path / "report.html"]
    for page in pages:
        yield from filled(f"  {page}", width)


def _comparison(rows: Sequence[Mapping[str, Any]], width: int | None) -> Iterator[str]:
    metrics = [metric for metric in METRICS if metric.column]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        about = {key.partition(".")[2]: value for key, value in row.items() if key.startswith("protocol.")}
        shown = [f"{key} {value}" for key, value in about.items() if value is not None and key != "digest"]
        groups.setdefault(", ".join(shown), []).append(row)
    for title, of_group in groups.items():
        if title:
            table = [["method", "seeds", "behind", *(metric.column or "" for metric in metrics)]]
            for row in of_group:
                figures = [_with_width(row, metric.key, metric.decimals) for metric in metrics]
                table.append([str(row["method"]), str(row["seeds"]), _with_width(row, "behind_best", 4), *figures])
            full = [column for column in zip(*table, strict=True) if any(column[1:])]
            yield from filled(title, width)
            for line in folded_lines([*zip(*full, strict=True)], width and width - 2):
                yield f"  {line}".rstrip()
        for row in of_group:
            yield from filled(f"  {row['method']}: failed: {row['failed']}", width) if row["failed"] else ()
        yield ""


def _with_width(row: Mapping[str, Any], key: str, decimals: int) -> str:
    value, half = row.get(key), row.get(f"{key}.half_width")
    if value is None:
        return ""
    return f"{value:z,.{decimals}f}" + (f" ± {half:.{decimals}f}" if half else "")


def _reproduction(rows: Sequence[Mapping[str, Any]], width: int | None) -> Iterator[str]:
    for source in dict.fromkeys(row["source"] for row in rows):
        of_source = [row for row in rows if row["source"] == source]
        first = of_source[0]
        yield from filled(f"{source}: {first['title']} ({first['year']}), {first['address']}", width)
        table = [["setting", "metric", "at", "published", "ours", "verdict"]]
        for row in of_source:
            at = f"{row['of']} {row['at']:,}" if row["of"] else ""
            verdict = f"{row['verdict']} ({row['why']})" if row["why"] else row["verdict"]
            table.append([row["setting"], row["metric"], at, plain(row["published"]), plain(row["ours"]), verdict])
        fitting, _ = narrowed(table, width and width - 2, ["at", "metric"], folds="verdict")
        yield from (f"  {line}" for line in aligned(fitting, width and width - 2))
        yield ""
