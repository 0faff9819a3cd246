"""An audit in words, for people or in LaTeX: a table per checkpoint, and the front of bias and variance."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vaecli.reports.columns import filled, folded_lines
from vaecli.reports.latex import NEEDS, comment, tabular
from vaecli.runs.audits import AuditRow, Bounded, GradientErrors

PARTS = {"logits": "logits' gradient", "weights": "encoder's weights"}
COLUMNS = {  # of the errors of a gradient
    "bias": "relative_bias",
    "scaled bias": "scaled_bias",
    "std": "relative_std",
    "cosine": "cosine",
    "mse": "mse",
}
ENUMERATED = "exact"  # has neither bias nor variance, and would be the whole front


def row_line(row: AuditRow) -> str:
    """One line for a new measurement."""
    place = "" if row.epoch is None else f", epoch {row.epoch}"
    return (
        f"{label(row)}{place}: bias {figure(row.logits.relative_bias)}, std {figure(row.logits.relative_std)} "
        f"({row.draws:,} draws of {row.milliseconds:.2f} ms)"
    )


def label(row: AuditRow) -> str:
    """The label of a row: "gumbel at 0.5"."""
    return row.estimator if row.temperature is None else f"{row.estimator} at {row.temperature:g}"


def table_lines(rows: Sequence[AuditRow], left_out: Mapping[str, str], width: int | None) -> Iterator[str]:
    """Two tables for each checkpoint; with a width their columns are folded to that many characters."""
    for epoch, of_epoch in by_epoch(rows).items():
        for part in measured_parts(of_epoch):
            yield _title(part, epoch)
            found = columns(of_epoch, part)
            lines = folded_lines([*zip(*found, strict=True)], width and width - 2)
            yield from (f"  {line}".rstrip() for line in lines)
            yield ""
    for line in (*left_out_lines(left_out), *legend(rows)):
        yield from filled(line, width)


def latex_lines(rows: Sequence[AuditRow], left_out: Mapping[str, str]) -> Iterator[str]:
    """The lines of one LaTeX table of all checkpoints; what else is to be said, as comments."""
    yield NEEDS
    yield from map(comment, (*legend(rows), *left_out_lines(left_out)))
    yield from tabular(
        [
            (_title(part, epoch), columns(of_epoch, part))
            for epoch, of_epoch in by_epoch(rows).items()
            for part in measured_parts(of_epoch)
        ]
    )


def _title(part: str, epoch: int | None) -> str:
    return PARTS[part] + ("" if epoch is None else f" after {epoch} epoch{'s' * (epoch != 1)}")


def measured_parts(rows: Iterable[AuditRow]) -> list[str]:
    """The parts that have figures: a toy has no weights."""
    rows = list(rows)
    return [part for part in PARTS if any(getattr(row, part) for row in rows)]


def by_epoch(rows: Iterable[AuditRow]) -> dict[int | None, list[AuditRow]]:
    found: dict[int | None, list[AuditRow]] = {}
    for row in rows:
        found.setdefault(row.epoch, []).append(row)
    return found


def last_epoch(rows: Iterable[AuditRow]) -> int | None:
    return max(by_epoch(rows), key=lambda epoch: epoch or 0)


def best(rows: Iterable[AuditRow]) -> list[AuditRow]:
    """The rows of one checkpoint: each estimator at its temperature of lowest squared error."""
    found: dict[str, AuditRow] = {}
    for row in rows:
        if row.estimator not in found or row.logits.mse.value < found[row.estimator].logits.mse.value:
            found[row.estimator] = row
    return list(found.values())


def verdict(rows: Sequence[AuditRow]) -> str:
    """The verdict on one checkpoint: the least spread without bias, and the best direction with one.

    By squared error alone an estimator with almost no gradient would win: that of a zero gradient is 1.
    """
    drawing = [row for row in rows if row.estimator != ENUMERATED]
    unbiased = [row for row in drawing if row.logits.relative_bias.low == 0]
    biased = [row for row in drawing if row not in unbiased]
    sentences = []
    if unbiased:
        first = min(unbiased, key=lambda row: row.logits.relative_std.value)
        spread = figure(first.logits.relative_std)
        sentences.append(f"With a bias not distinguishable from 0, {label(first)} has the least spread ({spread}).")
    pointing = [(row.logits.cosine.value, row) for row in biased if row.logits.cosine]
    if pointing:
        _, first = max(pointing, key=lambda found: found[0])
        cosine, bias = figure(first.logits.cosine), figure(first.logits.relative_bias)
        sentences.append(
            f"Among the biased, {label(first)} points closest to the exact gradient (cosine {cosine}, bias {bias})."
        )
    return " ".join(sentences)


def columns(rows: Sequence[AuditRow], part: str) -> list[list[str]]:
    """Header and cells of each column for the rows of one checkpoint; the first part also shows the costs."""
    measured = [row for row in rows if getattr(row, part)]
    of_front = front(measured, part)
    names = [row.estimator if row.temperature is None else f"{row.estimator} {row.temperature:g}" for row in measured]
    found = [["estimator", *names]]
    for header, name in COLUMNS.items():
        found.append([header, *(figure(getattr(getattr(row, part), name)) for row in measured)])
    found.append(["front", *("*" * (row in of_front) for row in measured)])
    if part == "logits":
        found.append(["ms", *(f"{row.milliseconds:.2f}" for row in rows)])
        found.append(["decodings", *(str(row.decodings) for row in rows)])
        found.append(["draws", *(f"{row.draws:,}" for row in rows)])
        if any(row.warm_up for row in rows):
            found.append(["warm-up", *(f"{row.warm_up:,}" if row.warm_up else "" for row in rows)])
    return found


def left_out_lines(left_out: Mapping[str, str]) -> Iterator[str]:
    return (f"left out: {name}: {reason}" for name, reason in left_out.items())


def legend(rows: Sequence[AuditRow]) -> Iterator[str]:
    """Explains the columns, a sentence a line."""
    yield (
        "For an estimate g of the exact gradient g*, in units of |g*|: bias |E g - g*|, std sqrt E |g - E g|^2, "
        "cosine between E g and g*, mse E |g - g*|^2; scaled bias: that of E g once it has the length of g*."
    )
    yield "±: half of the 95 % interval, ~ if that is above 5 %, < if a bias is not distinguishable from 0."
    yield "*: no other sampling estimator has less bias and less std."
    if any(row.warm_up for row in rows):
        yield "warm-up: steps for which an adaptive estimator learned on this checkpoint before it was measured."


def figure(found: Bounded | None) -> str:
    """The cell "0.427 ± 0.012", "~0.427 ± 0.040" for a wide interval, "< 0.02" for one that begins at 0."""
    if found is None:
        return "none"
    if found.low == 0 < found.high:
        return f"< {found.high:.2g}"
    digits = _digits(found.value)
    width = f"{found.half_width:,.{digits}f}"
    plus_minus = f" ± {width}" if float(width.replace(",", "")) else ""
    return f"{'' if found.narrow else '~'}{found.value:,.{digits}f}{plus_minus}"


def _digits(value: float) -> int:
    """The number of decimals that shows three significant digits."""
    rounded = float(f"{abs(value):.2e}")
    return max(0, 2 - math.floor(math.log10(rounded))) if rounded > 1e-4 else 4


def bias_and_variance(measures: GradientErrors) -> tuple[float, float]:
    """The squared bias (0 if not distinguishable from 0) and the variance."""
    bias = measures.relative_bias
    return (bias.value**2 if bias.low > 0 else 0.0), measures.relative_std.value**2


def front(rows: Sequence[AuditRow], part: str) -> list[AuditRow]:
    """The rows of one checkpoint that no other row beats in both bias and variance, without `exact`."""
    measured = [row for row in rows if getattr(row, part) is not None and row.estimator != ENUMERATED]
    points = [bias_and_variance(getattr(row, part)) for row in measured]
    return [
        row
        for row, (bias, variance) in zip(measured, points, strict=True)
        if not any(b <= bias and v <= variance and (b, v) != (bias, variance) for b, v in points)
    ]
