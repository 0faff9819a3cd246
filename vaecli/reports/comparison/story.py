"""Describes what happened to each method, in sentences derived from measured figures and named thresholds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from vaecli.metrics.intervals import resolved
from vaecli.metrics.metric import COLUMNS
from vaecli.reports.comparison.groups import ELBO, Group, Row
from vaecli.runs.references import reference_of


class Threshold(NamedTuple):
    """The value at which a sentence applies."""

    value: float
    meaning: str


THRESHOLDS: Mapping[str, Threshold] = {
    "as good as its reference": Threshold(0.97, "share of the way from the mean image to the reference, at least"),
    "the posterior is undecided": Threshold(0.10, "error on sampled codes above that on the most probable, at least"),
    "the codes are the labels": Threshold(0.90, "share of images whose code has their label, at least"),
    "the noise has shrunk away": Threshold(0.01, "a Gaussian's error on samples above that at the mean, at most"),
}


def sentences(group: Group, row: Row) -> Iterator[str]:
    """The sentences in order of importance: what went wrong, what was learned, the codes, the ranking by the seeds."""
    yield from row.health
    yield from _learned(row)
    yield from _decided(row)
    yield from _codes(row)
    yield from _rank(group, row)


def headline(group: Group) -> str:
    """The result of a group in a sentence: the lowest, and what the seeds say of the others."""
    best, what = group.best, _judged(group)
    found = best.interval(group.judged)
    if found is None:
        return f"{best.name} has no figure to be judged by."
    decimals = COLUMNS[group.judged].decimals
    spread = f" ± {found.half_width:.{decimals}f}" if found.half_width else ""
    value = f"{found.mean:.{decimals}f}{spread}"
    if len(group.rows) == 1:
        return f"{best.name}: {what.removeprefix('the lowest ')} is {value}."
    behind = [group.behind_best(row) for row in group.rows if row is not best]
    after = [difference for difference in behind if difference and resolved(difference)]
    sentence = f"{best.name} has {what}, {value}"
    if not after:
        one = all(difference is None or difference.half_width is None for difference in behind)
        return f"{sentence}; " + ("one seed ranks nothing." if one else "these seeds resolve no difference to it.")
    if len(after) == len(behind):
        return f"{sentence}; the seeds resolve its difference to all others."
    return f"{sentence}; the seeds resolve its difference to {len(after)} of {len(behind)} others."


def answer(groups: Sequence[Group]) -> str | None:
    """Whether codes became labels, over all methods of one code per image; None where no label was measured."""
    found = {row.name: _mean(row, "accuracy") for group in groups for row in group.rows}
    measured = {name: accuracy for name, accuracy in found.items() if accuracy is not None}
    if not measured:
        return None
    closest = max(measured, key=lambda name: measured[name])
    came = [name for name, accuracy in measured.items() if accuracy >= THRESHOLDS["the codes are the labels"].value]
    verdict = f"Yes, for {_listed(came)}." if came else "No."
    return (
        f"{verdict} The closest is {closest}: with each code matched to the label it fits best, "
        f"{measured[closest]:.0%} of the test images have the right one."
    )


def _learned(row: Row) -> Iterator[str]:
    learned = _mean(row, "learned")
    if learned is None:
        return
    kind, size = reference_of(row.runs[0].latent)
    name = f"k-means with {size} centres" if kind == "kmeans" else f"PCA with {size} components"
    if learned < THRESHOLDS["as good as its reference"].value:
        yield f"It went {learned:z.0%} of the way from the mean image to {name}."
    else:
        yield f"It is as good as {name}, or better ({learned:.0%} of the way from the mean image)."


def _decided(row: Row) -> Iterator[str]:
    sampled, mode = _mean(row, "mse sampled"), _mean(row, "mse mode")
    if sampled is not None and mode and sampled / mode - 1 >= THRESHOLDS["the posterior is undecided"].value:
        yield f"The posterior is undecided: the most probable codes give {mode:.4f}, sampled ones {sampled:.4f}."


def _noise(row: Row) -> Iterator[str]:
    sampled, mean, bits = _mean(row, "mse sampled"), _mean(row, "mse mode"), _mean(row, "bits")
    if sampled and mean and bits and sampled / mean - 1 <= THRESHOLDS["the noise has shrunk away"].value:
        yield f"Its noise has shrunk away: the error at the mean equals that on samples, for {bits:.0f} bits per image."


def _codes(row: Row) -> Iterator[str]:
    if not row.runs[0].latent.discrete:
        yield from _noise(row)
        return
    accuracy, nmi = _mean(row, "accuracy"), _mean(row, "nmi")
    if accuracy is not None and nmi is not None:
        are = accuracy >= THRESHOLDS["the codes are the labels"].value
        verdict = "Its codes are the labels" if are else "Its codes are not the labels"
        yield f"{verdict}: the best matching is right for {accuracy:.0%} of the images (NMI {nmi:.2f})."


def _rank(group: Group, row: Row) -> Iterator[str]:
    best, others = group.best, [other for other in group.rows if other is not row]
    if not others:
        return
    what = _judged(group)
    decimals = COLUMNS[group.judged].decimals
    if row is best:
        behind = [(other, group.behind_best(other)) for other in others]
        near = [other.name for other, difference in behind if not resolved(difference)]
        if near:
            yield f"It has {what}, not distinguishable from {_listed(near)} by these seeds."
        else:
            yield f"It has {what}; the difference to all others is resolved by the seeds."
        return
    difference = group.behind_best(row)
    if difference is None:
        yield f"It shares no seed with {best.name}, so the two are not paired."
    elif difference.half_width is None:
        yield f"It is {difference.mean:.{decimals}f} behind {best.name} at one seed, which gives no interval."
    elif resolved(difference):
        yield f"It is {difference.mean:.{decimals}f} ± {difference.half_width:.{decimals}f} behind {best.name}."
    else:
        yield f"It is not distinguishable from {best.name} by these {difference.runs} seeds."


def _judged(group: Group) -> str:
    return "the lowest -ELBO on hard samples" if group.judged == ELBO else "the lowest error on sampled codes"


def _mean(row: Row, measure: str) -> float | None:
    found = [value for value in row.values[measure].values() if math.isfinite(value)]
    return fmean(found) if found else None


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
