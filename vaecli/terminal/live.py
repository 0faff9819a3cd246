"""Lines at the end of a terminal that are written over in place, and never stay behind."""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from vaecli.screen import USUAL, takes_escapes, width_of

SECONDS_BETWEEN = 0.1  # two pictures of the same lines: nobody reads faster
LONGEST, SHORTEST = 30, 5  # columns of a bar
DONE, LEFT = "━", "─"
ON, OFF = "\x1b[32m", "\x1b[0m"


class Line(NamedTuple):
    """One line: a bar where its share is known, and words, of which the last are dropped where they do not fit."""

    share: float | None  # done, of 1
    words: Sequence[str]


class Live:
    """Shows lines in place. Without escape codes there is no way back up, so only the last of them is shown."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._escapes = takes_escapes(stream)
        self._shown: list[str] = []
        self._next = 0.0
        self._lock = threading.RLock()  # notes come from any thread

    def show(self, lines: Sequence[Line]) -> None:
        """Replaces what is shown; does nothing if that is too young to have been read."""
        with self._lock:
            if self._shown and time.monotonic() < self._next:
                return
            self._next = time.monotonic() + SECONDS_BETWEEN
            shown = list(lines) if self._escapes else list(lines)[-1:]
            self._write(self._erased() + "\n".join(self._drawn(shown)))

    def clear(self) -> None:
        """Removes what is shown."""
        with self._lock:
            if self._shown:
                self._write(self._erased())

    def above(self, text: str) -> None:
        """Writes lines that stay, above what is shown."""
        with self._lock:
            shown = self._shown
            erased = self._erased()
            self._shown = shown
            drawn = "\n".join(map(self._coloured, shown))
            self._write(f"{erased}{text}\n{drawn}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _erased(self) -> str:
        """What takes the lines away, with the cursor at the end of the last one."""
        shown, self._shown = self._shown, []
        if not shown:
            return ""
        if not self._escapes:
            return f"\r{' ' * len(shown[-1])}\r"
        up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
        return f"\r{up}\x1b[J"

    def _drawn(self, lines: Sequence[Line]) -> list[str]:
        """The lines, each shorter than the terminal is wide, with bars of one length."""
        room = (width_of(self._stream) or USUAL) - 1
        texts = [_fitting(line.words, room - (5 if line.share is not None else 0)) for line in lines]
        bar = min(
            [LONGEST, *(room - 7 - len(t) for t, line in zip(texts, lines, strict=True) if line.share is not None)]
        )
        self._shown = [
            text if line.share is None else _with_bar(text, line.share, bar)
            for text, line in zip(texts, lines, strict=True)
        ]
        return [self._coloured(line) for line in self._shown]

    def _coloured(self, line: str) -> str:
        first, last = line.find(DONE), line.rfind(DONE)
        if not self._escapes or first < 0:
            return line
        return f"{line[:first]}{ON}{line[first : last + 1]}{OFF}{line[last + 1 :]}"


def _with_bar(text: str, share: float, length: int) -> str:
    share = min(max(share, 0.0), 1.0)
    done = round(share * length)
    bar = f"{DONE * done}{LEFT * (length - done)}  " if length >= SHORTEST else ""
    return f"{share:4.0%} {bar}{text}"


def _fitting(words: Sequence[str], room: int) -> str:
    """As many of the words as there is room for."""
    text = ""
    for word in words:
        longer = f"{text}  {word}" if text else word
        if len(longer) > room:
            break
        text = longer
    return text
