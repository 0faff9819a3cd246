"""One source of published figures: its address, its protocol as a config, and its cells.

    config:                             # the protocol, as vaecli says it
      model: straight_through
      training: {optimizer: adamw}
    words:                              # what a word of the source means
      model: {ReinMax: {set: {model.name: reinmax, model.temperature: 1.3}}}
    cells:
    - {of: {model: ReinMax}, metric: train -elbo, epochs: {1: 171.03, 20: [114.84, 0.97]}}

A figure is a number, or a number and its standard deviation over the seeds. A source is read as configs are: a mistake
names file, line and column.
"""

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from vaecli.config import Config
from vaecli.config.arguments import Name, path_of
from vaecli.config.options import MOST_STEPS, Block
from vaecli.config.read import SHORTHANDS, mistakes, validate
from vaecli.config.schema import MOST_EPOCHS
from vaecli.config.source import Key, Source, read_source, scalar, shown
from vaecli.config.toys import Polynomial, Tied, Toy, toy_of
from vaecli.errors import ConfigError
from vaecli.papers.measures import MEASURES
from vaecli.registry import suggest

_ADDRESS = re.compile(r"https://\S+|arXiv \d{4}\.\d{4,5}")
Text = Annotated[str, Field(min_length=1)]
How = Literal["read", "remembered", "plot"]


def _figure(value: Any) -> tuple[float, float | None]:
    """A number, or [a number, its standard deviation over the seeds]."""
    parts = value if isinstance(value, list) else [value, None]
    if len(parts) == 2 and _is_number(parts[0]) and (parts[1] is None or (_is_number(parts[1]) and parts[1] >= 0)):
        return float(parts[0]), None if parts[1] is None else float(parts[1])
    raise PydanticCustomError("figure", "should be a number, or [a number, its standard deviation]")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _word(value: Any) -> str | int | float:
    if isinstance(value, str) or _is_number(value):
        return value
    raise PydanticCustomError("word", "should be a word or a number")


Figures = dict[str, Annotated[tuple[float, float | None], PlainValidator(_figure)]]


def _not_zero(value: float) -> float:
    if value == 0:
        raise PydanticCustomError("zero", "should not be 0")
    return value


def _address(text: str) -> str:
    if not _ADDRESS.match(text):
        raise PydanticCustomError("address", "should begin with https:// or be an arXiv number, as arXiv 2304.08612")
    return text


class Tolerance(Block):
    """How far a figure of the same protocol may lie from the published one where its spread over seeds is not known."""

    absolute: Annotated[float, Field(ge=0)] = 0.0
    relative: Annotated[float, Field(ge=0, lt=1)] = 0.0
    because: Text

    def of(self, value: float) -> float:
        return max(self.absolute, self.relative * abs(value))


class Word(Block):
    """What a word of the source means."""

    set: dict[str, Any] = Field({})  # keys of the config, as "model.temperature"
    missing: Text | None = None  # the one thing that vaecli lacks for it
    differs: Text | None = None


class Row(Block):
    """The published figures of one setting and one metric, by epoch or by step."""

    of: dict[str, Annotated[str | int | float, PlainValidator(_word)]] = Field(
        {}
    )  # the setting, in words of the source
    metric: Text | None = None
    epochs: Figures = Field({})
    steps: Figures = Field({})
    over: Annotated[int, Field(ge=1)] | None = None  # steps that a training figure is a mean of; None: the epoch's
    seeds: Annotated[int, Field(ge=1)] | None = None
    digits: Annotated[int, Field(ge=0, le=20)] | None = None
    times: Annotated[float, AfterValidator(_not_zero)] = 1.0  # the figure times this, plus the next, has our unit
    plus: float = 0.0
    tolerance: Tolerance | None = None
    numbers: How | None = None
    missing: Text | None = None
    shortened: Text | None = None  # how our protocol falls short of the published one
    note: Text | None = None


