"""What the benchmarks share: where MNIST is, and how long a command takes and how much memory it peaks at."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from vaecli.data.known import KNOWN, locate


class Measured(NamedTuple):
    seconds: float
    peak_mb: float  # of the process itself
    stdout: str


def measure(command: list[str], **environment: str) -> Measured:
    """Runs a command to its end; what it says to people is dropped. Exits with its stderr if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"failed: {' '.join(command)}")
    return Measured(seconds, usage.ru_maxrss / 1024, stdout)


def mnist_npz() -> Path:
    """mnist.npz, found as `vaecli` finds it."""
    files = locate(KNOWN["mnist"], None)
    if files is None or "npz" not in files:
        sys.exit("mnist.npz is needed: `vaecli data fetch mnist`, or VAECLI_DATA_DIR=its folder")
    return files["npz"]
