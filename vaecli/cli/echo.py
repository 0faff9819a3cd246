"""The one way in which a command prints."""

import typer

from vaecli.errors import printable


def echo(text: str, *, err: bool = False) -> None:
    """Prints lines: what files contain cannot steer a terminal."""
    typer.echo("\n".join(map(printable, text.split("\n"))), err=err)
