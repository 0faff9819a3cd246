"""Ctrl-C and SIGTERM: while training, save and stop; before and after, stop at once."""

import signal
from types import FrameType, TracebackType

from vaecli.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Asked between calls by the training loop: None, or the exit code (128 + signal) to stop with.

    The first signal is remembered until the loop asks; a second one, or any before the loop has asked for the
    first time, interrupts at once.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self.training = False

    def __call__(self) -> int | None:
        self.training = True
        return self.code

    def __enter__(self) -> "Stop":
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            if self._before[number] is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt:
            assert self.code is not None
            reason = "stopped without saving again" if self.training else "stopped before training began"
            raise Interrupted(reason, exit_code=self.code) from None

    def _received(self, number: int, frame: FrameType | None) -> None:
        del frame
        again = self.code is not None
        self.code = 128 + number
        if again or not self.training:
            raise KeyboardInterrupt
