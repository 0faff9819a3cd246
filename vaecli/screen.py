"""What a stream can show: how many columns, lines that are replaced in place, colours."""

import os
from typing import TextIO

USUAL = 80  # columns of a terminal that does not know how many it has


def width_of(stream: TextIO | None) -> int | None:
    """The columns of lines that people read: those of $COLUMNS, or the terminal's.

    None: lines stay whole, as a program that reads a pipe or a file expects them.
    """
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and int(asked):
        return int(asked)
    if stream is None or not is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL
    except (OSError, ValueError):
        return USUAL


def is_terminal(stream: TextIO) -> bool:
    """Whether people see it as it is written."""
    try:
        return stream.isatty()
    except ValueError:  # it was closed
        return False


def replaces(stream: TextIO) -> bool:
    """Whether a line may be written over the one before, as a bar is."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def takes_escapes(stream: TextIO) -> bool:
    """Whether it takes escape codes: colours, and moves to lines above (https://no-color.org)."""
    return replaces(stream) and not os.environ.get("NO_COLOR")
