"""The last lines of `train`, `compare` and `reproduce`: the picture to open, and the next command to type."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.config.arguments import runs_folder
from vaecli.registry import METHODS
from vaecli.reports.columns import typed
from vaecli.reports.health import findings

if TYPE_CHECKING:
    from vaecli.papers.verdict import Found
    from vaecli.reports.comparison.groups import Group
    from vaecli.runs import Run

ENOUGH_SEEDS, ASKED_SEEDS = 3, 5  # for an interval that says something, and what is asked for where there are fewer
RIVALS = ("vqvae", "straight_through")  # what a run is compared with; with the second, where it is the first itself


def after_training(run: "Run", config: str | None, settings: Sequence[str], width: int | None) -> Iterator[str]:
    """What follows a training.

    Args:
        config: the config as it was named, if it has a name that can be typed.
        settings: what was changed of it, as key=value.
    """
    yield from _picture(run.figures / "reconstructions.png")
    method, found = run.config.model.method, findings(run)
    tries = [setting for finding in found for setting in finding.settings if not setting.startswith("model.name=")]
    if not method.learns:
        yield from _next(width, "explain", run.config.model.name)
    elif tries:
        named = config or str(run.config_yaml)
        yield from _next(
            width, "train", named, *_set([*settings, tries[0]] if config else [tries[0]]), *_where(run.path.parent)
        )
    elif config is not None and config in METHODS:
        rival = next(name for name in RIVALS if name != config)
        yield from _next(width, "compare", config, rival, *_set(settings), *_where(run.path.parent))
    else:
        yield from _next(width, "sample", _named(run), "--output", "samples.png")


def after_comparing(
    folder: Path,
    groups: "Sequence[Group]",
    failures: Mapping[str, str],
    command: Sequence[str],
    output_dir: Path,
    width: int | None,
) -> Iterator[str]:
    """What follows a comparison.

    Args:
        folder: of its figures and page.
        command: the words that train more seeds of the same, without their number; none where runs were named.
    """
    pictures = ("reconstructions.png", "loss.png")
    yield from _picture(*(folder / name for name in pictures))
    yield f"page     {folder}/report.html"
    rows = [row for group in groups for row in group.rows]
    runs = [row.runs[0] for row in rows if row.runs]
    failed = [name for name in failures if (output_dir / name).is_dir()]
    if failed:
        yield from _next(width, "show", failed[0], *_where(output_dir))
    elif command and any(len(row.runs) < ENOUGH_SEEDS for row in rows):
        yield from _next(width, "compare", *command, "--seeds", str(ASKED_SEEDS), *_where(output_dir))
    elif groups and (best := groups[-1].best) is not None and best.runs and best.runs[0].config.model.method.estimator:
        yield from _next(width, "audit", _named(best.runs[0]))
    elif len(runs) > 1:
        yield from _next(width, "diff", _named(runs[0]), _named(runs[1]))
    elif runs:
        yield from _next(width, "show", _named(runs[0]))


def after_reproducing(
    folder: Path, found: "Sequence[Found]", failures: Mapping[str, str], output_dir: Path, width: int | None
) -> Iterator[str]:
    """What follows a reproduction, of whose figures and page this is the folder."""
    sources = list(dict.fromkeys(one.cell.source for one in found))
    yield from _picture(*(folder / f"{source}.png" for source in sources))
    yield f"page     {folder}/report.html"
    wrong = [one for one in found if one.verdict.word == "not reproduced" and one.runs]
    few = [one.cell.source for one in found if one.verdict.word == "inconclusive" and len(one.runs) < ENOUGH_SEEDS]
    failed = [*failures, *(run for one in wrong for run in one.runs.values())]
    if failed:
        yield from _next(width, "show", failed[0], *_where(output_dir))
    elif few:
        yield from _next(width, "reproduce", few[0], "--seeds", str(ASKED_SEEDS), *_where(output_dir))
    else:
        yield from _next(width, "reproduce", "--list", *_where(output_dir))


def _picture(*candidates: Path) -> Iterator[str]:
    """The first picture that was drawn."""
    yield from (f"picture  {path}" for path in [path for path in candidates if path.is_file()][:1])


def _next(width: int | None, *words: str) -> Iterator[str]:
    yield from typed(shlex.join(["vaecli", *words]), width, begin="next     ")


def _set(settings: Sequence[str]) -> list[str]:
    """The options that set them; of two values of a key the last one counts."""
    last = {setting.partition("=")[0].strip(): setting for setting in settings}
    return [word for setting in last.values() for word in ("--set", setting)]


def _where(output_dir: Path) -> list[str]:
    """The option that names the folder of the runs, unless it is the usual one."""
    return [] if output_dir == runs_folder(None) else ["--output-dir", str(output_dir)]


def _named(run: "Run") -> str:
    """What a command calls the run: its name, or its path where it lies elsewhere."""
    return run.name if not _where(run.path.parent) else str(run.path)


def words_of(names: Sequence[Any], **options: Any) -> list[str]:
    """Arguments and options as a shell takes them; an option without a value is left out."""
    found = [str(name) for name in names]
    for name, value in options.items():
        if isinstance(value, bool):
            found += [f"--{name}"] * value
        else:
            for one in value if isinstance(value, list | tuple) else [value] * (value is not None):
                found += [f"--{name}", str(one)]
    return found
