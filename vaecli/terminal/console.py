"""Messages on stderr: folded to a terminal, with a bar below them; elsewhere plain lines."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from vaecli.errors import printable
from vaecli.screen import replaces, width_of
from vaecli.terminal.live import Line, Live

if TYPE_CHECKING:
    from vaecli.reports.run.epochs import EpochTable
    from vaecli.training.trainer import Chunk, Trainer


class Console:
    """A Reporter. Writes to a duplicate of stderr made at the start, because TensorFlow's chatter takes fd 2."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.stream = _duplicate_of_stderr()
        self._live = Live(self.stream)
        self._table: EpochTable | None = None
        self._begun: tuple[float, int] | None = None  # when the bar began, and after how many steps

    def __enter__(self) -> "Console":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()
        if self.stream is not sys.stderr:
            with contextlib.suppress(OSError):
                self.stream.close()

    @property
    def on_terminal(self) -> bool:
        """Whether a terminal shows bars, so that nothing needs to be repeated."""
        return not self.quiet and replaces(self.stream)

    @property
    def width(self) -> int | None:
        """The columns of its lines; None: they stay whole."""
        return width_of(self.stream)

    def say(self, line: str = "") -> None:
        """Prints one line, folded at words, unless --quiet is set."""
        from vaecli.reports.columns import filled

        self._print("\n".join(filled(printable(line), self.width)))

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)

    def rows(self, lines: Iterable[str]) -> None:
        """Prints lines of a table, which fit already."""
        self._print("\n".join(map(printable, lines)))

    def replace(self, *lines: Line) -> None:
        """Shows lines in place on a terminal; does nothing elsewhere."""
        if self.on_terminal:
            with self._until_closed():
                self._live.show(lines)

    def settle(self) -> None:
        """Removes what is shown in place."""
        with self._until_closed():
            self._live.clear()

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        """Moves the bar of a terminal; does nothing elsewhere."""
        done, steps, now = trainer.done(chunk.state), trainer.end.steps, time.monotonic()
        words = [f"loss {chunk.loss:.4f}", f"{chunk.images / chunk.seconds:,.0f} images/s"]
        if self._begun is None:
            self._begun = now, done
        elif done > self._begun[1]:
            began, before = self._begun
            words.append(_left((now - began) / (done - before) * (steps - done)))
        self.replace(Line(done / steps, words))

    def epoch(self, row: Mapping[str, float | None], last: int) -> None:
        from vaecli.reports.run.epochs import EpochTable

        if self._table is None:
            self._table = EpochTable(self.width)
        self.rows(self._table.lines(row, last))
        if row.get("step", row["epoch"]) == last:
            self.settle()

    def fetching(self, name: str, done: int, total: int) -> None:
        """Shows the progress of a download, and a line at its end."""
        if done == total:
            self.settle()
            self.say(f"fetched {name}, {done / 1e6:.1f} MB")
        else:
            of = f" of {total / 1e6:.1f}" if total else ""
            self.replace(Line(done / total if total else None, [f"fetching {name}", f"{done / 1e6:.1f}{of} MB"]))

    def counting(self, what: str, total: int) -> Callable[[int], None]:
        """A function that shows how many of `total` are done: in place on a terminal, else a line for each tenth."""
        shown = 0

        def count(done: int) -> None:
            nonlocal shown
            if self.on_terminal and done < total:
                self.replace(Line(done / total, [what, f"{done:,} of {total:,}"]))
            elif self.on_terminal:
                self.settle()
            elif 10 * done // total > shown:
                shown = 10 * done // total
                self.say(f"{what}: {done:,} of {total:,}")

        return count

    def _print(self, text: str) -> None:
        if not self.quiet:
            with self._until_closed():
                self._live.above(text)

    @contextlib.contextmanager
    def _until_closed(self) -> Iterator[None]:
        """Stops the messages, but not the training, if their reader is gone."""
        try:
            yield
        except OSError:
            self.quiet = True


def _left(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"


def _duplicate_of_stderr() -> TextIO:
    try:
        if sys.stderr.fileno() == 2:
            return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)
    except (OSError, ValueError):
        pass  # a test or a surrounding program has replaced it
    return sys.stderr
