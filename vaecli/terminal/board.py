"""The display of a launch: on a terminal one line per running task and one for the total; elsewhere plain lines."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from vaecli.terminal.console import Console
from vaecli.terminal.live import Line

if TYPE_CHECKING:
    from vaecli.launch.task import Beat, Outcome
    from vaecli.reports.run.epochs import EpochTable


class Board:
    """A Watcher that writes to a Console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._tasks: dict[str, Line] = {}
        self._left: Line | None = None
        self._table: EpochTable | None = None

    def __enter__(self) -> "Board":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.console.settle()

    def said(self, name: str, line: str) -> None:
        self.note(f"{name}: {line}")

    def moved(self, name: str, beat: "Beat") -> None:
        from vaecli.launch.task import TRAINING

        if beat.loss == beat.loss or beat.part != TRAINING:
            words = f"loss {beat.loss:.4f}" if beat.part == TRAINING else beat.part
            self._tasks[name] = Line(beat.done / beat.of if beat.of else 0.0, [name, words])
            self._show()

    def epoch(self, name: str, row: Mapping[str, float | None], last: int) -> None:
        from vaecli.reports.run.epochs import EpochTable

        if self.console.on_terminal:
            return
        if self._table is None:
            self._table = EpochTable(self.console.width, named=True)
        self.console.rows(self._table.lines(row, last, name))

    def lost(self, name: str) -> None:
        if self._tasks.pop(name, None) is not None:
            self._show()

    def ended(self, name: str, outcome: "Outcome") -> None:
        self.lost(name)
        state = "stopped and saved" if outcome.interrupted else "finished"
        self.note(f"{name}: {state}" if outcome.failure is None else f"{name}: failed: {outcome.failure}")

    def left(self, seconds: float) -> None:
        from vaecli.launch.forecast import in_words

        self._left = Line(None, ["all", f"{in_words(seconds)} left"])
        self._show()

    def note(self, line: str) -> None:
        self.console.say(line)

    def _show(self) -> None:
        self.console.replace(*self._tasks.values(), *([self._left] if self._left else []))
