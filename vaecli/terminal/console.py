"""Messages on stderr, with a bar on a terminal and one plain line per epoch elsewhere."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from vaecli.errors import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress, TaskID

    from vaecli.training.trainer import Chunk, Trainer


class Console:
    """A Reporter. Writes to a duplicate of stderr made at the start, because TensorFlow's chatter takes fd 2."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.stream = _duplicate_of_stderr()
        self._rich: RichConsole | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "Console":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()
        if self.stream is not sys.stderr:
            with contextlib.suppress(OSError):
                self.stream.close()

    @property
    def on_terminal(self) -> bool:
        """Whether a terminal shows bars, so that nothing needs to be repeated."""
        return not self.quiet and self.stream.isatty()

    def say(self, line: str = "") -> None:
        """Prints one line, unless --quiet is set."""
        if self.quiet:
            return
        line = printable(line)
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        with self._until_closed():
            print(line, file=self.stream, flush=True)

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)

    def progress(self, chunk: "Chunk", trainer: "Trainer") -> None:
        """Moves the bar of a terminal; does nothing elsewhere."""
        if not self.on_terminal:
            return
        with self._until_closed():
            if self._bar is None:
                self._bar = _new_bar(self.stream)
            shown: dict[str, Any] = {
                "completed": trainer.done(chunk.state),
                "loss": chunk.loss,
                "speed": chunk.images / chunk.seconds,
            }
            if self._task is None:
                self._task = self._bar.add_task("train", total=trainer.end.steps, **shown)
                self._bar.start()  # with the first values in it
            self._bar.update(self._task, **shown)

    def epoch(self, row: Mapping[str, float | None], last: int) -> None:
        from vaecli.reports.run.summary import epoch_line

        self.say(epoch_line(row, last))
        if row.get("step", row["epoch"]) == last:
            self._end_bar()

    def fetching(self, name: str, done: int, total: int) -> None:
        """Shows the progress of a download, in place on a terminal."""
        if not self.on_terminal:
            if done == total and not self.quiet:
                self.say(f"fetched {name}, {done / 1e6:.1f} MB")
            return
        share = f" of {total / 1e6:.1f}" if total else ""
        with self._until_closed():
            end = "\n" if done == total else ""
            print(f"\rfetching {name}: {done / 1e6:.1f}{share} MB", end=end, file=self.stream, flush=True)

    def counting(self, what: str, total: int) -> Callable[[int], None]:
        """A function that shows how many of `total` are done: in place on a terminal, else a line for each tenth."""
        shown = 0

        def count(done: int) -> None:
            nonlocal shown
            if self.on_terminal:
                with self._until_closed():
                    end = "\n" if done == total else ""
                    print(f"\r{what}: {done:,} of {total:,}", end=end, file=self.stream, flush=True)
            elif 10 * done // total > shown:
                shown = 10 * done // total
                self.say(f"{what}: {done:,} of {total:,}")

        return count

    def _end_bar(self) -> None:
        if self._bar is not None:
            with self._until_closed():
                self._bar.stop()
            self._bar = self._task = None

    @contextlib.contextmanager
    def _until_closed(self) -> Iterator[None]:
        """Stops the messages, but not the training, if their reader is gone."""
        try:
            yield
        except OSError:
            self.quiet = True


def _duplicate_of_stderr() -> TextIO:
    try:
        if sys.stderr.fileno() == 2:
            return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)
    except (OSError, ValueError):
        pass  # a test or a surrounding program has replaced it
    return sys.stderr


def _new_bar(stream: TextIO) -> "Progress":
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.percentage:3.0f}%"),
        BarColumn(bar_width=30),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:,.0f} images/s"),
        TimeRemainingColumn(compact=True),
        console=RichConsole(file=stream),
        refresh_per_second=4,
        transient=True,
    )
