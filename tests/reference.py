"""The lists of the documentation that are the code's own: every option of every command, and every key of a config.

    python tests/reference.py

writes them into .github/docs/commands.md and .github/docs/keys.md, below the text that each page begins with.
tests/test_readme.py holds both pages to them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from typer import Context
from typer.main import get_command

from vaecli.cli.app import app
from vaecli.cli.command import help_records
from vaecli.config.schema import VARIANTS, Config
from vaecli.config.template import plain_yaml

DOCS = Path(__file__).parents[1] / ".github" / "docs"
MOST_NAMED = 4  # of the values that a key belongs to


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table of Markdown, whose cells may hold any text."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in line) + " |" for line in lines]


def commands() -> Iterator[str]:
    """The section of each command: what its --help says."""
    for name, command in every(get_command(app), "vaecli"):
        yield from ["", f"## {name}", ""]
        for paragraph in (command.help or "").split("\n\n"):
            yield from [" ".join(paragraph.split()), ""]
        yield from ["```sh", *command.callback.examples, "```", ""]
        found = help_records(command, Context(command))
        records = [*found["Arguments"], *found["Options"]]
        rows = [(f"`{left}`", right) for left, right in records if not left.endswith("--help")]
        yield from table(["argument or option", "meaning"], rows)


def every(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command that can be typed, then those below it, with the words that call them."""
    if not hasattr(command, "commands") or (command.invoke_without_command and name != "vaecli"):
        yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from every(below, f"{name} {word}")


def keys() -> Iterator[str]:
    """The section of each block of a config: its keys, in a line for each of their defaults and meanings."""
    for block, field in Config.model_fields.items():
        decider, variants = VARIANTS.get(block, ("", {"": type(field.default)}))
        lines: dict[tuple[str, str, str], list[str]] = {}  # key, default, meaning -> values of the deciding key
        for value, cls in variants.items():
            for key, described in cls.model_fields.items():
                default = "" if described.is_required() else f"`{plain_yaml(described.default)}`"
                if key == decider:
                    default, meaning = "", variants[next(iter(variants))].model_fields[key].description
                else:
                    meaning = described.description
                lines.setdefault((key, default, meaning), []).append(value)
        rows = [
            (f"`{block}.{key}`", default, some(values, len(variants), key == decider), meaning)
            for (key, default, meaning), values in lines.items()
        ]
        yield from ["", f"## The block {block}", "", *table(["key", "default", decider or " ", "meaning"], rows)]


def some(values: list[str], of: int, decides: bool) -> str:
    """The values of the deciding key with which a key exists; nothing if it exists with all of them."""
    if len(values) == of and not decides:
        return ""
    named = values if decides else values[:MOST_NAMED]
    more = f" and {len(values) - len(named)} more" if len(values) > len(named) else ""
    return ", ".join(f"`{value}`" for value in named) + more


PAGES = {"commands.md": commands, "keys.md": keys}


def parts(page: str) -> tuple[str, str]:
    """The text that a page begins with, and its lists: from the first section of the code's on."""
    first = next(line for line in PAGES[page]() if line.startswith("## "))
    text = (DOCS / page).read_text(encoding="utf-8")
    begin, found, rest = text.partition(f"\n{first}\n")
    return begin.rstrip("\n") + "\n", found + rest


if __name__ == "__main__":
    for page, lines in PAGES.items():
        (DOCS / page).write_text(parts(page)[0] + "\n".join(lines()) + "\n", encoding="utf-8")
