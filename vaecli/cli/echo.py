"""The only way in which a command prints."""

import contextlib
from collections.abc import Iterator

import typer

from vaecli.errors import RunFailed, printable


def echo(text: str, *, err: bool = False) -> None:
    """Prints lines, with control characters escaped so that file contents cannot control a terminal.

    A stderr that cannot be written costs nothing else.

    Raises:
        RunFailed: standard output cannot be written.
    """
    with contextlib.suppress(OSError) if err else printing():
        typer.echo("\n".join(map(printable, text.split("\n"))), err=err)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """A context that writes to standard output; raises RunFailed if that is refused, unless its reader is gone."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunFailed(f"standard output: cannot be written ({error.strerror or error})") from None
