"""One run is one folder, and every file in it is an attribute here."""

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vaecli.config import Config, dump, read_config
from vaecli.errors import RunError
from vaecli.runs.files import Arrays, read_npz, sync_folder, write, write_json, write_npz

FORMAT = 1
LOCK_ATTEMPTS = 4
KEPT_CHECKPOINTS = 2  # the newest may be damaged by a dying disk; then the one before it serves

Status = Literal["finished", "running", "failed", "interrupted"]
Row = Mapping[str, float | None]


class Run:
    """The only thing that a training leaves, and all that figures and comparisons read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_yaml = path / "config.yaml"
        self.run_json = path / "run.json"
        self.metrics_csv = path / "metrics.csv"
        self.summary_json = path / "summary.json"
        self.failure_json = path / "failure.json"
        self.checkpoints = path / "checkpoints"
        self.weights = path / "weights"
        self.model_keras = path / "model.keras"
        self.model_weights = path / "model.weights.h5"
        self.reconstructions_npz = path / "reconstructions.npz"
        self.figures = path / "figures"
        self.train_log = path / "train.log"
        self.tensorflow_log = path / "tensorflow.log"
        self.lock_file = path / ".lock"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def exists(self) -> bool:
        return self.run_json.is_file()

    @property
    def finished(self) -> bool:
        return self.summary_json.is_file()

    @property
    def status(self) -> Status:
        """Derived from files alone, so that it is right after any crash."""
        if self.finished:
            return "finished"
        if self._locked():
            return "running"
        return "failed" if self.failure_json.is_file() else "interrupted"

    # What the run is

    @cached_property
    def config(self) -> Config:
        return read_config(str(self.config_yaml))

    @cached_property
    def info(self) -> dict[str, Any]:
        """run.json: where, when and with what it was made."""
        return self._json(self.run_json)

    @property
    def summary(self) -> dict[str, Any]:
        """Final figures; raises RunError if the run is not finished."""
        if not self.finished:
            raise self._unfinished()
        return self._json(self.summary_json)

    @property
    def failure(self) -> str | None:
        """Why the run failed, if it did."""
        return self._json(self.failure_json).get("reason") if self.failure_json.is_file() else None

    @property
    def metrics(self) -> list[dict[str, float | None]]:
        """One row per epoch."""
        try:
            text = self.metrics_csv.read_text(encoding="utf-8")
        except OSError:
            return []
        whole = text[: text.rfind("\n") + 1]  # a last line without its end was cut off by a crash
        rows = csv.DictReader(io.StringIO(whole))
        return [{key: float(value) if value else None for key, value in row.items()} for row in rows]

    def reconstructions(self) -> Arrays:
        """The arrays that figures are drawn from."""
        try:
            return read_npz(self.reconstructions_npz)
        except FileNotFoundError:
            raise self._unfinished() from None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.reconstructions_npz}: cannot be read ({error})") from None

    def load_weights(self, name: str = "last") -> Arrays:
        """weights/<name>.npz: "last", "best" or "epoch-00005"; raises RunError."""
        path = self.weights / f"{name}.npz"
        try:
            return read_npz(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error})") from None

    # What training writes

    def begin(self, config: Config, info: Mapping[str, Any]) -> None:
        """Creates the folder; raises RunError where it cannot be written."""
        settings = dump(config.to_dict())
        write(self.config_yaml, f"# {self.name}, complete: `vaecli train --config` on it repeats the run\n{settings}")
        write_json(self.run_json, {"format": FORMAT, **info, "config": config.to_dict()})

    def clear(self) -> None:
        """Removes all that the folder holds but its lock; raises RunError where that is refused."""
        try:
            for path in self.path.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path != self.lock_file:
                    path.unlink()
        except OSError as error:
            raise RunError(f"{self.path}: cannot be cleared ({error.strerror})") from None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a process trains here; the system drops it if the process dies.

        Raises:
            RunError: another process holds it, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock_file, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror}); see --output-dir") from None
        try:
            for attempt in range(LOCK_ATTEMPTS):  # `status` may hold it for a moment
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if attempt == LOCK_ATTEMPTS - 1:
                        raise RunError(f"{self.path}: another process is training this run") from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def _locked(self) -> bool:
        try:
            handle = os.open(self.lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def write_metrics(self, rows: Sequence[Row]) -> None:
        """The whole file anew, after a resume has taken back rows."""
        if rows:
            write(self.metrics_csv, _csv(rows, header=True))
        else:
            self.metrics_csv.unlink(missing_ok=True)

    def append_metrics(self, row: Row) -> None:
        """One epoch; on disk before the checkpoint that knows the epoch is over."""
        new = not self.metrics_csv.exists()
        with self.metrics_csv.open("a", encoding="utf-8", newline="") as file:
            file.write(_csv([row], header=new))
            file.flush()
            os.fsync(file.fileno())

    def save_checkpoint(self, arrays: Arrays, *, step: int) -> None:
        """A complete state under the number of steps done; the newest KEPT_CHECKPOINTS stay."""
        write_npz(self.checkpoints / f"step-{step:09d}.npz", arrays)
        for old in sorted(self.checkpoints.glob("step-*.npz"))[:-KEPT_CHECKPOINTS]:
            old.unlink(missing_ok=True)

    def load_checkpoint(self) -> tuple[Arrays | None, list[Path]]:
        """The newest whole state, and the damaged files that were passed over on the way."""
        damaged: list[Path] = []
        for path in sorted(self.checkpoints.glob("step-*.npz"), reverse=True):
            try:
                return read_npz(path), damaged
            except (OSError, ValueError):
                damaged.append(path)
        return None, damaged

    def save_weights(self, name: str, arrays: Arrays) -> None:
        write_npz(self.weights / f"{name}.npz", arrays)

    def save_reconstructions(self, arrays: Arrays) -> None:
        write_npz(self.reconstructions_npz, arrays)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Written last: from now on the run is finished. Adds the digests of the files that it sums up."""
        files = [self.config_yaml, self.metrics_csv, self.reconstructions_npz, self.weights / "last.npz"]
        digests = {str(path.relative_to(self.path)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        self.failure_json.unlink(missing_ok=True)
        write_json(self.summary_json, {**summary, "files": digests})
        sync_folder(self.path)

    def fail(self, reason: str) -> None:
        write_json(self.failure_json, {"reason": reason})

    def log(self, line: str) -> None:
        """One line with its time into train.log."""
        with self.train_log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")

    def _unfinished(self) -> RunError:
        return RunError(f"{self.name}: not finished ({self.status}); the command that started it resumes it")

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error})") from None
        if not isinstance(value, dict) or value.get("format", FORMAT) > FORMAT:
            raise RunError(f"{path}: not of this version of vaecli")
        return value


def _csv(rows: Sequence[Row], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
