"""Ctrl-C and SIGTERM: while training, save and stop; before and after, or at a second signal, stop at once."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType

from vaecli.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 0.5  # seconds from a second signal to the end, even during a compiled call
NEW_LINE = b"\n"  # below a bar that is cut off


def end_quietly() -> None:
    """Makes a signal end this process with its exit code and no traceback; `nohup` is respected."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def ends_quietly() -> bool:
    """Whether this process runs the command, so that a signal may end it; other programs continue."""
    return any(signal.getsignal(number) is _end for number in SIGNALS)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


class Stop:
    """A stop request, polled by the training loop between calls: None, or the exit code (128 + signal) to stop with.

    The first signal is stored until the loop polls; a second one, or any before the first poll, interrupts at once.
    Python handles a signal only after the current compiled call, which may take minutes: a thread that the system
    notifies of signals ends the process then. Python handles signals in its first thread only: in any other thread
    nothing is changed, and no stop is ever requested.
    """

    def __init__(self, reason: str = "stopped before training began", *, ends_process: bool = True) -> None:
        """Installs the signal handling.

        Args:
            reason: the message for a signal before the first poll.
            ends_process: whether a second signal may end the process if Python cannot handle it.
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
        """Ends the polling: from now on a signal interrupts at once, and a stored one interrupts here."""
        self.training = False
        self._reason = reason
        if self.code is not None:
            raise KeyboardInterrupt

    def __enter__(self) -> "Stop":
        self._listens = threading.current_thread() is threading.main_thread()
        if not self._listens:
            return self
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        received, self._told = os.pipe()
        os.set_blocking(self._told, False)
        self._wakeup_before = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(received,), daemon=True).start()
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
            if handler is not None:  # a handler not set by Python cannot be restored
                signal.signal(number, handler)
        if kind is KeyboardInterrupt and self.code is not None:
            raise Interrupted(self._reason, exit_code=self.code) from None

    def _received(self, number: int, frame: FrameType | None) -> None:
        del frame
        again = self.code is not None
        self.code = 128 + number
        if again or not self.training:
            raise KeyboardInterrupt

    def _watch(self, received: int) -> None:
        """Ends the process at the second signal if the first thread is busy; runs in a thread."""
        count = 0
        with os.fdopen(received, "rb", buffering=0) as pipe:
            while number := pipe.read(1):
                count += number[0] in SIGNALS
                if count >= 2 and self._ends_process and not self._over.wait(GRACE):
                    with contextlib.suppress(OSError), open("/dev/tty", "wb", buffering=0) as terminal:
                        terminal.write(NEW_LINE)
                    os._exit(128 + number[0])
