"""Lines that are replaced in place: what they show, and that nothing of them stays."""

import io
import re

import pytest

from vaecli.terminal.live import Line, Live


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self):
        return True

    @property
    def screen(self):
        """The lines that it shows: carriage returns, moves up and erasures carried out."""
        lines, row, column = [""], 0, 0
        text = self.getvalue()
        while text:
            if text[0] == "\r":
                column, text = 0, text[1:]
            elif text[0] == "\n":
                row, column, text = row + 1, 0, text[1:]
                lines += [""] * (row + 1 - len(lines))
            elif found := re.match(r"\x1b\[(\d*)([A-Zm])", text):
                (number, code), text = found.groups(), text[found.end() :]
                if code == "A":
                    row -= int(number)
                elif code == "J":
                    lines = [*lines[:row], lines[row][:column]]
            else:
                lines[row] = f"{lines[row]:<{column}}"[:column] + text[0] + lines[row][column + 1 :]
                column, text = column + 1, text[1:]
        return [line.rstrip() for line in lines]


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(width, **environment)`: a terminal and what is shown on it, with no pause between two pictures."""
    monkeypatch.setattr("vaecli.terminal.live.SECONDS_BETWEEN", 0)

    def made(width=80, **environment):
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm", "COLUMNS": str(width), **environment}.items():
            monkeypatch.setenv(name, value)
        stream = Terminal()
        return stream, Live(stream)

    return made


TASKS = (
    Line(0.5, ["vae-s0", "loss 0.1234"]),
    Line(0.25, ["gumbel-s0", "loss 0.0571"]),
    Line(None, ["all", "9 s left"]),
)


def test_all_lines_are_shown_and_replaced_and_gone_at_the_end(terminal):
    stream, live = terminal()
    live.show(TASKS)
    live.show(TASKS)
    assert [line.split()[-1] for line in stream.screen] == ["0.1234", "0.0571", "left"]
    live.above("a message")
    assert stream.screen[0] == "a message"
    assert len(stream.screen) == 4
    live.show(TASKS[2:])
    assert stream.screen == ["a message", "all  9 s left"]
    live.clear()
    assert stream.screen == ["a message", ""]


def test_without_escape_codes_only_the_last_line_is_shown(terminal):
    stream, live = terminal(NO_COLOR="1")
    live.show(TASKS)
    live.above("a message")
    live.show(TASKS[:1])
    assert stream.screen[0] == "a message"
    assert "loss 0.1234" in stream.screen[1]
    live.clear()
    assert stream.screen == ["a message", ""]
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_words_are_left_out_before_a_line_is_wrapped_or_a_number_cut(terminal, width):
    stream, live = terminal(width)
    words = ["loss 0.1234", "12,345 images/s", "1:23:45 left"]
    live.show([Line(0.5, words)])
    (line,) = stream.screen
    assert len(line) < width
    assert line.startswith(" 50% ")
    said = line[5:].lstrip("━─ ")
    assert "  ".join(words).startswith(said)
    assert said.split("  ") == words[: len(said.split("  "))]
    assert ("left" in line) == (width >= 60)


def test_a_bar_is_as_long_as_its_share(terminal):
    for share in (-1.0, 0.0, 0.5, 1.0, 2.0):
        stream, live = terminal()
        live.show([Line(share, [])])
        assert stream.screen[0].count("━") == round(30 * min(max(share, 0), 1))
        assert len(stream.screen[0].split()[-1]) == 30


def test_pictures_that_nobody_could_read_are_left_out(terminal, monkeypatch):
    monkeypatch.setattr("vaecli.terminal.live.time.monotonic", lambda: 5.0)
    stream, live = terminal()
    monkeypatch.setattr("vaecli.terminal.live.SECONDS_BETWEEN", 0.1)
    live.show([Line(None, ["first"])])
    live.show([Line(None, ["second"])])
    assert stream.screen == ["first"]
