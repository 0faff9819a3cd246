"""Selects the rows of a comparison that may share a figure, with their names there and the references beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaecli.config.schema import TrainingConfig
from vaecli.reports.comparison.groups import Group, Row, data_key, seed_of
from vaecli.runs.references import reference_of, references_of

# Errors on the same test images may be shown side by side whatever the latent and the weight of the rate, as long as
# the figure distinguishes them. They are still never ranked: that is what groups are for.
TOLD_APART = ("latent", "beta")
MOST_ROWS = 36  # in one figure: as many as markers and dashes distinguish
MOST_SCENES, MOST_LINES = 4, 5


@dataclass(frozen=True)
class Member:
    """A row in a figure."""

    label: str
    place: int  # determines colour, dashes and marker: a label looks the same in every figure
    row: Row
    group: Group

    @property
    def discrete(self) -> bool:
        return is_discrete(self.row)


@dataclass(frozen=True)
class Reference:
    """A predictor without a gradient that is drawn for reference."""

    kind: str  # "mean image", "k-means" or "PCA"
    size: str  # "K = 10", "10 components", or nothing
    mse: float  # per pixel, on the test images
    bits: float | None  # log2 K; None if it is not a code
    discrete: bool | None  # the latents it fits; None: all


@dataclass(frozen=True)
class Scene:
    """Groups that differ only in TOLD_APART, drawn together in one figure of each kind."""

    groups: Sequence[Group]
    members: Sequence[Member]  # the first rows of each group, MOST_ROWS in all

    @property
    def rows(self) -> int:
        """The number of rows, drawn or not."""
        return sum(len(group.rows) for group in self.groups)

    @property
    def data(self) -> Mapping[str, Any]:
        """The data block of run.json, which all its runs share."""
        return self.members[0].row.runs[0].info["data"]

    @property
    def training(self) -> TrainingConfig:
        """What its first run was trained with; all have the same length."""
        return self.members[0].row.runs[0].config.training

    @property
    def seeds(self) -> list[int]:
        return sorted({seed_of(run) for member in self.members for run in member.row.runs})

    def references(self) -> list[Reference]:
        """The references that fit its members and were computed: the mean image, then k-means and PCA by size."""
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
    """Collects groups by their protocol, except for what a figure can distinguish, and by data, whatever its title.

    Returns:
        At most MOST_SCENES scenes of the first MOST_ROWS rows of their groups, since nobody could read more; and a
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
            protocol = of_scene[0].protocol
            title = ", ".join(f"{key} {protocol[key]}" for key in ("data", "epochs", "steps") if protocol[key])
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
    """The number of rows kept of each group: the first of each, then the second of each, up to MOST_ROWS."""
    turns = sorted((turn, place) for place, group in enumerate(groups) for turn in range(len(group.rows)))
    kept = [place for _, place in turns[:MOST_ROWS]]
    return [kept.count(place) for place in range(len(groups))]


def is_discrete(row: Row) -> bool:
    return row.runs[0].latent.discrete


def apart(group: Group, others: Sequence[Group]) -> str:
    """What distinguishes a group from the others of its scene: "latent 1 of 10 codes"."""
    keys = [key for key in TOLD_APART if len({other.protocol[key] for other in others}) > 1]
    return ", ".join(f"{key} {group.protocol[key]}" for key in keys)


def _labels(groups: Sequence[Group]) -> dict[int, str]:
    """The labels by id of the row: its name; if several groups have that name, also what distinguishes those."""
    having: dict[str, list[Group]] = {}
    for group in groups:
        for row in group.rows:
            having.setdefault(row.name, []).append(group)
    return {
        id(row): ", ".join(filter(None, (row.name, apart(group, having[row.name]))))
        for group in groups
        for row in group.rows
    }
