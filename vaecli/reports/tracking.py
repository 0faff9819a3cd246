"""The metrics of a run for programs that show those of many: TensorBoard, Trackio, or a table of your own."""

import contextlib
import importlib
import importlib.util
import io
import re
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from vaecli.errors import ConfigError, RunError, shut
from vaecli.runs import Run
from vaecli.runs.files import write
from vaecli.runs.rows import Row, written

Tracker = Literal["tensorboard", "trackio", "csv"]
TRACKERS: tuple[Tracker, ...] = get_args(Tracker)
PROJECT = "vaecli"  # in Trackio
PLACES = ("epoch", "step")  # columns that say where a row is


def place_of(tracker: Tracker, output: Path | None, run: Run, *, force: bool) -> Path | None:
    """The file that will be written; None for Trackio, which keeps runs in a place of its own.

    Raises:
        ConfigError: no file is named where one is needed, it exists, or the package is missing.
    """
    if tracker == "trackio":
        if output is not None:
            raise ConfigError([f"--output {output}: has no effect with --metrics-to trackio, which has its own folder"])
        if importlib.util.find_spec("trackio") is None:
            raise ConfigError(["--metrics-to trackio: trackio is missing; pip install trackio"])
        return None
    if output is None:
        what = "the folder of the logs" if tracker == "tensorboard" else "the file to write"
        raise ConfigError([f"--metrics-to {tracker}: --output names {what}, and is missing"])
    path = (
        output / run.name / f"events.out.tfevents.{int(_started(run))}.vaecli" if tracker == "tensorboard" else output
    )
    if reason := shut(path):
        raise ConfigError([f"{path}: {reason}; choose another place with --output"])
    if path.is_dir():
        raise ConfigError([f"{path}: is a folder; choose another place with --output"])
    if path.exists() and not force:
        raise ConfigError([f"{path}: already exists; --force overwrites it, or choose another place with --output"])
    return path


def track(run: Run, tracker: Tracker, path: Path | None) -> str:
    """Hands the rows of metrics.csv over; returns what they are to be found as.

    Raises:
        RunError: the run has no rows yet, or they are damaged.
        RunFailed: the file cannot be written.
    """
    rows = run.metrics
    if not rows:
        raise RunError(f"{run.name}: has no rows yet, since its training has just begun")
    if path is None:
        return _to_trackio(run, rows)
    if tracker == "tensorboard":
        write(path, b"".join(_record(event) for event in _events(run, rows)))
        return str(path.parent)
    named: list[Any] = [{"run": run.name, **row} for row in rows]
    write(path, "".join(written(row, header=number == 0) for number, row in enumerate(named)))
    return str(path)


def scalars(row: Row) -> dict[str, float]:
    """The numbers of a row by name; those of a split are in a group of its name, as test/mse_sampled."""
    return {
        re.sub("^(test|validation)_", r"\1/", key): value
        for key, value in row.items()
        if value is not None and key not in PLACES
    }


def step_of(row: Row) -> int:
    """The step of a row, or its epoch where rows are those of epochs."""
    return int(row.get("step") or row["epoch"] or 0)


def _started(run: Run) -> float:
    return datetime.fromisoformat(run.info["started"]).timestamp()


def _to_trackio(run: Run, rows: list[dict[str, float | None]]) -> str:
    trackio: Any = importlib.import_module("trackio")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how to show its dashboard
        begun = trackio.init(project=PROJECT, name=run.name, config=run.config.to_dict(), embed=False)
        for row in rows:
            trackio.log(scalars(row), step=step_of(row))
        trackio.finish()
    return f"trackio show --project {PROJECT}: {begun.name}"


# TensorBoard's files, without TensorFlow: records of tensorflow.Event, a protocol buffer, each between checksums.


def _events(run: Run, rows: list[dict[str, float | None]]) -> Iterator[bytes]:
    clock = _started(run)
    yield _event(clock, 0, _field(3, b"brain.Event:2"))
    for row in rows:
        clock += row["seconds"] or 0.0
        values = [
            _field(1, _field(1, name.encode()) + b"\x15" + struct.pack("<f", x)) for name, x in scalars(row).items()
        ]
        yield _event(clock, step_of(row), _field(5, b"".join(values)))


def _event(clock: float, step: int, what: bytes) -> bytes:
    """An Event: wall_time (1), step (2), and file_version (3) or summary (5)."""
    return b"\x09" + struct.pack("<d", clock) + b"\x10" + _varint(step) + what


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, text or another message."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = b""
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _record(content: bytes) -> bytes:
    """A record of TensorFlow's: its length and itself, each with a masked CRC-32C behind it."""
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ CASTAGNOLI[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _castagnoli(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
    return byte


CASTAGNOLI = tuple(map(_castagnoli, range(256)))
