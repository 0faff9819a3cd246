"""What rows show over a key that was swept, for figures and pages alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vaecli.reports.comparison.groups import Row, distinguishing
from vaecli.reports.comparison.panels import Member, Scene


@dataclass(frozen=True)
class Curve:
    """Rows that differ in one key alone, in the order of its values; of one value None, the key has no effect."""

    label: str
    points: Sequence[tuple[float | None, Row]]
    discrete: bool


def sweeps(scene: Scene) -> dict[str, list[Curve]]:
    """The keys with numbers that rows differ in alone, with the curves over each; rows without the key are levels."""
    every = [(member, distinguishing(member.row.runs[0].config)) for member in scene.members]
    keys = dict.fromkeys(key for _, mine in every for key, value in mine.items() if _is_number(value))
    found: dict[str, list[Curve]] = {}
    for key in keys:
        alike: dict[str, list[tuple[float, Member]]] = {}
        for member, mine in every:
            if _is_number(mine.get(key)):
                others = repr({name: value for name, value in mine.items() if name != key})
                alike.setdefault(others, []).append((mine[key], member))
        curves = [
            Curve(_in_common([member.label for _, member in points]), _in_order(points), points[0][1].discrete)
            for points in alike.values()
        ]
        levels = [
            Curve(member.label, [(None, member.row)], member.discrete) for member, mine in every if key not in mine
        ]
        if any(len(curve.points) > 1 for curve in curves):
            found[key] = [*curves, *levels]
    return found


def _in_order(points: Sequence[tuple[float, Member]]) -> list[tuple[float | None, Row]]:
    return [(value, member.row) for value, member in sorted(points, key=lambda point: point[0])]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_common(labels: Sequence[str]) -> str:
    """What labels share: "gumbel, beta 0.1" of those at each temperature."""
    first, *others = (label.split(", ") for label in labels)
    return ", ".join(part for part in first if all(part in other for other in others))