class Paper(Block):
    """A source of published figures."""

    title: Text
    authors: tuple[Text, ...] = Field(strict=False)
    year: Annotated[int, Field(ge=1980, le=2100)]
    address: Annotated[str, AfterValidator(_address)]
    table: Text  # where in it
    numbers: How = "read"
    protocol: dict[str, Text]  # all that the source says of it
    differs: tuple[Text, ...] = Field((), strict=False)  # what is known to differ, and what the source leaves open
    missing: Text | None = None  # the one thing that vaecli lacks for all of it
    cost: Text | None = None
    seeds: Annotated[int, Field(ge=1)] = 1
    digits: Annotated[int, Field(ge=0, le=20)] = 4
    metric: Text | None = None
    tolerance: Tolerance | None = None
    config: dict[str, Any] | None = None
    toy: dict[str, Any] | None = None
    words: dict[str, dict[str, Word]] = Field({})
    cells: tuple[Row, ...] = Field(strict=False, min_length=1)


class Cell(NamedTuple):
    """One published number: setting, metric, and epoch or step."""

    source: str
    setting: str  # "32x16, MVE, lr 0.001"
    metric: str
    unit: Literal["epoch", "step"] | None  # None: a figure without a training
    at: int
    over: int | None
    value: float  # as published
    spread: float | None
    seeds: int
    digits: int
    times: float
    plus: float
    tolerance: Tolerance | None
    numbers: How
    protocol: Config | Toy | None  # of any length; None where it is not expressible
    missing: str | None
    shortened: str | None
    differs: tuple[str, ...]
    paper: Paper

    @property
    def name(self) -> str:
        """SOURCE/SETTING/METRIC/e20, which `--cells` selects by."""
        place = "" if self.unit is None else f"/{self.unit[0]}{self.at}"
        return f"{self.source}/{self.setting}/{self.metric}{place}"

    @property
    def published(self) -> float:
        """The published figure in vaecli's unit."""
        return self.value * self.times + self.plus


def source_names() -> list[str]:
    """The names of all sources that vaecli has."""
    return sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml"))


def cells_of(asked: Name) -> tuple[Cell, ...]:
    """The cells of a source, or of a YAML file of your own; raises ConfigError with all of its mistakes."""
    path, name = path_of(asked), os.fspath(asked)
    if path.suffix in (".yaml", ".yml") or os.sep in name:
        return _cells(read_source(path), path.stem)
    if name not in source_names():
        raise ConfigError([f"{name}: no such source{suggest(name, source_names())}"])
    return _known(name)


@cache
def _known(name: str) -> tuple[Cell, ...]:
    return _cells(read_source(Path(str(_folder() / f"{name}.yaml"))), name)


def _folder() -> Any:
    return files("vaecli.papers") / "sources"


def _cells(source: Source, name: str) -> tuple[Cell, ...]:
    if source.mistakes:
        raise ConfigError([f"{place}: {text}" for place, text in source.mistakes])
    if not isinstance(source.tree, dict):
        raise ConfigError([f"{source.place(())}: a source is a mapping with a title, an address and cells"])
    try:
        paper = Paper.model_validate(source.tree)
    except ValidationError as error:
        raise ConfigError([f"{place}: {text}" for place, text in mistakes(error, source, (), _unknown)]) from None
    wrong: list[str] = []
    found: list[Cell] = []
    protocols: dict[str, tuple[list[Meant], Config | Toy]] = {}
    if paper.config is not None and paper.toy is not None:
        raise ConfigError([f"{source.place(('toy',))}: a source has a `config` or a `toy`, not both"])
    for number, row in enumerate(paper.cells):
        where: Key = ("cells", number)
        try:
            found += _cells_of_row(paper, row, where, source, name, protocols)
        except ConfigError as error:
            wrong += [line for line in error.lines if line not in wrong]
    names = [cell.name for cell in found]
    wrong += [f"{source.name}: {again}: given twice" for again, times in Counter(names).items() if times > 1]
    if wrong:
        raise ConfigError(wrong)
    return tuple(found)


