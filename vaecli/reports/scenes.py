"""Which rows of a comparison may be drawn in one figure, how they are called there, and what stands beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vaecli.reports.comparison import Group, Row, seed_of
from vaecli.runs.references import reference_of, references_of

# Errors of the same test images may be seen side by side whatever the latent and the weight of the rate, as long as
# the figure tells them apart. They are still never ranked: that is what groups are for.
TOLD_APART = ("latent", "beta")
MOST_ROWS, MOST_SCENES, MOST_LINES = 30, 4, 5


@dataclass(frozen=True)
class Member:
    """A row in a figure."""

    label: str
    place: int  # decides colour, dashes and marker: the same label looks the same in every figure
    row: Row
    group: Group

    @property
    def discrete(self) -> bool:
        return is_discrete(self.row)


@dataclass(frozen=True)
class Reference:
    """A predictor without a gradient that is drawn in."""

    kind: str  # "mean image", "k-means" or "PCA"
    size: str  # "K = 10", "10 components", or nothing
    mse: float  # per pixel, on the test images
    bits: float | None  # log2 K; None where it is no code
    discrete: bool | None  # which latents it fits; None: all


@dataclass(frozen=True)
class Scene:
    """Groups that differ in TOLD_APART alone, drawn in one figure each of its kind."""

    groups: Sequence[Group]
    members: Sequence[Member]

    @property
    def data(self) -> Mapping[str, Any]:
        """run.json's data block, which all its runs share."""
        return self.members[0].row.runs[0].info["data"]

    @property
    def epochs(self) -> int:
        return self.groups[0].protocol["epochs"]

    @property
    def seeds(self) -> list[int]:
        return sorted({seed_of(run) for member in self.members for run in member.row.runs})

    def references(self) -> list[Reference]:
        """Those that fit its members, as far as they were computed: the mean image, then k-means and PCA by size."""
        found: dict[tuple[str, str], Reference] = {}
        for member in self.members:
            run = member.row.runs[0]
            references = references_of(run)
            if references is None:
                continue
            found["mean image", ""] = Reference("mean image", "", references.mean_image, 0.0, None)
            limit, (_, size) = references.limit(run.config), reference_of(run.config)
            if limit and size:
                kind, _, shown = limit[0].partition(", ")
                bits = math.log2(size) if member.discrete else None
                found[kind, shown] = Reference(kind, shown, limit[1], bits, member.discrete)
        return sorted(found.values(), key=lambda found: (found.discrete is not None, found.kind, -found.mse))


def scenes(groups: Sequence[Group]) -> tuple[list[Scene], list[str]]:
    """Groups by all of their protocol but what a figure can tell apart, and a line for what no figure shows.

    A scene has the MOST_ROWS first rows of its groups, and there are MOST_SCENES at most: nobody could read more.
    """
    together: dict[str, list[Group]] = {}
    for group in groups:
        shared = {key: value for key, value in group.protocol.items() if key not in TOLD_APART}
        together.setdefault(repr(shared), []).append(group)
    places: dict[str, int] = {}
    found, lines = [], []
    for number, of_scene in enumerate(together.values()):
        count = sum(len(group.rows) for group in of_scene)
        shown = _first_rows(of_scene, MOST_ROWS) if number < MOST_SCENES else []
        drawn = sum(len(group.rows) for group in shown)
        if drawn < count:
            title = ", ".join(f"{key} {of_scene[0].protocol[key]}" for key in ("data", "epochs"))
            lines.append(f"{title}: figures show {drawn} of {count:,} rows; the table has all")
        if not shown:
            continue
        labels = _labels(shown)
        members = [
            Member(labels[id(row)], places.setdefault(labels[id(row)], len(places)), row, group)
            for group in shown
            for row in group.rows
        ]
        found.append(Scene(shown, members))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more such groups"]
    return found, lines


def _first_rows(groups: Sequence[Group], most: int) -> list[Group]:
    """The first rows of each group in turn, until there are so many."""
    kept = [0] * len(groups)
    while sum(kept) < most and any(kept[i] < len(group.rows) for i, group in enumerate(groups)):
        for i, group in enumerate(groups):
            if kept[i] < len(group.rows) and sum(kept) < most:
                kept[i] += 1
    return [replace(group, rows=group.rows[:count]) for group, count in zip(groups, kept, strict=True) if count]


def is_discrete(row: Row) -> bool:
    return row.runs[0].config.model.method.discrete


def apart(group: Group, others: Sequence[Group]) -> str:
    """What of TOLD_APART tells a group from the others of its scene: "latent 1 of 10 codes"."""
    keys = [key for key in TOLD_APART if len({other.protocol[key] for other in others}) > 1]
    return ", ".join(f"{key} {group.protocol[key]}" for key in keys)


def _labels(groups: Sequence[Group]) -> dict[int, str]:
    """By id of the row: its name; where two groups have that name, with what tells the groups apart."""
    names = [row.name for group in groups for row in group.rows]
    return {
        id(row): row.name if names.count(row.name) == 1 else f"{row.name}, {apart(group, groups)}"
        for group in groups
        for row in group.rows
    }
