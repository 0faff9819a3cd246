"""YAML with places: every key knows its line and column, and the pitfalls of YAML 1.1 are fixed.

`1e-3` is a number and `no` is a string; a duplicate key and any tag are mistakes. Only mappings, lists and scalars
exist, so nothing in a file can construct an object.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vaecli.errors import ConfigError

Key = tuple[str | int, ...]  # ("model", "temperature"), ("network", "hidden", 0)

MAX_BYTES = 1_000_000
MAX_NODES = 10_000  # aliases of aliases grow without bound
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|nan)", re.IGNORECASE)


@dataclass
class Source:
    """A tree of plain values and, for each key in it, the place that an error should name."""

    name: str
    tree: Any = None
    places: dict[Key, str] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        """The place of the key, or of the nearest block around it."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.name)


def read_source(path: Path) -> Source:
    """Reads a config file; raises ConfigError with all of its syntax mistakes."""
    try:
        if path.is_dir():
            raise ConfigError([f"{path}: is a directory, a YAML file is needed"])
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError([f"{path}: larger than {MAX_BYTES:,} bytes, so it is not a config"])
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _where(raw[: error.start].decode("utf-8"))
        raise ConfigError([f"{path}{where}: not a text file (byte {error.start} is not UTF-8)"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str) -> Source:
    """The text of a config file as a Source.

    Raises:
        ConfigError: all mistakes of syntax, with line and column.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError([f"{name}{where}: {error.problem or error.context}"]) from None
    except yaml.reader.ReaderError as error:
        before, reason = text[: error.position], str(error).splitlines()[0]
        raise ConfigError([f"{name}{_where(before)}: not YAML ({reason})"]) from None
    except RecursionError:
        raise ConfigError([f"{name}:1:1: not YAML (nested too deeply)"]) from None
    source = Source(name)
    if root is None:
        raise ConfigError([f"{name}:1:1: the file is empty; `vaecli init gumbel` writes a complete config"])
    builder = _Builder(source)
    source.tree = builder.value(root, ())
    if builder.mistakes:
        raise ConfigError(builder.mistakes)
    return source


def parse_value(text: str, *, name: str) -> Any:
    """The value of a `--set key=value`: a scalar, or a list such as [512, 256]."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        shown = text if len(text) < 80 else f"{text[:80]}..."
        raise ConfigError([f"{name}: the value {shown!r} is not YAML"]) from None
    if root is None:
        return None
    builder = _Builder(Source("value"))
    try:
        value = builder.value(root, ())
    except ConfigError as error:
        builder.mistakes[:] = error.lines
    if builder.mistakes:
        raise ConfigError([f"{name}: {mistake.split(': ', 1)[1]}" for mistake in builder.mistakes])
    return value


def dump(tree: Any) -> str:
    """Plain values as YAML that `parse` reads as the same values."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def represent_text(self, text: str) -> yaml.Node:
        """Quotes text that would be read as something else, such as "08" and "1e3"."""
        same = scalar(text) == text
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if same else "'")


_Dumper.add_representer(str, _Dumper.represent_text)


def scalar(text: str) -> Any:
    """A plain YAML 1.2 scalar.

    >>> scalar("1e-3"), scalar("10"), scalar("no"), scalar("true")
    (0.001, 10, 'no', True)
    """
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _INTEGER.fullmatch(text) and len(text) < 100:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return math.nan if special[2].lower() == "nan" else float(special[1] + "inf")
    return text


def _where(before: str) -> str:
    """The place ":line:column" after this text."""
    return f":{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.mistakes: list[str] = []
        self.open: set[int] = set()
        self.nodes = 0

    def where(self, node: yaml.Node) -> str:
        return f"{self.source.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.source.places.setdefault(key, self.where(node))
        self.nodes += 1
        if id(node) in self.open or self.nodes > MAX_NODES:
            raise ConfigError([f"{self.where(node)}: an alias that contains itself, or too many of them"])
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self.mistakes.append(f"{self.where(node)}: tag '{node.tag}' is not allowed, only plain values are")
            return None
        if isinstance(node, yaml.ScalarNode):
            if node.tag.rpartition(":")[2] not in _PLAIN_TAGS:
                self.mistakes.append(f"{self.where(node)}: tag '{node.tag}' is not allowed")
            quoted = node.style is not None  # always a string
            return node.value if quoted else scalar(node.value)
        if node.tag.rpartition(":")[2] not in ("map", "seq"):
            self.mistakes.append(f"{self.where(node)}: tag '{node.tag}' is not allowed")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*key, i)) for i, item in enumerate(node.value)]
            return dict(self.items(node, key))
        finally:
            self.open.discard(id(node))

    def items(self, node: yaml.Node, key: Key) -> Iterator[tuple[str, Any]]:
        seen: dict[str, str] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self.mistakes.append(f"{self.where(name_node)}: a key is a word, not a list or a mapping")
                continue
            name = name_node.value
            if name in seen:
                self.mistakes.append(
                    f"{self.where(name_node)}: {'.'.join(map(str, (*key, name)))}: given twice, first at {seen[name]}"
                )
                continue
            seen[name] = self.where(name_node)
            self.source.places[(*key, name)] = self.where(name_node)
            yield name, self.value(value_node, (*key, name))


# Tags that PyYAML's resolver may have given a plain scalar; the value itself is read by `scalar`.
_PLAIN_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
