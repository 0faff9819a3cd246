"""`vaecli init`: a config with every key of a method, its default and what it means."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import yaml
from pydantic_core import PydanticUndefined

from vaecli.config.schema import VARIANTS, Config
from vaecli.registry import METHODS

# Where the article's protocol differs from the defaults: the weight of its commitment loss, and digits as the fallback
# for MNIST.
ARTICLE: Mapping[tuple[str, str], Any] = {("model", "commitment"): 1.0, ("data", "fallback"): "digits"}


def preset(model: str) -> str:
    """A method's config in the article's protocol: the meaning of `--config NAME` if there is no such file."""
    return _text(model, ARTICLE)


def template(model: str, width: int | None = None) -> str:
    """A complete, commented YAML config of one method, at its defaults.

    The result, read back, is the same Config as `model: <name>` alone.

    Args:
        width: the longest line of a comment that can be folded; None: each stays on the line of its key.
    """
    return _text(model, {}, width)


def _text(model: str, values: Mapping[tuple[str, str], Any], width: int | None = None) -> str:
    lines = [*_commented("", f"{model}: {METHODS[model].help}", 0, width), ""]
    for block, field in Config.model_fields.items():
        cls: Any = VARIANTS["model"][1][model] if block == "model" else type(field.default)
        lines.append(f"{block}:")
        rows = []
        for key, option in cls.model_fields.items():
            value = model if option.default is PydanticUndefined else values.get((block, key), option.default)
            rows.append((f"  {key}: {plain_yaml(value)}", option.description))
        longest = max(len(text) for text, _ in rows)
        for text, description in rows:
            lines += _commented(text, description or "", longest + 2, width)
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _commented(text: str, comment: str, indent: int, width: int | None) -> list[str]:
    """A line with a comment, which goes on in lines of its own where it is too long."""
    room = 10**6 if width is None else max(width - indent - 2, 20)
    first, *others = wrap(comment, room, break_long_words=False, break_on_hyphens=False)
    return [f"{text:<{indent}}# {first}", *(f"{'':<{indent}}# {other}" for other in others)]


def plain_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
