"""Audits in the output folder: measurements of gradient estimators, readable without TensorFlow."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.errors import RunError
from vaecli.runs.files import writing
from vaecli.runs.run import Run
from vaecli.runs.schema import AUDIT
from vaecli.runs.sealed import read_sealed, write_sealed

PREFIX = "audit-"
FORMAT = 2  # 1: without a seal
AGAIN = "remove it and audit again"
# Raise it when the same audit would give different numbers.
NUMERICS = 2
NARROW = 0.05  # half of an interval, as a share of its value


class Bounded(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def narrow(self) -> bool:
        return self.half_width <= NARROW * abs(self.value)


class GradientErrors(NamedTuple):
    """The errors of an estimate g of the exact gradient g*, in units of |g*|."""

    relative_bias: Bounded  # |E g - g*|
    relative_std: Bounded  # square root of E |g - E g|^2
    cosine: Bounded | None  # between E g and g*; None if E g is 0
    mse: Bounded  # E |g - g*|^2

    @property
    def scaled_bias(self) -> Bounded | None:
        """|E g |g*| / |E g| - g*|, the bias once E g has the length of g*: sqrt(2 - 2 cosine); None if E g is 0.

        Some papers report this one; an estimator that errs in length alone has none of it.
        """
        if self.cosine is None:
            return None
        nearest, farthest = self.cosine.high, self.cosine.low
        return Bounded(*(math.sqrt(max(0.0, 2 - 2 * cosine)) for cosine in (self.cosine.value, nearest, farthest)))

    @property
    def wide(self) -> list[str]:
        """The figures whose half interval is more than NARROW of their value."""
        return [name for name, found in self._asdict().items() if found is not None and not found.narrow]


class AuditRow(NamedTuple):
    """One estimator at one temperature on one checkpoint."""

    epoch: int | None  # None: a toy has none
    estimator: str
    temperature: float | None  # None: it has none
    decodings: int  # of each image and draw
    warm_up: int  # steps that it learned for before the measurement; 0: it does not learn
    draws: int
    milliseconds: float  # for each draw of the gradient of all images; differs between two audits
    logits: GradientErrors
    weights: GradientErrors | None  # of the gradient of the images' mean loss; None for a toy, which has no weights

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, with `wide`: the figures whose interval is too wide to be trusted in full."""
        parts = {part: _plain(getattr(self, part)) for part in ("logits", "weights")}
        return {**self._asdict(), **parts}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> "AuditRow":
        return cls(**{**tree, **{part: _measures(tree[part]) for part in ("logits", "weights")}})

    @property
    def key(self) -> tuple[int | None, str, float | None]:
        return self.epoch, self.estimator, self.temperature


class Audit:
    """One audit is one folder, named by a hash of the request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.audit_json = path / "audit.json"
        self.tensorflow_log = path / "tensorflow.log"

    @property
    def name(self) -> str:
        return self.path.name

    def read(self) -> dict[str, Any]:
        """The contents of audit.json without its rows; raises RunError if it cannot be read."""
        return {key: value for key, value in self._tree.items() if key != "rows"}

    def begin(self) -> None:
        """Makes the folder; raises RunFailed where it cannot be written."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    @property
    def finished(self) -> bool:
        """Whether it holds a row for every requested measurement."""
        return self.audit_json.exists() and bool(self.read().get("finished"))

    @property
    def left_out(self) -> dict[str, str]:
        """The estimators that were not measured, with the reasons."""
        return dict(self.read().get("left_out", {})) if self.audit_json.exists() else {}

    @property
    def rows(self) -> list[AuditRow]:
        """The rows measured so far, in order of measurement."""
        if not self.audit_json.exists():
            return []
        return [AuditRow.from_dict(row) for row in self._tree["rows"]]

    def write(self, about: Mapping[str, Any], rows: Iterable[AuditRow]) -> None:
        """Writes audit.json; raises RunFailed if the folder cannot be written."""
        tree = {**about, "format": FORMAT, "rows": [row.to_dict() for row in rows]}
        write_sealed(self.audit_json, tree, within=self.path)
        self.__dict__.pop("_tree", None)

    @cached_property
    def _tree(self) -> Mapping[str, Any]:
        return read_sealed(self.audit_json, AUDIT, newest=FORMAT, way_out=AGAIN)


def audit_of(asked: Mapping[str, Any], output_dir: Path) -> Audit:
    """The folder name audit-<hash>, from everything that decides what is measured."""
    text = json.dumps({**asked, "numerics": NUMERICS}, sort_keys=True)
    return Audit(output_dir / f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def audits_of(runs: Sequence[Run], output_dir: Path) -> tuple[list[Audit], list[str]]:
    """The finished audits of any of these runs, by name, and a line for each that cannot be read.

    An audit of weights that a run no longer has does not belong to that run.
    """
    found, lines = [], []
    by_name = {run.name: run for run in runs}
    for path in sorted(output_dir.glob(f"{PREFIX}*/audit.json")):
        audit = Audit(path.parent)
        try:
            about = audit.read()
            subject = about["asked"].get("subject", {})
            run = by_name.get(subject.get("run"))
            if about.get("finished") and run is not None and _has(run, subject.get("weights")) and audit.rows:
                found.append(audit)
        except (RunError, AttributeError, TypeError) as error:
            lines.append(str(error) if isinstance(error, RunError) else f"{path}: damaged; {AGAIN}")
    return found, lines


def _has(run: Run, weights: Any) -> bool:
    """Whether the audited weights, by epoch, are still those of the run; its initial ones always are."""
    if isinstance(weights, str):
        return weights == "first"
    return isinstance(weights, Mapping) and set(weights.values()) <= set(run.summary["files"].values())


def _plain(measures: GradientErrors | None) -> dict[str, Any] | None:
    if measures is None:
        return None
    found = {**measures._asdict(), "scaled_bias": measures.scaled_bias}
    figures = {name: bounded and bounded._asdict() for name, bounded in found.items()}
    return {**figures, "wide": measures.wide}


def _measures(tree: Mapping[str, Any] | None) -> GradientErrors | None:
    if tree is None:
        return None
    figures: dict[str, Any] = {name: tree[name] and Bounded(**tree[name]) for name in GradientErrors._fields}
    return GradientErrors(**figures)
