"""The only way in which a command prints."""

import contextlib
import sys
from collections.abc import Iterable, Iterator

import typer

from vaecli.errors import RunFailed, printable
from vaecli.screen import USUAL, width_of


def tell(lines: Iterable[str], *, err: bool = False) -> None:
    """Prints lines for people: on a terminal they are folded at words."""
    from vaecli.reports.columns import filled

    width = width_of(sys.stderr if err else sys.stdout)
    for line in lines:
        echo("\n".join(filled(line, width)), err=err)


def table_width() -> int | None:
    """The columns of a table on standard output; None: as many as it needs, as in a pipe."""
    return width_of(sys.stdout)


def text_columns() -> int:
    """The columns of text on standard output that is folded also in a pipe."""
    return width_of(sys.stdout) or USUAL


def echo(text: str, *, err: bool = False) -> None:
    """Prints lines as they are, with control characters escaped so that file contents cannot control a terminal.

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
