"""The display of a launch: on a terminal one line per running task and one for the total; elsewhere plain lines."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from vaecli.errors import printable
from vaecli.terminal.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vaecli.launch.task import Beat, Outcome


WHOLE = "all"


class Board:
    """A Watcher that writes to a Console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Board":
        if self.console.on_terminal:
            self._bars = _new_bars(self.console)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def said(self, name: str, line: str) -> None:
        self._say(f"{name}: {line}")

    def moved(self, name: str, beat: "Beat") -> None:
        if self._bars is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, words="")
            if WHOLE in self._tasks:  # keeps it the last line
                self._bars.remove_task(self._tasks.pop(WHOLE))
        from vaecli.launch.task import TRAINING

        if beat.loss == beat.loss or beat.part != TRAINING:
            words = f"loss {beat.loss:.4f}" if beat.part == TRAINING else beat.part
            self._bars.update(self._tasks[name], completed=beat.done, total=beat.of, words=words)

    def epoch(self, name: str, row: Mapping[str, float | None], last: int) -> None:
        from vaecli.reports.run.summary import epoch_line

        if self._bars is None:
            self._say(f"{name}: {epoch_line(row, last)}")

    def lost(self, name: str) -> None:
        if self._bars is not None and name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))

    def ended(self, name: str, outcome: "Outcome") -> None:
        self.lost(name)
        state = "stopped and saved" if outcome.interrupted else "finished"
        self._say(f"{name}: {state}" if outcome.failure is None else f"{name}: failed: {outcome.failure}")

    def left(self, seconds: float) -> None:
        if self._bars is None:
            return
        from vaecli.launch.forecast import in_words

        if WHOLE not in self._tasks:
            self._tasks[WHOLE] = self._bars.add_task(WHOLE, total=None, words="")
        self._bars.update(self._tasks[WHOLE], words=f"{in_words(seconds)} left")

    def note(self, line: str) -> None:
        self._say(line)

    def _say(self, line: str) -> None:
        if self._bars is None:
            self.console.say(line)
        elif not self.console.quiet:
            self._bars.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _new_bars(console: Console) -> "Progress":
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[words]}", markup=False),
        console=RichConsole(file=console.stream),
        refresh_per_second=4,
        transient=True,
    )
