"""The arguments of the public functions, in the forms of a shell and of Python: what every door checks of them.

A mistake is a ConfigError that names the command's option.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from vaecli.errors import ConfigError, is_text
from vaecli.registry import suggest

Name = str | os.PathLike[str]  # the name of a config, a run or a folder, or a TrainedRun itself
Names = str | Sequence[str]  # "exact,gumbel" or ["exact", "gumbel"]
Numbers = str | float | Sequence[float]  # "0.5,1" or [0.5, 1.0]
Settings = Sequence[str] | Mapping[str, Any]  # ["training.epochs=3"] or {"training.epochs": 3}
Sweeps = Sequence[str] | Mapping[str, Sequence[Any]]  # ["model.temperature=0.5,1"] or {"model.temperature": [0.5, 1]}


@overload
def path_of(name: Name) -> Path: ...
@overload
def path_of(name: None) -> None: ...
def path_of(name: Name | None) -> Path | None:
    """A path, of which `~` is the user's home whether or not a shell has said so; raises ConfigError for none."""
    if name is None:
        return None
    text = os.fspath(name)
    whole = os.path.expanduser(text)
    if not text or "\0" in text:
        raise ConfigError([f"{text!r}: not the name of a file or folder"])
    if not is_text(whole):
        raise ConfigError([f"{text}: a name in UTF-8 is needed, as runs keep the names of their files"])
    return Path(whole)


OUTPUT_DIR, OUTPUT_VARIABLE = Path("outputs"), "VAECLI_OUTPUT_DIR"


def runs_folder(asked: Name | None) -> Path:
    """The folder of the run folders: the one asked for, else that of the environment; raises ConfigError as path_of."""
    return path_of((os.environ.get(OUTPUT_VARIABLE) or OUTPUT_DIR) if asked is None else asked)


def called(config: Any) -> str:
    """What a message calls the config."""
    return os.fspath(config) if isinstance(config, str | os.PathLike) else "config"


def settings_of(asked: Settings) -> list[str]:
    """Settings as "key=value", the form of `--set`."""
    if isinstance(asked, Mapping):
        return [f"{key}={_text(value)}" for key, value in asked.items()]
    return [asked] if isinstance(asked, str) else list(asked)


def sweeps_of(asked: Sweeps) -> list[str]:
    """Sweeps as "key=value,value", the form of `--sweep`."""
    if isinstance(asked, Mapping):
        return [
            f"{key}={values if isinstance(values, str) else ','.join(map(_text, parts(values)))}"
            for key, values in asked.items()
        ]
    return [asked] if isinstance(asked, str) else list(asked)


def _text(value: Any) -> str:
    """A value as YAML on one line: JSON is valid YAML, and a plain word stays plain."""
    if isinstance(value, str) and value.isidentifier() and value.lower() not in ("null", "true", "false"):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")  # JSON's words for them are texts in YAML
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Converts what JSON does not know: a NumPy number to a Python one, a path to text."""
    return value.item() if hasattr(value, "item") else str(value)


def whole(option: str, value: int, low: int, high: float = math.inf) -> int:
    """The number itself; raises ConfigError if it is not whole, too small or too large."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
        most = f" to {high:,}" if high < math.inf else ""
        raise ConfigError([f"--{option} {value}: a whole number from {low}{most} is needed"])
    return int(value)


def number(option: str, value: float) -> float:
    """The number itself; raises ConfigError if it is none."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ConfigError([f"--{option} {value}: a number is needed"])
    return float(value)


Choice = TypeVar("Choice", bound=str)


def one_of(option: str, asked: str, choices: tuple[Choice, ...]) -> Choice:
    """The choice itself; raises ConfigError if there is no such one."""
    for choice in choices:
        if choice == asked:
            return choice
    raise ConfigError([f"--{option} {asked}: no such {option}{suggest(asked, choices)}"])


Number = TypeVar("Number", int, float)


def numbers(option: str, asked: Numbers, kind: Callable[[Any], Number]) -> tuple[Number, ...]:
    """The values without duplicates; raises ConfigError unless all are non-negative numbers of that kind."""
    values = parts(asked)
    try:
        found = tuple(dict.fromkeys(map(kind, values)))
        exact = [float(value) for value in values] == [float(kind(value)) for value in values]
        exact = exact and not any(isinstance(value, bool) for value in values)
    except (TypeError, ValueError, OverflowError):
        found, exact = (), False
    lowest = 0 if kind is int else sys.float_info.min
    if not found or not exact or not all(lowest <= number < math.inf for number in found):
        what = "whole numbers such as 0,1,5" if kind is int else "numbers above 0 such as 0.5,1"
        raise ConfigError([f"--{option} {_listed(asked)}: {what} are needed"])
    return found


def chosen_numbers(option: str, asked: Numbers, kind: Callable[[Any], Number]) -> tuple[Number, ...]:
    """As `numbers`, of which an empty list asks for none."""
    return numbers(option, asked, kind) if parts(asked) else ()


MOST_SEEDS, LARGEST_SEED = 10_000, 2**31 - 1


def seeds_of(asked: Numbers) -> list[int]:
    """The seeds 0 to 4 for 5 or "5", and a list as it is; raises ConfigError for anything else."""
    values = parts(asked)
    how_many = len(values) == 1 and (isinstance(asked, str) or not isinstance(asked, Iterable))
    try:
        found = [int(value) for value in values if not isinstance(value, bool)]
        exact = [float(value) for value in values] == found
    except (TypeError, ValueError, OverflowError):
        found, exact = [], False
    if not exact or not found or min(found) < 0 or (how_many and not found[0]):
        raise ConfigError([f"--seeds {_listed(asked)}: a number of seeds such as 5, or a list such as 0,3,7"])
    if max(found) > (most := MOST_SEEDS if how_many else LARGEST_SEED):
        what = "there are at most {:,} seeds" if how_many else "a seed is at most {:,}"
        raise ConfigError([f"--seeds {_listed(asked)}: {what.format(most)}"])
    return list(range(found[0])) if how_many else list(dict.fromkeys(found))


def parts(asked: Any) -> list[Any]:
    """A list, of which a text has commas between its parts, and what is no list is one part."""
    if isinstance(asked, str):
        return [part.strip() for part in asked.split(",")]
    return list(asked) if isinstance(asked, Iterable) else [asked]


def _listed(asked: Any) -> str:
    return asked if isinstance(asked, str) else ",".join(map(str, parts(asked)))
