"""YAML with places: every key knows its line and column, and the pitfalls of YAML 1.1 are fixed.

`1e-3` is a number and `no` is a string; a duplicate key and any tag are mistakes. Only mappings, lists and scalars
exist, so nothing in a file can construct an object.
"""

import math
import os
import re
import select
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vaecli.errors import ConfigError

Key = tuple[str | int, ...]  # ("model", "temperature"), ("network", "hidden", 0)

MAX_BYTES = 1_000_000
MAX_NODES = 10_000  # aliases of aliases grow without bound
LONGEST_QUOTED = 200  # characters of a value in a message
PATIENCE = 10  # seconds that a pipe may stay silent
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
    mistakes: list[tuple[str, str]] = field(default_factory=list)  # place, text; what they are in is not in the tree

    def place(self, key: Key) -> str:
        """The place of the key, or of the nearest block around it."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.name)


def read_source(path: Path) -> Source:
    """Reads a config file, or a pipe; raises ConfigError if it is no YAML."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ConfigError([f"{path}: is a directory, a YAML file is needed"])
        if stat.S_ISREG(kind):
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        else:
            raw = _piped(path)
        if len(raw) > MAX_BYTES:
            raise ConfigError([f"{path}: larger than {MAX_BYTES:,} bytes, so it is not a config"])
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _where(raw[: error.start].decode("utf-8"))
        raise ConfigError([f"{path}{where}: not a text file (byte {error.start} is not UTF-8)"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    return parse(text, name=str(path))


@cache
def _piped(path: Path) -> bytes:
    """What a pipe or a device gives until its end; kept, because it can be read once.

    Raises:
        ConfigError: nothing came for a while.
        OSError: it cannot be read.
    """
    handle, raw = os.open(path, os.O_RDONLY | os.O_NONBLOCK), b""
    try:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        while len(raw) <= MAX_BYTES:
            if not waiting.poll(1000 * PATIENCE):
                raise ConfigError([f"{path}: a YAML file is needed, and nothing came from it for {PATIENCE} seconds"])
            block = os.read(handle, 1 << 16)
            if not block:
                break
            raw += block
    finally:
        os.close(handle)
    return raw


class _Loader(yaml.SafeLoader):
    """PyYAML's, which gives up a text of too many values before it has read them all."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            problem = f"more than {MAX_NODES:,} values, so it is not a config"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)


# PyYAML's words for what deserves other ones
_SYNTAX = {
    "but found another document": "a second document begins here, and a config is one",
    "found character '\\t' that cannot start any token": "a tab stands here; YAML is indented with spaces alone",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "mapping values are not allowed here": "no key can stand here; the one before it needs a ':' and a space after it, "
    "and the same indentation",
    "expected <block end>, but found '<block mapping start>'": "indented like no key above; keys of one block begin in "
    "one column",
}


def parse(text: str, *, name: str) -> Source:
    """The text of a config file as a Source, with the mistakes of its single values and keys.

    Raises:
        ConfigError: it is not YAML, with line and column; or it is empty.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "not YAML"
        raise ConfigError([f"{name}{where}: {_SYNTAX.get(problem, problem)}"]) from None
    except yaml.reader.ReaderError as error:
        before, reason = text[: error.position], str(error).splitlines()[0]
        raise ConfigError([f"{name}{_where(before)}: not YAML ({reason})"]) from None
    except RecursionError:
        raise ConfigError([f"{name}:1:1: not YAML (nested too deeply)"]) from None
    source = Source(name)
    if root is None:
        raise ConfigError([f"{name}:1:1: the file is empty; `vaecli init gumbel` writes a complete config"])
    source.tree = _Builder(source).value(root, ())
    return source


def parse_value(text: str, *, name: str, as_text: bool = False) -> Any:
    """The value of a `--set key=value`: a list, a mapping or a quoted text in YAML, and all else as it stands.

    Args:
        as_text: of a key whose value is a text, which has no numbers: 1e3 is the name of a file.
    """
    text = text.strip()
    if not text.startswith(("[", "{", '"', "'")):
        return text if as_text and text != "null" else scalar(text)
    source = Source("value")
    try:
        root = yaml.compose(text, Loader=_Loader)
        assert root is not None  # the text is not empty
        value = _Builder(source).value(root, ())
    except (yaml.YAMLError, RecursionError):
        raise ConfigError([f"{name}: the value {shown(text)} is not YAML"]) from None
    except ConfigError as error:
        raise ConfigError([f"{name}: {line.partition(': ')[2]}" for line in error.lines]) from None
    if source.mistakes:
        raise ConfigError([f"{name}: {mistake}" for _, mistake in source.mistakes])
    return value


def shown(value: Any) -> str:
    """A value as a message quotes it, on a line of bounded length."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}..."


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


_WRONG = object()  # a value with a mistake of its own


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.open: set[int] = set()
        self.nodes = 0

    def where(self, node: yaml.Node) -> str:
        return f"{self.source.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def wrong(self, node: yaml.Node, text: str) -> object:
        self.source.mistakes.append((self.where(node), text))
        return _WRONG

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.source.places.setdefault(key, self.where(node))
        self.nodes += 1
        if id(node) in self.open or self.nodes > MAX_NODES:
            raise ConfigError([f"{self.where(node)}: an alias that contains itself, or too many of them"])
        if not node.tag.startswith("tag:yaml.org,2002:"):
            return self.wrong(node, f"tag '{node.tag}' is not allowed, only plain values are")
        if isinstance(node, yaml.ScalarNode):
            if node.tag.rpartition(":")[2] not in _PLAIN_TAGS:
                return self.wrong(node, f"tag '{node.tag}' is not allowed")
            quoted = node.style is not None  # always a string
            return node.value if quoted else scalar(node.value)
        if node.tag.rpartition(":")[2] not in ("map", "seq"):
            return self.wrong(node, f"tag '{node.tag}' is not allowed")
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                items = [self.value(item, (*key, i)) for i, item in enumerate(node.value)]
                return _WRONG if _WRONG in items else items
            return dict(self.items(node, key))
        finally:
            self.open.discard(id(node))

    def items(self, node: yaml.Node, key: Key) -> Iterator[tuple[str, Any]]:
        seen: dict[str, str] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self.wrong(name_node, "a key is a word, not a list or a mapping")
                continue
            name = name_node.value
            path = ".".join(map(str, (*key, name)))
            if name_node.tag == _MERGE:
                self.wrong(name_node, f"{path}: keys are not merged from elsewhere; write them out")
                continue
            if name in seen:
                self.wrong(name_node, f"{path}: given twice, first at {seen[name]}")
                continue
            seen[name] = self.where(name_node)
            self.source.places[(*key, name)] = self.where(name_node)
            value = self.value(value_node, (*key, name))
            if value is not _WRONG:
                yield name, value


_MERGE = "tag:yaml.org,2002:merge"  # of a plain `<<`
# Tags that PyYAML's resolver may have given a plain scalar; the value itself is read by `scalar`.
_PLAIN_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
