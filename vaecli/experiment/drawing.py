"""Draws a finished run: what cannot be drawn is reported, and no result depends on it."""

import contextlib
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from vaecli.backend.process import chatter
from vaecli.errors import VaecliError
from vaecli.runs import Run

if TYPE_CHECKING:
    from vaecli.reports.style import Undrawn


def draw(run: Run, say: Callable[[str], None]) -> None:
    """Draws the figures of a finished run, and its page last.

    Args:
        say: called with a line for each picture that could not be drawn, which the run's log has too.
    """
    from vaecli.reports.run.figures import draw_run
    from vaecli.reports.run.page import write_page

    def tell(line: str, error: Exception) -> None:
        with contextlib.suppress(VaecliError):  # the log may not be writable either
            if not isinstance(error, VaecliError | MemoryError):
                run.log("".join(traceback.format_exception(error)))
            run.log(line)
        say(line)

    def failed(picture: "Undrawn") -> None:
        tell(f"{picture.line}; `vaecli plot {run.name}` draws it", picture.error)

    with chatter(run.tensorflow_log):
        try:
            draw_run(run, failed=failed)
            write_page(run, failed=failed)
        except Exception as error:
            tell(f"{run.figures}: not drawn ({error}); `vaecli plot {run.name}` draws them", error)