def _unknown(key: Key) -> str:
    block: type[Block] = Paper
    if "tolerance" in key[:-1]:
        block = Tolerance
    elif len(key) > 1:
        block = Word if key[0] == "words" else Row
    return f"unknown key{suggest(key[-1], block.model_fields)}"


class Meant(NamedTuple):
    """A word of a row, and what it means."""

    kind: str
    key: str  # under `words`
    word: Word


def _cells_of_row(
    paper: Paper,
    row: Row,
    where: Key,
    source: Source,
    name: str,
    protocols: dict[str, tuple[list[Meant], Config | Toy]],
) -> Iterator[Cell]:
    metric = row.metric or paper.metric
    if metric is None or metric not in MEASURES:
        place = source.place((*where, "metric")) if row.metric else source.place(where)
        raise ConfigError([f"{place}: unknown metric {metric!r}{suggest(metric, MEASURES)}"])
    if row.epochs and row.steps:
        raise ConfigError([f"{source.place(where)}: a row is by epochs or by steps, not both"])
    words = _words(paper, row, where, source)
    setting = ", ".join(str(value) for value in row.of.values()) or "protocol"
    missing = next(filter(None, (paper.missing, row.missing, *(meant.word.missing for meant in words))), None)
    missing = missing or MEASURES[metric].missing
    protocol = None
    if missing is None:
        others, protocol = protocols.setdefault(setting, (words, _protocol(paper, words, source)))
        if others != words:
            raise ConfigError([f"{source.place((*where, 'of'))}: another row has other words for {setting!r} too"])
    notes = [meant.word.differs for meant in words if meant.word.differs]
    differs = (*paper.differs, *notes, *([row.note] if row.note else []))
    figures = row.epochs or row.steps
    unit: Literal["epoch", "step"] | None = "epoch" if row.epochs else "step" if row.steps else None
    if not figures:
        raise ConfigError([f"{source.place(where)}: no figure, e.g. epochs: {{10: 106.4}}"])
    for at, (value, spread) in figures.items():
        place = source.place((*where, f"{unit}s", at))
        if not at.isdecimal():
            raise ConfigError([f"{place}: an epoch or a step is a count, received {at!r}"])
        if protocol is not None and (reason := _without_figure(protocol, metric, unit, int(at), row.over)):
            raise ConfigError([f"{place}: {reason}"])
        yield Cell(
            source=name,
            setting=setting,
            metric=metric,
            unit=unit if int(at) else None,
            at=int(at),
            over=row.over,
            value=value,
            spread=spread,
            seeds=row.seeds or paper.seeds,
            digits=paper.digits if row.digits is None else row.digits,
            times=row.times,
            plus=row.plus,
            tolerance=row.tolerance or paper.tolerance,
            numbers=row.numbers or paper.numbers,
            protocol=protocol,
            missing=missing,
            shortened=row.shortened,
            differs=differs,
            paper=paper,
        )


def _without_figure(protocol: Config | Toy, metric: str, unit: str | None, at: int, over: int | None) -> str | None:
    """Why a protocol has no such figure, whatever is trained; None if it can have it."""
    measure = MEASURES[metric]
    if isinstance(protocol, Tied):
        if measure.toy != protocol.kind:
            return f"{metric!r} is no measure of a toy of kind {protocol.kind}"
        return f"a toy of kind {protocol.kind} is not trained, so its figure is of epoch 0" if at else None
    if at == 0:
        return "epochs and steps are counted from 1"
    if isinstance(protocol, Polynomial):
        if measure.toy != protocol.kind:
            return f"{metric!r} is no measure of a toy of kind {protocol.kind}"
        if unit == "step" or at > protocol.epochs:
            return f"a toy has a figure for each of its epochs, 1 to {protocol.epochs}"
        return f"over {over}: has no effect with a toy" if over else None
    if measure.toy:
        return f"{metric!r} is a measure of a toy, and the source has a `config`"
    if at > (most := MOST_EPOCHS if unit == "epoch" else MOST_STEPS):
        return f"there are at most {most:,} {unit}s"
    if over and not measure.of_training:
        return f"over {over}: has no effect with {metric!r}, which is no mean over steps"
    if over and unit == "step" and over > at:
        return f"over {over}: there are {at} steps before it"
    reason = measure.lacking(protocol)
    return f"{metric!r} {reason}" if reason else None


