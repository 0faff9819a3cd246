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
    "learned next to nothing": Threshold(0.05, "share of the way from the mean image to the reference, at most"),
    "as good as its reference": Threshold(0.97, "share of that way, at least"),
    "the loss is optimistic": Threshold(0.10, "error on hard samples above that on relaxed ones, at least"),
    "the posterior is undecided": Threshold(0.10, "error on sampled codes above that on the most probable, at least"),
    "the codes are the labels": Threshold(0.90, "share of images whose code has their label, at least"),
    "the noise has shrunk away": Threshold(0.01, "a Gaussian's error on samples above that at the mean, at most"),
    "codes hardly used": Threshold(0.50, "perplexity as a share of the number of codes, at most"),
}


def sentences(group: Group, row: Row) -> Iterator[str]:
    """The sentences in order of importance: the gradient, what was learned, the codes, the ranking by the seeds."""
    yield from _gradient(row)
    yield from _learned(row)
    yield from _gaps(row)
    yield from _codes(row)
    yield from _rank(group, row)


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


def _gradient(row: Row) -> Iterator[str]:
    norms = row.values["encoder gradient"]
    if norms and not any(norms.values()):
        yield "The encoder received no gradient: its norm is exactly zero, and it stayed as it was initialised."


def _learned(row: Row) -> Iterator[str]:
    learned = _mean(row, "learned")
    if learned is None:
        return
    kind, size = reference_of(row.runs[0].latent)
    name = f"k-means with {size} centres" if kind == "kmeans" else f"PCA with {size} components"
    if learned <= THRESHOLDS["learned next to nothing"].value:
        yield f"It learned next to nothing: {learned:.0%} of the way from the mean image to {name}."
    elif learned < THRESHOLDS["as good as its reference"].value:
        yield f"It went {learned:.0%} of the way from the mean image to {name}."
    else:
        yield f"It is as good as {name}, or better ({learned:.0%} of the way from the mean image)."


def _gaps(row: Row) -> Iterator[str]:
    sampled, mode, relaxed = (_mean(row, f"mse {name}") for name in ("sampled", "mode", "relaxed"))
    if sampled is not None and relaxed and sampled / relaxed - 1 >= THRESHOLDS["the loss is optimistic"].value:
        yield f"The loss is optimistic: relaxed {relaxed:.4f}, hard {sampled:.4f}."
    if sampled is not None and mode and sampled / mode - 1 >= THRESHOLDS["the posterior is undecided"].value:
        yield f"The posterior is undecided: the most probable codes give {mode:.4f}, sampled ones {sampled:.4f}."


def _noise(row: Row) -> Iterator[str]:
    sampled, mean, bits = _mean(row, "mse sampled"), _mean(row, "mse mode"), _mean(row, "bits")
    if sampled and mean and bits and sampled / mean - 1 <= THRESHOLDS["the noise has shrunk away"].value:
        yield f"Its noise has shrunk away: the error at the mean equals that on samples, for {bits:.0f} bits per image."


def _codes(row: Row) -> Iterator[str]:
    latent, tests = row.runs[0].latent, [run.summary["test"] for run in row.runs]
    if latent.alphabets is None:
        yield from _noise(row)
        return
    used = [test["codes_used"] for test in tests if test["codes_used"] is not None]
    total, codes = sum(latent.alphabets), max(latent.alphabets)
    unused = [round((1 - share) * total) for share in used]
    if any(unused):
        span = f"{min(unused)}" if min(unused) == max(unused) else f"{min(unused)} to {max(unused)}"
        yield f"{span} of {total} codes {'was' if span == '1' else 'were'} never used on the test set."
    perplexity = _mean(row, "perplexity")
    if perplexity is not None and perplexity <= THRESHOLDS["codes hardly used"].value * codes:
        yield f"It hardly uses its codes: a perplexity of {perplexity:.1f} of {codes}."
    accuracy, nmi = _mean(row, "accuracy"), _mean(row, "nmi")
    if accuracy is not None and nmi is not None:
        are = accuracy >= THRESHOLDS["the codes are the labels"].value
        verdict = "Its codes are the labels" if are else "Its codes are not the labels"
        yield f"{verdict}: the best matching is right for {accuracy:.0%} of the images (NMI {nmi:.2f})."


def _rank(group: Group, row: Row) -> Iterator[str]:
    best, others = group.best, [other for other in group.rows if other is not row]
    if not others:
        return
    what = "the lowest -ELBO on hard samples" if group.judged == ELBO else "the lowest error on sampled codes"
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


def _mean(row: Row, measure: str) -> float | None:
    found = [value for value in row.values[measure].values() if math.isfinite(value)]
    return fmean(found) if found else None


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
