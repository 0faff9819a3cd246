"""One run is one folder, and every file in it is an attribute here."""

import contextlib
import csv
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from vaecli.config import Config, dump, read_config
from vaecli.errors import RunError
from vaecli.runs import checkpoints
from vaecli.runs.files import PART, Arrays, append, read_npz, sync, to_npz, write, write_by, writing
from vaecli.runs.lock import Lock

FORMAT = 1
ANEW = "train with --fresh makes it anew"

Status = Literal["finished", "running", "failed", "interrupted"]
Row = Mapping[str, float | None]


class Part(dict[str, Any]):
    """An object of a run's JSON, or a row of its metrics; a key that it ought to have and lacks is damage."""

    def __init__(self, path: Path, items: Iterable[tuple[str, Any]]) -> None:
        super().__init__(items)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise RunError(f"{self.path}: damaged, it has no {key!r}; {ANEW}")


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
        self._lock = Lock(self.lock_file)

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
        if self._lock.held_elsewhere():
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
        """One row per epoch; raises RunError if the file is damaged."""
        text = self.metrics_text
        whole = text[: text.rfind("\n") + 1]  # a last line without its end was cut off by a crash
        rows = csv.DictReader(io.StringIO(whole))
        try:
            return [Part(self.metrics_csv, ((key, float(x) if x else None) for key, x in row.items())) for row in rows]
        except (ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{self.metrics_csv}: damaged ({error})") from None

    @property
    def epochs_done(self) -> int:
        """As many as metrics.csv has rows, whatever they hold."""
        return max(0, self.metrics_text.count("\n") - 1)

    @property
    def metrics_text(self) -> str:
        """metrics.csv as it is; what is no text in it is marked, and empty where there is no such file."""
        try:
            return self.metrics_csv.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

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

    # What training writes: all of it raises RunFailed where the disk or the folder refuses

    def begin(self, config: Config, info: Mapping[str, Any]) -> None:
        """Creates the folder."""
        self._write_config(config)
        self._write_json(self.run_json, {"format": FORMAT, **info, "config": config.to_dict()})

    def resume(self, config: Config, session: Mapping[str, Any]) -> None:
        """Tidies up after the session that did not come to its end, and adds this one to the history in run.json."""
        with writing(self.path):
            for part in self.path.rglob(f"{PART}*"):  # first of all: on a full disk, this makes the room
                part.unlink(missing_ok=True)
        self.info = {**self.info, "history": [*self.info.get("history", []), session]}
        self._write_json(self.run_json, self.info)
        self._write_config(config)
        with writing(self.failure_json):
            self.failure_json.unlink(missing_ok=True)

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
        self.__dict__.pop("info", None)
        self.__dict__.pop("config", None)

    def lock(self) -> contextlib.AbstractContextManager[str | None]:
        """Held while a process trains here; yields who held it last, if that process died with it."""
        return self._lock.held()

    @property
    def locked_by_name(self) -> bool:
        """Whether the lock that this process holds is one that other hosts may overlook."""
        return self._lock.by_name

    def write_metrics(self, text: str) -> None:
        """The whole file anew, if it is another, after a resume has taken back rows."""
        if not text:
            with writing(self.metrics_csv):
                self.metrics_csv.unlink(missing_ok=True)
        elif text != self.metrics_text:
            self._write(self.metrics_csv, text)

    def append_metrics(self, row: Row) -> str:
        """One epoch. Returns the text that was added, header included."""
        text = _csv(row, header=not self.metrics_csv.exists())
        self._lock.check()
        append(self.metrics_csv, text)
        return text

    def save_checkpoint(self, arrays: Arrays, *, step: int) -> None:
        """A complete state under the number of steps done; the newest two stay."""
        self._lock.check()
        checkpoints.save(self.checkpoints, arrays, name=f"step-{step:09d}")

    def save_best_checkpoint(self, arrays: Arrays) -> None:
        """The complete state that is the best on the validation split so far."""
        self._lock.check()
        checkpoints.save(self.checkpoints, arrays, name="best")

    def load_checkpoint(self) -> tuple[Arrays | None, list[Path]]:
        """The newest whole state, and the damaged files that were passed over on the way."""
        return checkpoints.load(self.checkpoints)

    def save_weights(self, name: str, arrays: Arrays) -> None:
        self._write(self.weights / f"{name}.npz", to_npz(arrays))

    def save_reconstructions(self, arrays: Arrays) -> None:
        self._write(self.reconstructions_npz, to_npz(arrays))

    def save_model(self, save: Callable[[Path], None]) -> None:
        """model.keras, which Keras writes, and model.weights.h5, which is a copy of the one inside that.

        Keras has made the inner one in memory; asked to write it to a full disk, HDF5 ends the process.
        """
        self._lock.check()
        write_by(self.model_keras, save)
        with writing(self.model_keras), zipfile.ZipFile(self.model_keras) as archive:
            weights = archive.read(self.model_weights.name)
        self._write(self.model_weights, weights)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Written when all results are safe: the run is finished. Adds the digests of the files that it sums up."""
        with writing(self.metrics_csv):
            sync(self.metrics_csv)
            there = [path for path in self._final_files() if path.is_file()]
            digests = {str(path.relative_to(self.path)): file_digest(path) for path in there}
            self.failure_json.unlink(missing_ok=True)
        self._write_json(self.summary_json, {**summary, "files": digests})

    def fail(self, reason: str) -> None:
        self._write_json(self.failure_json, {"reason": reason})

    def log(self, line: str) -> None:
        """One line with its time into train.log."""
        self._lock.check()
        append(self.train_log, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")

    def _final_files(self) -> Iterator[Path]:
        """What nobody writes again once the run is finished; figures are drawn anew, logs are for people."""
        yield from (self.config_yaml, self.run_json, self.metrics_csv, self.reconstructions_npz)
        yield from (self.model_keras, self.model_weights)
        yield from sorted(self.weights.glob("*.npz"))
        yield from sorted(self.checkpoints.glob("*.npz"))

    def _write_config(self, config: Config) -> None:
        settings = dump(config.to_dict())
        head = f"# {self.name}, complete: `vaecli train --config` on it repeats the run\n"
        self._write(self.config_yaml, head + settings)

    def _write_json(self, path: Path, value: Any) -> None:
        self._write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def _write(self, path: Path, content: bytes | str) -> None:
        self._lock.check()
        write(path, content)

    def _unfinished(self) -> RunError:
        return RunError(f"{self.name}: not finished ({self.status}); the command that started it resumes it")

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=partial(Part, path))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}); {ANEW}") from None
        if not isinstance(value, dict) or value.get("format", FORMAT) > FORMAT:
            raise RunError(f"{path}: not of this version of vaecli")
        return value


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _csv(row: Row, *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerow(row)
    return text.getvalue()
