"""What a stream can show."""

import io

import pytest

from vaecli.screen import replaces, takes_escapes, width_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("columns", "stream", "width"),
    [
        (None, io.StringIO(), None),
        (None, None, None),
        (None, Terminal(), 80),
        ("60", io.StringIO(), 60),
        ("60", Terminal(), 60),
        ("0", io.StringIO(), None),
        ("wide", Terminal(), 80),
        ("", io.StringIO(), None),
    ],
)
def test_the_width_is_that_of_columns_or_of_a_terminal(monkeypatch, columns, stream, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert width_of(stream) == width


def test_a_closed_stream_is_no_terminal():
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    assert not replaces(stream)


@pytest.mark.parametrize(
    ("environment", "in_place", "escapes"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_escape_codes_go_where_they_are_taken(monkeypatch, environment, in_place, escapes):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (replaces(Terminal()), takes_escapes(Terminal())) == (in_place, escapes)
    assert (replaces(io.StringIO()), takes_escapes(io.StringIO())) == (False, False)
