"""The forms in which a command prints its table, and the option that chooses one."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Protocol

import typer

from vaecli.cli.echo import echo
from vaecli.cli.options import choices


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    md = "md"
    latex = "latex"


FormatOption = Annotated[Format, typer.Option("--format", "-f", metavar=choices(Format), help="Format of the table.")]


class Tabular(Protocol):
    """What has a table in every form."""

    @property
    def markdown(self) -> str: ...
    @property
    def latex(self) -> str: ...
    @property
    def csv(self) -> str: ...
    @property
    def records(self) -> list[dict[str, Any]]: ...


def print_as(format_: Format, found: Tabular, table: Iterable[str]) -> None:
    """Prints it in a form.

    Args:
        table: the lines of the table for people.
    """
    match format_:
        case Format.table:
            echo("\n".join(table))
        case Format.md:
            echo(found.markdown)
        case Format.latex:
            echo(found.latex)
        case Format.csv:
            echo(found.csv.rstrip("\n"))
        case Format.json:
            echo(json.dumps(found.records, indent=2))
