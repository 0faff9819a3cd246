"""What our figures say of a published one.

Let d = our mean over m seeds - the published figure. It is verified if |d| is at most

    rounding + max(tolerance, t s sqrt(1 / n + 1 / m))

where rounding is half of the last printed digit, tolerance the one that the source states (with its reason), s the
standard deviation over seeds (the published one of n seeds, else ours of at least three), and t the 97.5 % quantile of
Student's t with that many seeds less one. With one seed of ours and no published spread, the tolerance alone decides.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from vaecli.metrics.intervals import deviation, interval, quantile
from vaecli.papers.measures import MEASURES
from vaecli.papers.schema import Cell

Word = Literal[
    "verified", "better", "not reproduced", "inconclusive", "toy", "not expressible", "no data", "not run", "failed"
]
ENOUGH_SEEDS = 3  # for a spread of ours
RESOLVES = 0.05  # a tolerance beyond this share of the figure verifies nothing
EXACT = 1e-6  # relative, of figures that are computed without a draw


class Verdict(NamedTuple):
    """The verdict on one cell."""

    word: Word
    why: str = ""
    ours: float | None = None  # the mean over seeds, in vaecli's unit
    seeds: int = 0
    tolerance: float | None = None


class Found(NamedTuple):
    """A cell with its verdict, and our figures."""

    cell: Cell
    verdict: Verdict
    figures: Mapping[int, float]  # by seed, in vaecli's unit
    runs: Mapping[int, str]  # of these figures


def verdict(cell: Cell, ours: Sequence[float]) -> Verdict:
    """The verdict on a cell that can be expressed.

    Args:
        ours: the figure of each seed; none: nothing was trained so far.
    """
    published = cell.published
    if not ours:
        return Verdict("not run")
    mean, count = math.fsum(ours) / len(ours), len(ours)
    spread, of = _spread(cell, ours)
    allowed, why = _allowed(cell, spread, of, count)
    found = Verdict("verified", why, mean, count, allowed)
    if cell.shortened:
        return found._replace(word="toy", why=cell.shortened)
    distance = abs(mean - published)
    if distance <= allowed:
        wide = spread is not None and allowed > RESOLVES * abs(published)
        stated = cell.tolerance is not None and distance <= cell.tolerance.of(published)
        return found._replace(word="inconclusive") if wide and not stated else found
    own = interval(ours).half_width
    if own is not None and distance <= allowed + own:
        return found._replace(word="inconclusive")
    better = MEASURES[cell.metric].better == ("low" if mean < published else "high")
    return found._replace(word="better" if better else "not reproduced")


def _spread(cell: Cell, ours: Sequence[float]) -> tuple[float | None, int]:
    """A standard deviation over seeds, and of how many it is."""
    if cell.spread is not None and cell.seeds > 1:
        return cell.spread * abs(cell.times), cell.seeds
    if len(ours) >= ENOUGH_SEEDS:
        return deviation(ours), len(ours)
    return None, 0


def _allowed(cell: Cell, spread: float | None, of: int, count: int) -> tuple[float, str]:
    """The largest distance of a verified figure, and what it rests on."""
    rounding = 0.5 * 10**-cell.digits * abs(cell.times)
    stated = cell.tolerance.of(cell.published) if cell.tolerance else 0.0
    if cell.unit is None:
        rounding += EXACT * abs(cell.published)
    one = "one seed, " if count == 1 and cell.unit is not None else ""
    if spread is not None:
        by_seeds = quantile(of - 1) * spread * math.sqrt(1 / cell.seeds + 1 / count)
        if by_seeds > stated:
            whose = "the published" if cell.spread is not None else "our"
            return rounding + by_seeds, f"{one}{whose} spread over seeds"
    return rounding + stated, one + ("stated tolerance" if stated else "printed digits")
