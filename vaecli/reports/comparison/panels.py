"""Which rows of a comparison may be drawn in one figure, how they are called there, and what stands beside them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaecli.reports.comparison.groups import Group, Row, data_key, seed_of
from vaecli.runs.references import reference_of, references_of

# Errors of the same test images may be seen side by side whatever the latent and the weight of the rate, as long as
# the figure tells them apart. They are still never ranked: that is what groups are for.
TOLD_APART = ("latent", "beta")
MOST_ROWS = 36  # in one figure: so many that markers and dashes tell apart
MOST_SCENES, MOST_LINES = 4, 5


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
    members: Sequence[Member]  # of each group the first rows, MOST_ROWS in all

    @property
    def rows(self) -> int:
        """How many there are, drawn or not."""
        return sum(len(group.rows) for group in self.groups)

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
            limit, (_, size) = references.limit(run.latent), reference_of(run.latent)
            if limit and size:
                kind, _, shown = limit[0].partition(", ")
                bits = math.log2(size) if member.discrete else None
                found[kind, shown] = Reference(kind, shown, limit[1], bits, member.discrete)
        return sorted(found.values(), key=lambda found: (found.discrete is not None, found.kind, -found.mse))


def scenes(groups: Sequence[Group]) -> tuple[list[Scene], list[str]]:
    """Groups by all of their protocol but what a figure can tell apart, and by their data whatever their title.

    Returns:
        Scenes of the MOST_ROWS first rows of their groups, MOST_SCENES at most, since nobody could read more; and a
        line for what no figure shows.
    """
    together: dict[str, list[Group]] = {}
    for group in groups:
        shared = {key: value for key, value in group.protocol.items() if key not in (*TOLD_APART, "data")}
        together.setdefault(repr([shared, data_key(group.rows[0].runs[0].info["data"])]), []).append(group)
    places: dict[str, int] = {}
    found, lines = [], []
    for number, of_scene in enumerate(together.values()):
        kept = _drawn(of_scene) if number < MOST_SCENES else [0] * len(of_scene)
        count = sum(len(group.rows) for group in of_scene)
        if sum(kept) < count:
            title = ", ".join(f"{key} {of_scene[0].protocol[key]}" for key in ("data", "epochs"))
            lines.append(f"{title}: figures show {sum(kept)} of {count:,} rows; the table has all")
        if not any(kept):
            continue
        labels = _labels(of_scene)
        members = [
            Member(labels[id(row)], places.setdefault(labels[id(row)], len(places)), row, group)
            for group, drawn in zip(of_scene, kept, strict=True)
            for row in group.rows[:drawn]
        ]
        found.append(Scene(of_scene, members))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more such groups"]
    return found, lines


def _drawn(groups: Sequence[Group]) -> list[int]:
    """How many rows of each group: the first of all, then the second of all, until there are MOST_ROWS."""
    turns = sorted((turn, place) for place, group in enumerate(groups) for turn in range(len(group.rows)))
    kept = [place for _, place in turns[:MOST_ROWS]]
    return [kept.count(place) for place in range(len(groups))]


def is_discrete(row: Row) -> bool:
    return row.runs[0].latent.discrete


def apart(group: Group, others: Sequence[Group]) -> str:
    """What of TOLD_APART tells a group from the others of its scene: "latent 1 of 10 codes"."""
    keys = [key for key in TOLD_APART if len({other.protocol[key] for other in others}) > 1]
    return ", ".join(f"{key} {group.protocol[key]}" for key in keys)


def _labels(groups: Sequence[Group]) -> dict[int, str]:
    """By id of the row: its name; where two groups have that name, with what tells the groups apart."""
    names = Counter(row.name for group in groups for row in group.rows)
    return {
        id(row): row.name if names[row.name] == 1 else f"{row.name}, {apart(group, groups)}"
        for group in groups
        for row in group.rows
    }
