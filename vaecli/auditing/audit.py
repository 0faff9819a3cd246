"""Every estimator at every temperature on every checkpoint: each is measured once and written at once."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaecli.auditing.targets import Target
from vaecli.config.latent import MAX_ENUMERATED_CODES
from vaecli.config.options import described
from vaecli.errors import ConfigError, Interrupted, RunError, RunFailed
from vaecli.registry import METHODS, suggest
from vaecli.runs.audits import Audit, AuditRow

if TYPE_CHECKING:
    from vaecli.estimators.estimator import Estimator

ESTIMATORS = tuple(name for name, method in METHODS.items() if method.estimator)
TEMPERED = ("temperature", "backward_temperature")  # the option that an audit varies, where an estimator has one
MOST_DECODED = 2**28  # numbers in one draw of a gradient: a gigabyte
USUAL_DECODINGS = 4  # an estimator that needs more takes fewer draws: each of its draws is more precise


class Asked(NamedTuple):
    """The estimators and the settings of an audit, whatever it is an audit of."""

    estimators: tuple[str, ...]
    temperatures: tuple[float, ...]
    draws: int  # at most
    warm_up: int  # steps that adaptive estimators learn for
    seed: int


def estimators_of(names: Sequence[str]) -> tuple[str, ...]:
    """The given names, or all; raises ConfigError for an unknown one."""
    for name in names:
        if name not in METHODS or METHODS[name].estimator is None:
            raise ConfigError([f"--estimators: unknown estimator {name!r}{suggest(name, ESTIMATORS)}"])
    return tuple(dict.fromkeys(names)) or ESTIMATORS


def tempered(estimator: str) -> str | None:
    """The option of an estimator that is a temperature of its gradient."""
    return next((option for option in TEMPERED if option in METHODS[estimator].options), None)


def left_out(target: Target, asked: Asked) -> dict[str, str]:
    """The estimators that are not measured, and why: they decode too much, or another package's cannot be imported."""
    L, K = target.code_shape
    found = {}
    for name in asked.estimators:
        try:
            decodings = _decodings(name, target)
        except ConfigError as error:
            found[name] = str(error)
            continue
        codes = decodings if METHODS[name].enumerates else decodings * target.description["images"]
        if METHODS[name].enumerates and decodings > MAX_ENUMERATED_CODES:
            found[name] = f"decodes {K}^{L} codes at once, at most {MAX_ENUMERATED_CODES}"
        elif codes * target.outputs > MOST_DECODED:
            found[name] = f"{decodings:,} decodings of each image do not fit into memory; see --images"
    return found


def keys(target: Target, asked: Asked) -> list[tuple[int | None, str, float | None]]:
    """(epoch, estimator, temperature) of every row, in the order of measurement: one compilation per estimator."""
    names = [name for name in asked.estimators if name not in left_out(target, asked)]
    return [
        (epoch, name, temperature)
        for name in names
        for epoch in target.epochs
        for temperature in (asked.temperatures if tempered(name) else (None,))
    ]


def perform(
    target: Target,
    asked: Asked,
    audit: Audit,
    about: Mapping[str, Any],
    *,
    told: Callable[[AuditRow, int, int], None],
    stop: Callable[[], int | None],
) -> None:
    """Measures what the audit's folder does not hold yet, and writes each row as soon as it is measured.

    Args:
        about: what audit.json holds beside the rows.
        told: called with each new row, the number of rows so far, and their total.
        stop: called after each row; an exit code means to stop there.

    Raises:
        Interrupted: the rows so far are kept.
        RunError: the exact gradient is 0 or not finite, so nothing can be measured in its units.
        RunFailed: a figure is not finite; the rows before it are kept.
    """
    every, rows = keys(target, asked), audit.rows
    missing = [key for key in every if key not in {row.key for row in rows}]
    for row in _measured(target, asked, missing):
        wrong = not_finite(row)
        if wrong:
            at = "" if row.temperature is None else f" at temperature {row.temperature:g}"
            ways = "leave it out with --estimators" + " or --temperatures" * (row.temperature is not None)
            raise RunFailed(f"{audit.path}: {row.estimator}{at}: {wrong} is not a finite number; {ways}")
        rows.append(row)
        audit.write({**about, "finished": len(rows) == len(every)}, rows)
        told(row, len(rows), len(every))
        code = stop()
        if code and len(rows) < len(every):
            kept = f"{len(rows)} of {len(every)} measurements are kept"
            raise Interrupted(f"{audit.path}: {kept}; the same command resumes", exit_code=code)


def not_finite(row: AuditRow) -> str | None:
    """The first figure of a row that is not finite, which JSON cannot hold."""
    for part in (row.logits, row.weights):
        for name, found in (part._asdict() if part else {}).items():
            if found is not None and not all(map(math.isfinite, found)):
                return str(name)
    return None


def _measured(
    target: Target, asked: Asked, missing: Sequence[tuple[int | None, str, float | None]]
) -> Iterator[AuditRow]:
    from vaecli.auditing.meter import Meter, Point
    from vaecli.auditing.truth import Truth

    subject, weights = target.build()
    truth = Truth(subject)
    points = {}
    for epoch in {epoch: None for epoch, _, _ in missing}:
        exact = truth(weights[epoch])
        if not exact.any():
            raise RunError(f"{target.title}: the exact gradient is 0, so no estimator can be measured")
        if not np.isfinite(exact).all():
            raise RunError(f"{target.title}: the exact gradient is not finite, so no estimator can be measured")
        points[epoch] = Point(weights[epoch], exact, truth.pull(weights[epoch], exact))
    meter = None
    for epoch, name, temperature in missing:
        if meter is None or meter.name != name:
            meter = Meter(truth, name, _options(name, target), tempered(name), asked.seed, target.end)
        decodings = _decodings(name, target)
        draws = asked.draws // max(1, decodings // USUAL_DECODINGS)
        found = meter.measure(points[epoch], temperature, draws=draws, warm_up=asked.warm_up)
        yield AuditRow(
            epoch=epoch,
            estimator=name,
            temperature=temperature,
            decodings=decodings,
            warm_up=asked.warm_up if meter.learns else 0,
            draws=found.draws,
            milliseconds=found.milliseconds,
            logits=found.logits,
            weights=found.weights,
        )


def _options(name: str, target: Target) -> dict[str, Any]:
    """All options of an estimator except its temperature."""
    return {option: value for option, value in _all_options(name, target).items() if option != tempered(name)}


def _all_options(name: str, target: Target) -> dict[str, Any]:
    component = METHODS[name].estimator
    assert component is not None
    options = described(METHODS[name])
    return {option: options[option].default for option in component.options} | dict(target.options.get(name, {}))


def _estimator(name: str) -> "Estimator":
    component = METHODS[name].estimator
    assert component is not None
    found: Estimator = component.load()
    return found


def _decodings(name: str, target: Target) -> int:
    L, K = target.code_shape
    return int(_estimator(name).promises.decodings(L, K, **_all_options(name, target)))
