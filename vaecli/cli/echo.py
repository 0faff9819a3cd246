"""The only way in which a command prints."""

import typer

from vaecli.errors import printable


def echo(text: str, *, err: bool = False) -> None:
    """Prints lines, with control characters escaped so that file contents cannot control a terminal."""
    typer.echo("\n".join(map(printable, text.split("\n"))), err=err)
