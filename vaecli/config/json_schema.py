"""A JSON schema of configs, with which editors complete keys, explain them and underline mistakes.

It says what each key is alone; what several of them may not be together, `vaecli check` says.
"""

from collections.abc import Mapping
from typing import Any

from vaecli.config.read import SHORTHANDS
from vaecli.config.schema import VARIANTS, Config

FILE_NAME = ".vaecli.schema.json"  # beside a config that `init` has written
MODELINE = f"# yaml-language-server: $schema={FILE_NAME}"
# As pydantic leaves the bounds of a number that has a validator of its own, and as JSON schema calls them.
BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def json_schema() -> dict[str, Any]:
    """The schema of a config in draft 7, with the methods of other packages that are installed."""
    shared: dict[str, Any] = {}
    blocks = {name: _block(name, shared) for name in Config.model_fields}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A config of vaecli",
        "type": "object",
        "properties": blocks,
        "required": ["model"],
        "additionalProperties": False,
        "$defs": shared,
    }


def _block(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """The schema of a block; where a key decides which others there are, with a case for each of its values."""
    field = Config.model_fields[name]
    default = None if field.is_required() else field.default
    if name not in VARIANTS:
        return _of_class(type(default), shared)
    decider, variants = VARIANTS[name]
    usual = getattr(default, decider, None)
    deciding: dict[str, Any] = {"enum": list(variants)}
    cases = []
    for value, cls in variants.items():
        case = _of_class(cls, shared)
        deciding["description"] = case["properties"][decider].get("description", deciding.get("description"))
        case["properties"][decider] = {"const": value}
        is_it: dict[str, Any] = {"properties": {decider: {"const": value}}}
        if value != usual:
            is_it["required"] = [decider]
        cases.append({"if": is_it, "then": case})
    block = {"type": "object", "properties": {decider: deciding}, "allOf": cases}
    if usual is None:
        block["required"] = [decider]
    else:
        deciding["default"] = usual
    return {"anyOf": [{"enum": list(variants)}, block]} if SHORTHANDS.get(name) == decider else block


def _of_class(cls: Any, shared: dict[str, Any]) -> dict[str, Any]:
    found = _plain(cls.model_json_schema())
    shared.update(found.pop("$defs", {}))
    found.pop("description", None)  # the class's docstring, which is for programmers
    return found


def _plain(tree: Any) -> Any:
    """Without the titles that pydantic makes of names, and with all bounds as JSON schema has them."""
    if isinstance(tree, list):
        return [_plain(item) for item in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {
        BOUNDS.get(key, key): {name: _plain(of) for name, of in value.items()} if key == "properties" else _plain(value)
        for key, value in tree.items()
        if key != "title"
    }
