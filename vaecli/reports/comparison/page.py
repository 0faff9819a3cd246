"""The report of a comparison: table, figures and one page that needs no network, in a folder of the output folder."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from vaecli.papers.bibliography import of_methods
from vaecli.reports.audit.page import of_audit
from vaecli.reports.columns import flat, plain
from vaecli.reports.comparison.again import RECORDS, VERSION, kept_of
from vaecli.reports.comparison.groups import Group, csv_text, records, seed_of, titles
from vaecli.reports.comparison.panels import Scene, scenes
from vaecli.reports.comparison.story import THRESHOLDS, answer, headline, sentences
from vaecli.reports.comparison.table import LEGEND, columns
from vaecli.reports.page.render import Table, each_drawn, render
from vaecli.runs import Run
from vaecli.runs.audits import Audit, audits_of
from vaecli.runs.files import write, write_json, writing
from vaecli.runs.provenance import data_name
from vaecli.runs.references import references_path

if TYPE_CHECKING:
    from vaecli.reports.style import Undrawn

PAGE, TABLE, PAPERS = "report.html", "comparison.csv", "references.bib"


def report_folder(output_dir: Path, names: Iterable[str]) -> Path:
    """compare-<hash> of the names of the runs, which stand for settings, data and seeds."""
    code = hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:8]
    return output_dir / f"compare-{code}"


class Report(NamedTuple):
    """The outcome of a report."""

    drawn: bool  # or existed already
    lines: list[str]  # notes for the reader: what no figure shows, what could not be drawn or read


def write_report(
    groups: Sequence[Group], failures: Mapping[str, str], folder: Path, ready: Callable[[], object] = lambda: None
) -> Report:
    """Writes table, records, references.bib, the figures, and report.html last; nothing if all of it exists.

    A picture that cannot be drawn is left out of the page, and the next call tries again.

    Args:
        ready: called before the page is written, to wait for those of the runs, to which it has links.

    Raises:
        RunError: a run cannot be read, or the folder cannot be written.
    """
    audits, lines = _audits(groups)
    found, left_out = scenes(groups)
    lines = [*lines, *left_out]
    inputs = _inputs(groups, failures, audits)
    if _is_there(folder, inputs):
        return Report(False, lines)
    with writing(folder / PAGE):
        (folder / PAGE).unlink(missing_ok=True)  # it would describe other figures
    write(folder / TABLE, csv_text(groups, failures))
    models = [row.runs[0].config.model for group in groups for row in group.rows]
    write(folder / PAPERS, of_methods([(model.name, model.options()) for model in models]))
    undrawn: list[str] = []
    pictures = _draw(found, folder, undrawn.append)
    failed = lambda picture: undrawn.append(picture.line)  # noqa: E731
    shown = _shown(groups, found, folder / PAGE, failed)
    told = [of_audit(audit, folder / PAGE, failed) for audit in audits]
    content = {"version": VERSION, "inputs": inputs, "figures": pictures, "undrawn": undrawn}
    content |= {"notes": [note for group in groups for note in group.notes], **kept_of(groups)}
    write_json(folder / RECORDS, {**content, "records": records(groups, failures)})
    lines += undrawn
    ready()
    write(folder / PAGE, _page(groups, found, failures, shown, told, lines))
    return Report(True, lines)


def _inputs(groups: Sequence[Group], failures: Mapping[str, str], audits: Sequence[Audit]) -> dict[str, str]:
    """Digests of everything that the report is made of."""
    absent = [f"{row.name} {row.absent} {row.priors}" for group in groups for row in group.rows]
    found = {"failures": _digest(json.dumps([failures, absent], sort_keys=True).encode())}
    for order, run in enumerate(_runs(groups)):
        data = run.info["data"]
        references = references_path(run.path.parent, data["name"], data["digest"])
        if f"references {references.stem}" not in found and references.is_file():
            found[f"references {references.stem}"] = _digest(references.read_bytes())
        files = (run.summary_json, run.run_json, run.metrics_csv, run.evaluation_json, run.prior_json, run.quality_json)
        read = b"".join(path.read_bytes() for path in files if path.is_file())
        found[f"{order} {run.path}"] = _digest(read)
    return found | {audit.name: _digest(audit.audit_json.read_bytes()) for audit in audits}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_there(folder: Path, inputs: Mapping[str, str]) -> bool:
    try:
        known = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
        files = [PAGE, TABLE, PAPERS, *known["figures"]]
        return (
            known["version"] == VERSION
            and known["inputs"] == inputs
            and not known["undrawn"]
            and all((folder / file).is_file() for file in files)
        )
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _draw(found: Sequence[Scene], folder: Path, say: Callable[[str], None]) -> list[str]:
    from vaecli.reports.comparison.figures import files
    from vaecli.reports.style import draw_each

    return [path.name for path in draw_each(files(found, "png"), folder, lambda picture: say(picture.line))]


def _shown(
    groups: Sequence[Group], found: Sequence[Scene], page: Path, failed: "Callable[[Undrawn], None]"
) -> list[dict[str, Any]]:
    """The pictures of the page, with the groups that share them; the largest group first."""
    from vaecli.reports.comparison.pictures import intervals, pictures

    drawn = {id(group): scene for scene in found for group in scene.groups}
    together: dict[int, list[Group]] = {}
    for group in sorted(groups, key=lambda group: -len(group.rows)):
        together.setdefault(id(drawn.get(id(group), group)), []).append(group)
    shown = []
    for number, of_scene in enumerate(together.values(), 1):
        scene = drawn.get(id(of_scene[0]))
        files = {f"{name} {number}": draw for name, draw in (pictures(scene) if scene else {}).items()}
        several = [group for group in of_scene if len(group.rows) > 1]
        above = {id(group): each_drawn({"intervals": partial(intervals, group)}, page, failed) for group in several}
        shown.append({"groups": of_scene, "intervals": above, "pictures": each_drawn(files, page, failed)})
    return shown


def _page(
    groups: Sequence[Group],
    found: Sequence[Scene],
    failures: Mapping[str, str],
    shown: Sequence[Mapping[str, Any]],
    audits: Sequence[Mapping[str, Any]],
    lines: Sequence[str],
) -> str:
    runs = _runs(groups)
    drawn = {id(member.row) for scene in found for member in scene.members}
    named = zip(titles(groups), groups, strict=True)
    told = {
        id(group): _of_group(title, group, drawn) for title, group in sorted(named, key=lambda of: -len(of[1].rows))
    }
    return render(
        "comparison/report.html.j2",
        sections=[
            {**part, "groups": [told[id(g)] | {"intervals": part["intervals"].get(id(g), [])} for g in part["groups"]]}
            for part in shown
        ],
        groups=list(told.values()),
        legend=LEGEND,
        failures=failures,
        lines=lines,
        settings=_settings(groups),
        environment=_environment(runs),
        commands=_commands(runs),
        thresholds=THRESHOLDS,
        answer=answer(groups),
        audits=audits,
        runs=[{"name": run.name, "place": _place(run)} for run in runs],
        data=sorted({_data(run) for run in runs}),
        seeds=sorted({seed_of(run) for run in runs}),
    )


def _runs(groups: Sequence[Group]) -> list[Run]:
    return [run for group in groups for row in group.rows for run in row.runs]


def _audits(groups: Sequence[Group]) -> tuple[list[Audit], list[str]]:
    """The audits of the runs, and a line for each that cannot be read."""
    runs = _runs(groups)
    audits: list[Audit] = []
    lines: list[str] = []
    for folder in sorted({run.path.parent for run in runs}):
        found, damaged = audits_of(runs, folder)
        audits += found
        lines += damaged
    return audits, lines


def _data(run: Run) -> str:
    data = run.info["data"]
    return data_name(data) + (f" (fallback for {data['fallback_for']})" if data["fallback_for"] else "")


def _of_group(title: str, group: Group, drawn: Set[int]) -> dict[str, Any]:
    """The intervals and the table of a group, and what happened to those of its rows that a figure shows."""
    header, *rows = zip(*columns(group), strict=True)
    told = [row for row in group.rows if id(row) in drawn]
    others = [note for row in group.rows if id(row) not in drawn for note in row.notes]
    return {
        "title": title,
        "headline": headline(group),
        "table": Table(title, header, rows),
        "notes": [*group.remarks, *others],
        "stories": [{"name": row.name, "sentences": list(sentences(group, row))} for row in told],
        "protocol": {key: value for key, value in group.protocol.items() if value is not None},
    }


def _settings(groups: Sequence[Group]) -> Table:
    """Keys of the configs that are not the same for all rows, a column each."""
    rows = [row for group in groups for row in group.rows]
    configs = [flat(row.runs[0].config.to_dict()) for row in rows]
    keys = [key for key in dict.fromkeys(key for config in configs for key in config) if key != "training.seed"]
    differing = [key for key in keys if len({plain(config.get(key)) for config in configs}) > 1]
    cells = [
        [row.name, *(plain(config.get(key)) for key in differing)] for row, config in zip(rows, configs, strict=True)
    ]
    return Table("Where the configs differ", ["method", *differing], cells)


def _place(run: Run) -> str:
    """The run's page as a link, or its folder where it has none."""
    return f"../{quote(run.name)}/{run.report_html.name * run.report_html.is_file()}"


def _environment(runs: Sequence[Run]) -> dict[str, str]:
    """The environment of the runs; several values if they differ."""
    found: dict[str, list[str]] = {}
    for run in runs:
        info = run.info
        made: dict[str, str | None] = {"host": info["host"], "platform": info["platform"]}
        made["processor"] = f"{info['cpu']}, {info['cpus']} cores"
        made |= {"source commit": info["git_commit"], **info["versions"]}
        for name, value in made.items():
            if value and str(value) not in found.setdefault(name, []):
                found[name].append(str(value))
    return {name: "; ".join(values) for name, values in found.items() if values}


def _commands(runs: Sequence[Run]) -> list[str]:
    """The commands that made the runs."""
    typed = dict.fromkeys(shlex.join(["vaecli", *run.info["argv"][1:]]) for run in runs)
    return [command for command in typed if command != "vaecli"]
