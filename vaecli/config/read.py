"""Reads a name or path with overrides as a Config, or reports all mistakes at once."""

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from vaecli.config.latent import MAX_ENUMERATED_CODES, Latent
from vaecli.config.machine import slower
from vaecli.config.options import BRANCHES, Block, Schedule, described
from vaecli.config.schema import TEXTS, VARIANTS, Config
from vaecli.config.source import Key, Source, parse, parse_value, read_source, shown
from vaecli.config.template import preset
from vaecli.errors import ConfigError
from vaecli.registry import METHODS, suggest

# To set one of these unsets the other key of its block, unless that was set too.
UNSETS: Mapping[Key, str] = {
    ("training", "epochs"): "steps",
    ("training", "steps"): "epochs",
    ("data", "name"): "fallback",
}
SHORTHANDS = {"model": "name", "data": "name"}  # `model: gumbel` is `model: {name: gumbel}`
STANDARD_INPUT = Path("/dev/stdin")


def read_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """Reads a file, a preset or a method's defaults as a Config, with `--set` style overrides ("training.epochs=3").

    Raises:
        ConfigError: all mistakes of the first stage (syntax; then keys, types and ranges) that finds any.
    """
    return validate(override(config_source(name), overrides))


def config_source(name: str) -> Source:
    """The file or preset that a name refers to, as a tree with places; raises ConfigError."""
    found = find_config(name)
    if isinstance(found, Path) and found.name == "config.yaml" and (found.parent / "run.json").is_file():
        return _as_it_was(read_source(found))
    return read_source(found) if isinstance(found, Path) else parse(preset(found.method), name=str(found))


def _as_it_was(source: Source) -> Source:
    """The config of a run; keys newer than the run get the values that applied when it was made."""
    training = source.tree.get("training") if isinstance(source.tree, dict) else None
    if not isinstance(training, dict):
        return source
    tree = {**source.tree, "training": {"output_bias": "zero", "compile": "xla", **training}}
    if isinstance(data := source.tree.get("data"), dict):
        tree["data"] = {**data, "fallback": None}  # what it was trained on was there
    return replace(source, tree=tree)


class Preset(NamedTuple):
    """A method's config in the article's protocol, made from the registry instead of a file."""

    method: str

    def __str__(self) -> str:
        return f"{self.method} (preset)"


def config_from_text(text: str, name: str = "config") -> Config:
    """Reads a string as `read_config` reads a file."""
    return validate(parse(text, name=name))


def config_from_tree(tree: Any, name: str, overrides: Sequence[str] = ()) -> Config:
    """Reads plain values, kept in a file of this name, as `read_config` reads a file."""
    return validate(override(Source(name, tree), overrides))


def config_of_run(tree: Any, name: str) -> Config:
    """The config that a run keeps in its run.json, with what its keys meant when it was made."""
    return validate(_as_it_was(Source(name, tree)), anywhere=True)


