"""Ctrl-C and SIGTERM: while training, save and stop; before and after, or when told twice, stop at once."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType

from vaecli.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 0.5  # seconds from a second signal to the end, whatever compiled call is still running
SHOW_CURSOR = b"\x1b[?25h\n"  # a bar that is cut off leaves it hidden


def end_quietly() -> None:
    """From now on a signal ends this process with its exit code and no traceback; `nohup` stays respected."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def ends_quietly() -> bool:
    """Whether this process is the command's, so that a signal may end it; a program around the functions goes on."""
    return any(signal.getsignal(number) is _end for number in SIGNALS)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


class Stop:
    """Asked between calls by the training loop: None, or the exit code (128 + signal) to stop with.

    The first signal is remembered until the loop asks; a second one, or any before the loop has asked for the
    first time, interrupts at once. Python answers a signal only after the compiled call at hand, which may take
    minutes: a thread that hears of signals from the system ends the process then. Python tells only its first thread of
    signals: in any other one nothing is changed, and nothing is ever asked for.
    """

    def __init__(self, reason: str = "stopped before training began", *, ends_process: bool = True) -> None:
        """Settles how a signal is answered.

        Args:
            reason: what to say of one that comes before the loop has asked.
            ends_process: whether a second one may end the process where Python cannot answer it.
        """
        self.code: int | None = None
        self.training = False
        self._reason = reason
        self._ends_process = ends_process
        self._listens = False
        self._over = threading.Event()

    def __call__(self) -> int | None:
        self.training = True
        self._reason = "stopped without saving again"
        return self.code

    def at_once(self, reason: str) -> None:
        """From now on nobody asks: a signal interrupts at once, and one that nobody has asked for does so here."""
        self.training = False
        self._reason = reason
        if self.code is not None:
            raise KeyboardInterrupt

    def __enter__(self) -> "Stop":
        self._listens = threading.current_thread() is threading.main_thread()
        if not self._listens:
            return self
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        heard, self._told = os.pipe()
        os.set_blocking(self._told, False)
        self._wakeup_before = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(heard,), daemon=True).start()
        for number in SIGNALS:
            if self._before[number] is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._listens:
            return
        self._over.set()
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._told)
        for number, handler in self._before.items():
            if handler is not None:  # one that Python has not set cannot be put back
                signal.signal(number, handler)
        if kind is KeyboardInterrupt and self.code is not None:
            raise Interrupted(self._reason, exit_code=self.code) from None

    def _received(self, number: int, frame: FrameType | None) -> None:
        del frame
        again = self.code is not None
        self.code = 128 + number
        if again or not self.training:
            raise KeyboardInterrupt

    def _watch(self, heard: int) -> None:
        """In a thread: the second signal's end, where the first thread is too busy for it."""
        count = 0
        with os.fdopen(heard, "rb", buffering=0) as pipe:
            while number := pipe.read(1):
                count += number[0] in SIGNALS
                if count >= 2 and self._ends_process and not self._over.wait(GRACE):
                    with contextlib.suppress(OSError), open("/dev/tty", "wb", buffering=0) as terminal:
                        terminal.write(SHOW_CURSOR)
                    os._exit(128 + number[0])