def _words(paper: Paper, row: Row, where: Key, source: Source) -> list[Meant]:
    """What the words of a row mean; a word of a kind that has no meanings is a name only."""
    found = []
    for kind, value in row.of.items():
        meanings = paper.words.get(kind)
        if meanings is None:
            continue
        key = next((key for key in (str(value), *meanings) if key in meanings and _same(key, value)), None)
        if key is None:
            place = source.place((*where, "of", kind))
            raise ConfigError([f"{place}: {kind} {value!r} has no meaning under `words`{suggest(value, meanings)}"])
        found.append(Meant(kind, key, meanings[key]))
    return found


def _same(key: str, value: str | int | float) -> bool:
    """Whether a key, which is a text, is how a value was written: 1e-4 is 0.0001."""
    number = scalar(key)
    return key == str(value) or (_is_number(number) and number == value)


def _protocol(paper: Paper, words: list[Meant], source: Source) -> Config | Toy:
    """The protocol of a setting; a mistake in it is placed at the key of the source that holds it."""
    block = "toy" if paper.toy is not None else "config"
    base = paper.toy if paper.toy is not None else paper.config
    if base is None:
        raise ConfigError([f"{source.place(())}: a source has a `config`, a `toy`, or says what is `missing`"])
    tree = _copy(base)
    places = {key[1:]: place for key, place in source.places.items() if key[:1] == (block,)}
    given: dict[Key, Any] = {}
    for meant in words:
        for dotted, value in meant.word.set.items():
            at = source.place(("words", meant.kind, meant.key, "set", dotted))
            path = tuple(dotted.split("."))
            if given.setdefault(path, value) != value:
                raise ConfigError([f"{at}: {dotted}: another word of the same row sets it to {shown(given[path])}"])
            *outer, last = path
            inner = tree
            for key in outer:
                if key in SHORTHANDS and inner is tree and isinstance(inner.get(key), str):
                    inner[key] = {SHORTHANDS[key]: inner[key]}
                if not isinstance(inner.setdefault(key, {}), dict):
                    raise ConfigError([f"{at}: {dotted}: {key} is {shown(inner[key])}, and has no keys"])
                inner = inner[key]
            inner[last] = _copy(value)
            places = {key: place for key, place in places.items() if key[: len(path)] != path} | {path: at}
    made = Source(source.name, tree, {**places, (): source.place((block,))})
    wrong = [f"{made.place(key)}: {'.'.join(key)}: {why}" for key, why in UNUSED[block].items() if _holds(tree, key)]
    if wrong:
        raise ConfigError(wrong)
    if paper.toy is not None:
        return toy_of(made)
    found = validate(made)
    for path, schedule in found.schedules.items():
        if schedule.stretched:
            raise ConfigError(
                [f"{made.place(path)}: {'.'.join(path)}: needs a `horizon`: a run is as long as its cells ask"]
            )
    return found


# Keys that a protocol cannot decide, and what does
SEEDS = "`--seeds` says which seeds are trained"
UNUSED: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "config": {
        ("training", "seed"): SEEDS,
        ("training", "evaluate_at"): "the cells say after which steps there is a row",
        ("data", "fallback"): "a published figure is of its own data",
    },
    "toy": {("seed",): SEEDS},
}


def _holds(tree: Any, key: tuple[str, ...]) -> bool:
    for part in key:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _copy(tree: Any) -> Any:
    return {key: _copy(value) for key, value in tree.items()} if isinstance(tree, dict) else tree