def preset_folders() -> list[Path]:
    """The folders of the shipped configs: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return [folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir()]


def family_configs(family: str) -> list[str]:
    """The names of the configs that are shipped in a folder of their own."""
    found = {file.stem for folder in preset_folders() for file in folder.glob(f"{family}/*.yaml")}
    return [f"{family}/{stem}" for stem in sorted(found)]


def find_config(name: str) -> Path | Preset:
    """The first of: a path, a file of ./configs, a shipped file, the preset of a method; "-" is standard input.

    The ending .yaml may be omitted. The path configs/NAME.yaml of a known method also means its preset if there is no
    such file.

    Raises:
        ConfigError: nothing has that name.
    """
    asked = STANDARD_INPUT if name == "-" else Path(os.path.expanduser(name))
    folders = [Path("configs"), *preset_folders()]
    places = [asked, *(folder / name for folder in folders if not asked.is_absolute())]
    if asked.suffix not in (".yaml", ".yml"):
        places += [place.with_name(place.name + ".yaml") for place in places if place.name]
    try:
        found = next((place for place in places if place.is_file()), None)
        if found is None and os.path.lexists(asked):
            return asked  # a directory, a pipe or a link that leads nowhere: reading it reports what is wrong
    except PermissionError as error:
        raise ConfigError([f"{name}: cannot be read ({error.strerror})"]) from None
    except (OSError, ValueError):
        raise ConfigError([f"{name!r}: not a file name"]) from None
    if found is None:
        method = asked.name.removesuffix(".yaml").removesuffix(".yml")
        if method in METHODS and asked.parent in (Path(), Path("configs")):
            return Preset(method)
        presets = {*METHODS, *(file.stem for folder in folders for file in folder.glob("*.yaml"))}
        raise ConfigError([f"{name}: no such config file{suggest(asked.stem, sorted(presets))}"])
    return found


def is_config(name: str) -> bool:
    """Whether a name refers to a file that may be a config, or to a preset."""
    try:
        found = find_config(name)
    except ConfigError:
        return False
    return isinstance(found, Preset) or (found.exists() and not found.is_dir())


def override(source: Source, settings: Iterable[str]) -> Source:
    """A copy of the source with each "key.path=value" applied, in their order.

    Another data set has no `fallback` of the one before it, and another length in epochs or steps is the only one.

    Raises:
        ConfigError: all settings that are malformed, or that a later one takes back.
    """
    changed = replace(source, tree=copy.deepcopy(source.tree), places=dict(source.places))
    if not isinstance(changed.tree, dict):
        return changed
    mistakes = []
    given: dict[Key, tuple[str, Any]] = {}  # what was set so far: setting, value
    for setting in settings:
        name, equals, text = setting.partition("=")
        path = tuple(name.strip().split("."))
        if not equals or not all(path):
            mistakes.append(f"--set {setting}: write it as key.path=value, e.g. training.epochs=3")
            continue
        value = parse_value(text, name=f"--set {setting}", as_text=path in TEXTS)
        mistakes += _taken_back(path, value, given, setting)
        given[path] = setting, value
        block = changed.tree
        for depth, key in enumerate(path[:-1]):
            inner = block.get(key)
            if not isinstance(inner, dict):
                shorthand = SHORTHANDS.get(key) if depth == 0 and inner is not None else None
                if shorthand:
                    changed.places[(key, shorthand)] = changed.place((key,))
                    inner = {shorthand: inner}
                else:
                    changed.places[path[: depth + 1]] = f"--set {setting}"
                    inner = {}
            block[key] = inner
            block = inner
        block[path[-1]] = value
        if (unset := UNSETS.get(path)) and (*path[:-1], unset) not in given:
            block.pop(unset, None)
        for old in [key for key in changed.places if key[: len(path)] == path]:
            del changed.places[old]
        changed.places[path] = f"--set {setting}"
    if mistakes:
        raise ConfigError(mistakes)
    return changed


def _taken_back(path: Key, value: Any, given: Mapping[Key, tuple[str, Any]], setting: str) -> Iterator[str]:
    """One line for each earlier setting of which this one would leave nothing."""
    for earlier, (before, old) in given.items():
        if earlier[: len(path)] == path and (earlier != path or old != value):
            yield f"--set {setting}: takes back --set {before}; give one of the two"


def validate(source: Source, *, anywhere: bool = False) -> Config:
    """The Config that a source describes.

    Args:
        anywhere: allow what is refused on this machine alone.

    Raises:
        ConfigError: every mistake in keys, types and ranges, each with its place and the value received.
    """
    mistakes = list(source.mistakes)
    if not isinstance(source.tree, dict) and not mistakes:
        mistakes.append((source.place(()), "a config is a mapping such as `model: gumbel`"))
    if not isinstance(source.tree, dict):
        raise ConfigError([f"{place}: {text}" for place, text in mistakes])
    blocks: dict[str, Block] = {}
    known = Config.model_fields
    for name in source.tree:
        if name not in known:
            mistakes.append((source.place((name,)), f"{name}: unknown key{_elsewhere(name) or suggest(name, known)}"))
    if "model" not in source.tree and ("model",) not in source.places:
        mistakes.append((source.place(()), "model: missing, e.g. `model: gumbel`"))
    for name in known:
        if name in source.tree:
            block, wrong = _block(name, source.tree[name], source)
            mistakes += wrong
            if block is not None:
                blocks[name] = block
    if not mistakes:
        config = Config(**blocks)  # type: ignore[arg-type]
        mistakes = list(_combinations(config, source))
        if not anywhere and (reason := slower(config)):
            place, key = source.place(("training", "precision")), "training.precision: mixed_bfloat16"
            mistakes.append((place, f"{key} would be slower: {reason}; `force_precision: true` trains in it anyway"))
    if mistakes:
        raise ConfigError([f"{place}: {text}" for place, text in sorted(mistakes, key=_in_file_order)])
    return config


def _block(name: str, tree: Any, source: Source) -> tuple[Block | None, list[tuple[str, str]]]:
    place = source.place((name,))
    if isinstance(tree, str) and name in SHORTHANDS:
        tree = {SHORTHANDS[name]: tree}
    if not isinstance(tree, Mapping):
        return None, [(place, f"{name}: a block of keys is needed, received {shown(tree)}")]
    block_class: Any = Config.model_fields[name].annotation
    decider, variants = VARIANTS.get(name, ("", {}))
    value: Any = tree.get(decider, block_class.model_fields[decider].default) if variants else None
    if variants and (not isinstance(value, str) or value not in variants):
        where = source.place((name, decider))
        if decider not in tree:
            return None, [(place, f"{name}.{decider}: missing (known: {', '.join(variants)})")]
        if isinstance(value, str):
            return None, [(where, f"unknown {_kind(name, decider)} {value!r}{suggest(value, variants)}")]
        text = f"{name}.{decider}: a name is needed, received {shown(value)} (known: {', '.join(variants)})"
        return None, [(where, text)]
    try:
        block_class = variants[value] if variants else block_class
        return block_class.model_validate(dict(tree)), []
    except ConfigError as error:  # a method of another package that is unusable
        return None, [(source.place((name, decider)), str(error))]
    except ValidationError as error:
        return None, mistakes(error, source, (name,), lambda key: _unknown_key(key, block_class, value))


def mistakes(
    error: ValidationError, source: Source, prefix: Key, unknown: Callable[[Key], str]
) -> list[tuple[str, str]]:
    """Place and text of each mistake that pydantic found in the block of a source at `prefix`.

    Args:
        unknown: what is said of a key that does not exist.
    """
    wrong = []
    for item in error.errors():
        key: Key = (*prefix, *(step for step in item["loc"] if step not in BRANCHES))
        if item["type"] == "missing" and key in source.places:
            continue  # its mistake is told
        if item["type"] == "extra_forbidden":
            text = unknown(key)
        elif item["type"] == "missing":
            text = "missing"
        else:
            own = WORDS.get(item["type"], "").format(**item.get("ctx", {}))
            message = own or item["msg"].removeprefix("Input ")
            text = f"{message[0].lower()}{message[1:]}, received {shown(item['input'])}"
        wrong.append((source.place(key), f"{'.'.join(map(str, key))}: {text}"))
    return wrong


# What pydantic says in words of its own, by its type of error
WORDS: Mapping[str, str] = {
    "string_type": "should be a text",
    "tuple_type": "should be a list such as [512, 256]",
    "too_short": "should have {min_length} or more values",
    "too_long": "should have {max_length} or fewer values",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
}


def _elsewhere(key: str) -> str:
    """The suggestion of a key of this name in a block; empty if there is none."""
    for block, field in Config.model_fields.items():
        classes = [*VARIANTS[block][1].values()] if block in VARIANTS else [field.annotation]
        if any(key in block_class.model_fields for block_class in classes):  # type: ignore[union-attr]
            return f", did you mean '{block}.{key}'?"
    return ""


def _unknown_key(path: Key, block_class: type[Block], value: str | None) -> str:
    block, key = str(path[0]), str(path[-1])
    decider, variants = VARIANTS.get(block, ("", {}))
    if len(path) > 2:  # the only block within a block
        return f"unknown key{suggest(key, Schedule.model_fields)}"
    if any(key in variant.model_fields for variant in variants.values()):
        return f"`{key}` has no effect with {_kind(block, decider)}: {value}"
    return f"unknown key{_elsewhere(key) or suggest(key, block_class.model_fields)}"


def _kind(block: str, decider: str) -> str:
    return block if decider == "name" else decider


def _combinations(config: Config, source: Source) -> Iterable[tuple[str, str]]:
    """Mistakes that involve more than one key."""
    method = config.model.method
    latent = Latent.of(config.model.codes)
    if method.enumerates and not latent.enumerable:
        yield (
            source.place(("model",)),
            f"model: '{config.model.name}' decodes all codes of an image at each step, "
            f"at most {MAX_ENUMERATED_CODES}, received {latent.most_values}^{latent.codes_per_position}",
        )
    options, known = config.model.options(), described(method)
    for key, option in known.items():
        other, only = option.only_with or (key, (options[key],))
        if options[key] != option.default and options[other] not in only:
            yield (
                source.place(("model", key)),
                f"model.{key}: `{key}` has no effect with {other}: {options[other]}, received {options[key]!r}",
            )
    if config.objective.likelihood == "gaussian" and config.data.binarization != "none":
        yield (
            source.place(("objective", "likelihood")),
            f"objective.likelihood: a gaussian density of pixels that are 0 or 1 means nothing; bernoulli fits "
            f"data.binarization: {config.data.binarization}",
        )
    for (block, key), schedule in config.schedules.items():
        if schedule.stretched and config.training.epochs and schedule.warm_up >= config.training.epochs:
            yield (
                source.place((block, key, "warm_up")),
                f"{block}.{key}.warm_up: is not over when the run ends after {config.training.length}, so its shape "
                f"has no time; give a `horizon`, or more epochs, received {schedule.warm_up:g}",
            )
    if method.constant_rate and config.objective.beta:
        yield (
            source.place(("objective", "beta")),
            f"objective.beta: `beta` has no effect with model: {config.model.name}, whose rate is constant",
        )
    codes = config.evaluation.codes
    if codes == "relaxed" and not method.relaxes:
        yield (
            source.place(("evaluation", "codes")),
            f"evaluation.codes: model: {config.model.name} is not trained on a relaxed sample, so it has none",
        )
    if codes == "mode" and method.constant_rate:
        yield (
            source.place(("evaluation", "codes")),
            f"evaluation.codes: `mode` has no effect with model: {config.model.name}, whose codes are always the mode",
        )
    if config.objective.prior == "learned":
        without = None
        if not method.bottleneck.learns_prior:
            without = f"model: {config.model.name}, which has no categorical posterior"
        elif not config.objective.beta:
            without = "beta 0.0: the rate alone trains it"
        if without:
            yield source.place(("objective", "prior")), f"objective.prior: `learned` has no effect with {without}"


def _in_file_order(mistake: tuple[str, str]) -> tuple[bool, list[int]]:
    place = mistake[0]
    return place.startswith("--"), [int(part) for part in place.rsplit(":", 2)[1:] if part.isdigit()]
