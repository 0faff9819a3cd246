"""One run is one folder, and each of its files is an attribute of Run."""

import contextlib
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vaecli.config import Config, config_of_run, dump
from vaecli.config.latent import Latent
from vaecli.config.shapes import latent_of
from vaecli.errors import ConfigError, Damaged, RunError
from vaecli.runs import checkpoints, rows
from vaecli.runs.files import PART, Arrays, append, read, read_npz, refuse_links, sync, to_npz, write, write_by, writing
from vaecli.runs.lock import Lock
from vaecli.runs.reconstructions import wrong_arrays
from vaecli.runs.schema import (
    EVALUATION,
    FAILURE,
    INFO,
    PRIOR,
    PRUNED,
    QUALITY,
    SUMMARY,
    Evaluated,
    FittedPrior,
    Info,
    PriorKind,
    Quality,
    Summary,
)
from vaecli.runs.sealed import MAX_BYTES, parse_sealed, read_json, read_sealed, write_sealed

FORMAT = 2  # 1: without seals
MENDED = "the command that made the run makes the file again"
MARKS = ("run.json", "summary.json", "checkpoints")  # a folder with one of them is a run, complete or not

Status = Literal["finished", "running", "failed", "interrupted"]


class Files(NamedTuple):
    """The state of the files of a finished run, by name."""

    whole: list[str]
    changed: list[str]
    missing: list[str]
    pruned: list[str]  # removed by `vaecli prune`

    @property
    def lines(self) -> Iterator[str]:
        total = sum(map(len, (self.whole, self.changed, self.missing)))
        pruned = f"; {len(self.pruned)} more were pruned" if self.pruned else ""
        yield f"files   {len(self.whole)} of {total} are as the run wrote them{pruned}"
        for what in ("changed", "missing"):
            yield from (f"        {name}: {what}" for name in getattr(self, what))


class Place:
    """A file or folder of a run; its path is made on first use, since thousands of runs are listed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, run: "Run", owner: type | None = None) -> Path:
        path = run.path / self.name
        run.__dict__[self.attribute] = path
        return path


class Run:
    """The only output of a training, and the only input of figures and comparisons.

    Files of a finished run are checked against the digests of summary.json when read: a changed one raises Damaged.
    """

    config_yaml = Place("config.yaml")
    run_json = Place("run.json")
    metrics_csv = Place("metrics.csv")
    summary_json = Place("summary.json")
    evaluation_json = Place("evaluation.json")
    prior_json = Place("prior.json")
    priors_folder = Place("priors")
    quality_json = Place("quality.json")
    pruned_json = Place("pruned.json")
    failure_json = Place("failure.json")
    checkpoints = Place("checkpoints")
    weights = Place("weights")
    model_keras = Place("model.keras")
    model_weights = Place("model.weights.h5")
    reconstructions_npz = Place("reconstructions.npz")
    figures = Place("figures")
    report_html = Place("report.html")
    train_log = Place("train.log")
    tensorflow_log = Place("tensorflow.log")
    lock_file = Place(".lock")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._info: Info | None = None
        self._config: Config | None = None
        self._info_bytes = b""
        self.written: dict[str, str] = {}  # SHA-256 by name, of files that are final once the run is finished

    @cached_property
    def _lock(self) -> Lock:
        return Lock(self.lock_file)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def exists(self) -> bool:
        return any(os.path.exists(self.path / mark) for mark in MARKS)

    @property
    def finished(self) -> bool:
        return os.path.exists(self.summary_json)

    @property
    def drawn(self) -> bool:
        """Whether its page was written, which is drawn last, of the results that it has now."""
        return self.finished and os.path.exists(self.report_html)

    @property
    def status(self) -> Status:
        """The status, derived from files alone, so that it is right after any crash."""
        if self.finished:
            return "finished"
        if self._lock.held_elsewhere():
            return "running"
        return "failed" if os.path.exists(self.failure_json) else "interrupted"

    @property
    def way_on(self) -> str:
        """What an unfinished run waits for, in words."""
        ways = {
            "running": "the process that trains it finishes it",
            "failed": "once the reason of its failure is mended, the command that started it resumes it",
        }
        return ways.get(self.status, "the command that started it resumes it")

    # The run itself

    # What is read of a finished run is cached, as it is final. Another process may be writing to an unfinished one.

    @property
    def config(self) -> Config:
        """The complete config, from run.json; raises RunError if it is invalid."""
        if self._config is not None:
            return self._config
        try:
            config = config_of_run(self.info["config"], str(self.run_json))
        except ConfigError as error:
            raise Damaged(f"{error.lines[0]}; {MENDED}") from None
        if self.finished:
            self._config = config
        return config

    @property
    def latent(self) -> Latent:
        """The latent, from run.json; for older runs without a record of it, from the config."""
        found = self.info.get("latent")
        return Latent.from_dict(found) if found else latent_of(self.config, self.info["data"]["image_shape"])

    @property
    def info(self) -> Info:
        """The contents of run.json: where, when and with what the run was made."""
        if self._info is not None:
            return self._info
        if not self.finished:
            return self._parse_info(read_json(self.run_json, way_out=MENDED))
        _ = self.summary  # which checks run.json
        self._info = self._parse_info(self._info_bytes)
        return self._info

    def _parse_info(self, raw: bytes) -> Info:
        return parse_sealed(self.run_json, raw, INFO, newest=FORMAT, way_out=MENDED)

    @cached_property
    def summary(self) -> Summary:
        """The final figures; raises RunError if the run is not finished."""
        if not self.finished:
            raise self._unfinished()
        summary = read_sealed(self.summary_json, SUMMARY, newest=FORMAT, way_out=MENDED)
        self._info_bytes = read_json(self.run_json, way_out=MENDED)
        of_run = hashlib.sha256(self._info_bytes).hexdigest()
        if summary["files"].get(self.run_json.name, of_run) != of_run:
            raise Damaged(
                f"{self.summary_json}: does not belong to this run.json: one of the two was changed; {MENDED}"
            )
        return summary

    @property
    def before_seals(self) -> bool:
        """Whether the run was finished before summary.json was sealed, so that changes cannot be detected."""
        return self.finished and self.summary["format"] < 2

    @property
    def failure(self) -> str | None:
        """The reason why the run failed, if it did."""
        if not os.path.exists(self.failure_json):
            return None
        try:
            return read_sealed(self.failure_json, FAILURE, newest=FORMAT, way_out="see train.log")["reason"]
        except RunError as error:
            return str(error)

    @property
    def metrics(self) -> list[dict[str, float | None]]:
        """The rows of the epochs; raises RunError if the file is damaged."""
        return self.read_metrics()

    def read_metrics(self, *, finite: bool = True) -> list[dict[str, float | None]]:
        """The rows of the epochs; raises RunError if the file is damaged, or a required value is not finite."""
        return rows.parsed(self.metrics_text, self.metrics_csv, finite=finite, way_out=MENDED)

    @property
    def rows_done(self) -> int:
        """The number of rows of metrics.csv, whatever they hold."""
        return max(0, len(rows.whole_lines(self.metrics_csv)) - 1)

    def done(self, unit: Literal["epoch", "step"]) -> float:
        """The epoch or the step of the last row of metrics.csv; 0 if it does not say."""
        return rows.last(self.metrics_csv, unit)

    @property
    def metrics_text(self) -> str:
        """The text of metrics.csv, invalid bytes marked; empty if there is no such file."""
        try:
            raw = read(self.metrics_csv, most=MAX_BYTES)
        except FileNotFoundError:
            raw = b""
        except OSError as error:
            raise Damaged(f"{self.metrics_csv}: cannot be read ({error.strerror}); {MENDED}") from None
        if self.finished:
            self._recognise(self.metrics_csv, raw)
        return raw.decode("utf-8", errors="replace")

    def reconstructions(self) -> Arrays:
        """The arrays that figures are drawn from."""
        arrays = self._arrays(self.reconstructions_npz)
        problem = wrong_arrays(arrays)
        if problem:
            raise Damaged(f"{self.reconstructions_npz}: damaged ({problem}); {MENDED}")
        return arrays

    def load_weights(self, name: str = "last") -> Arrays:
        """weights/<name>.npz: "last", "best" or "epoch-00005"; raises RunError."""
        return self._arrays(self.weights / f"{name}.npz")

    @property
    def evaluations(self) -> list[Evaluated]:
        """What `vaecli evaluate` has measured; raises Damaged if its file was changed, or is of other weights."""
        return self._evaluations(self.summary)

    def _evaluations(self, summary: Summary) -> list[Evaluated]:
        if not os.path.exists(self.evaluation_json):
            return []
        way_out = f"`vaecli evaluate {self.name}` makes it again"
        found = read_sealed(self.evaluation_json, EVALUATION, newest=FORMAT, way_out=way_out)["evaluations"]
        for one in found:
            path = self.weights / f"{one['weights']}.npz"
            if one["digest"] != summary["files"].get(str(path.relative_to(self.path)), one["digest"]):
                raise Damaged(f"{self.evaluation_json}: of other weights than {path}; {way_out}")
        return found

    @property
    def priors(self) -> list[FittedPrior]:
        """What `vaecli prior` has fitted; raises Damaged if its file was changed, or is of other weights."""
        return self._priors(self.summary)

    def _priors(self, summary: Summary) -> list[FittedPrior]:
        if not os.path.exists(self.prior_json):
            return []
        way_out = f"`vaecli prior {self.name}` makes it again"
        found = read_sealed(self.prior_json, PRIOR, newest=FORMAT, way_out=way_out)["priors"]
        path = self.weights / "last.npz"
        if any(one["digest"] != summary["files"].get(str(path.relative_to(self.path)), one["digest"]) for one in found):
            raise Damaged(f"{self.prior_json}: of the codes of other weights than {path}; {way_out}")
        return found

    @property
    def quality(self) -> Quality | None:
        """What `vaecli quality` has measured, if it has; raises Damaged if it was changed, or is of other weights."""
        return self._quality(self.summary)

    def _quality(self, summary: Summary) -> Quality | None:
        if not os.path.exists(self.quality_json):
            return None
        way_out = f"`vaecli quality {self.name}` makes it again"
        found = read_sealed(self.quality_json, QUALITY, newest=FORMAT, way_out=way_out)["quality"]
        path = self.weights / "last.npz"
        if found["digest"] != summary["files"].get(str(path.relative_to(self.path)), found["digest"]):
            raise Damaged(f"{self.quality_json}: of what other weights than {path} draw; {way_out}")
        return found

    def prior_file(self, kind: PriorKind, *, conditional: bool, state: bool = False) -> Path:
        """The npz of a prior, or of the state of its training while that is not finished."""
        name = f"{kind}{'-conditional' * conditional}{'.state' * state}.npz"
        return self.priors_folder / name

    def load_prior(self, prior: FittedPrior) -> Arrays:
        """The arrays of one of `priors`; raises Damaged."""
        path = self.prior_file(prior["kind"], conditional=prior["conditional"])
        way_out = f"`vaecli prior {self.name}` makes it again"
        try:
            raw = read(path)
            if hashlib.sha256(raw).hexdigest() != prior["file"]:
                raise ValueError("it was changed, or is of another run")
            return read_npz(io.BytesIO(raw))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise Damaged(f"{path}: cannot be used ({reason}); {way_out}") from None

    def examine(self) -> Files:
        """Reads again every file whose digest summary.json has, and those added later, which have their own.

        If summary.json itself is damaged, only that can be reported.

        Raises:
            RunError: the run is not finished.
        """
        if not self.finished:
            raise self._unfinished()
        try:
            summary = read_sealed(self.summary_json, SUMMARY, newest=FORMAT, way_out=MENDED)
        except Damaged:
            return Files([], [self.summary_json.name], [], [])
        found, removed = Files([] if summary["format"] < 2 else [self.summary_json.name], [], [], []), self.pruned
        for name, digest in summary["files"].items():
            try:
                same = file_digest(self.path / name) == digest
            except OSError:
                gone = name in removed and not os.path.lexists(self.path / name)
                (found.pruned if gone else found.missing).append(name)
                continue
            (found.whole if same else found.changed).append(name)
        added: dict[Path, Callable[[Summary], Any]] = {
            self.evaluation_json: self._evaluations,
            self.prior_json: self._priors,
            self.quality_json: self._quality,
        }
        for path, read_it in added.items():
            if os.path.exists(path):
                try:
                    _ = read_it(summary)
                    found.whole.append(path.name)
                except RunError:
                    found.changed.append(path.name)
        if os.path.exists(self.pruned_json):
            (found.whole if removed else found.changed).append(self.pruned_json.name)
        if self.prior_json.name in found.whole:
            for prior in self._priors(summary):
                path = self.prior_file(prior["kind"], conditional=prior["conditional"])
                name = str(path.relative_to(self.path))
                try:
                    _ = self.load_prior(prior)
                    found.whole.append(name)
                except RunError:
                    (found.changed if path.exists() else found.missing).append(name)
        return found

    def is_added(self, name: str) -> bool:
        """Whether a file was added to the finished run later, by another command than the one that trained it."""
        names = (self.evaluation_json.name, self.prior_json.name, self.quality_json.name, self.pruned_json.name)
        return name in names or name.startswith(f"{self.priors_folder.name}/")

    @property
    def pruned(self) -> frozenset[str]:
        """The files that `vaecli prune` has removed, by name; none if its record is not what was written."""
        if not os.path.exists(self.pruned_json):
            return frozenset()
        try:
            found = read_sealed(self.pruned_json, PRUNED, newest=FORMAT, way_out="see train.log")
        except RunError:
            return frozenset()
        return frozenset(found["pruned"])

    @property
    def without_states(self) -> bool:
        """Whether its states were pruned, so that a training can only begin again."""
        return not any(self.checkpoints.glob("*.npz")) and any(name.startswith("checkpoints/") for name in self.pruned)

    def spare(self, *, states: bool) -> dict[str, int]:
        """What a finished run keeps that neither figures nor the model in use need: bytes, by name.

        Args:
            states: the states of its training too, from which it can be extended.

        Raises:
            RunError: it is not finished or damaged, or a link leads elsewhere.
        """
        self.refuse_links()
        written = self.summary["files"]
        there = [*self.weights.glob("epoch-*.npz"), *(self.checkpoints.glob("*.npz") if states else ())]
        names = [name for path in there if (name := str(path.relative_to(self.path))) in written]
        names += [str(path.relative_to(self.path)) for path in self.priors_folder.glob("*.state.npz")]
        return {name: os.lstat(self.path / name).st_size for name in sorted(names)}

    @property
    def whole(self) -> bool:
        """Whether it is finished, and everything that tables and figures use is what it wrote."""
        try:
            if self.finished:
                self.check()
            return self.finished
        except RunError:
            return False

    def check(self) -> None:
        """Raises Damaged unless everything that tables and figures use is what the finished run wrote."""
        _ = self.summary, self.config, self.metrics_text
        if self.reconstructions_npz.name in self.summary["files"]:
            self._read(self.reconstructions_npz)

    # What training writes: all of it raises RunFailed if the disk or the folder refuses

    def begin(self, config: Config, info: Mapping[str, Any]) -> None:
        """Creates the folder."""
        self._write_config(config)
        latent = latent_of(config, info["data"]["image_shape"]).to_dict()
        self._write_info({**info, "run": self.name, "config": config.to_dict(), "latent": latent})

    def resume(self, config: Config, session: Mapping[str, Any]) -> None:
        """Tidies up after the unfinished session, and adds this one to the history in run.json."""
        self.tidy()  # first: on a full disk, this frees space
        self._write_info({**self.info, "history": [*self.info.get("history", []), session]})
        self._write_config(config)
        with writing(self.failure_json):
            self.failure_json.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes files that a crash left incomplete."""
        with writing(self.path):
            for part in self.path.rglob(f"{PART}*"):
                part.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes everything in the folder except its lock; raises RunError if that fails."""
        try:
            for path in self.path.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path != self.lock_file:
                    path.unlink()
        except OSError as error:
            raise RunError(f"{self.path}: cannot be cleared ({error.strerror})") from None
        self._forget()

    def reopen(self) -> None:
        """Sets summary.json aside: the run is no longer finished, and training resumes from its last state."""
        set_aside(self.summary_json)
        self._forget()

    def set_info_aside(self) -> None:
        """Sets aside a run.json that is damaged or of another run."""
        set_aside(self.run_json)
        self._forget()

    @contextlib.contextmanager
    def lock(self) -> Iterator[str | None]:
        """The lock held while a process trains here; yields the last holder if that died with it.

        Raises:
            RunError: a file or folder in it is a symbolic link, so that writes would go elsewhere.
        """
        self.refuse_links()
        with self._lock.held() as left_by:
            yield left_by

    def refuse_links(self) -> None:
        """Raises RunError if a file or folder in it is a symbolic link; the run's own folder may be one."""
        for folder, folders, files in os.walk(self.path):
            for name in (*folders, *files):
                place = Path(folder, name)
                if place.is_symlink():
                    raise RunError(f"{place}: a symbolic link, which leads elsewhere; remove it")

    @property
    def locked_by_name(self) -> bool:
        """Whether other hosts may overlook the lock that this process holds."""
        return self._lock.by_name

    def write_metrics(self, text: str) -> None:
        """Rewrites the whole file if it differs, after a resume has dropped rows."""
        if not text:
            with writing(self.metrics_csv):
                self.metrics_csv.unlink(missing_ok=True)
        elif text != self.metrics_text:
            self._write(self.metrics_csv, text)

    def append_metrics(self, row: rows.Row) -> str:
        """Appends the row of one epoch. Returns the added text, header included."""
        text = rows.written(row, header=not self.metrics_csv.exists())
        self._append(self.metrics_csv, text)
        return text

    def save_checkpoint(self, arrays: Arrays, *, step: int) -> None:
        """Saves a complete state under the number of steps done; the newest two are kept."""
        path = self.checkpoints / f"step-{step:09d}.npz"
        self._write(path, checkpoints.seal(to_npz(arrays)))
        with writing(path):
            checkpoints.prune(self.checkpoints)

    def save_best_checkpoint(self, arrays: Arrays) -> None:
        """Saves the best complete state on the validation split so far."""
        self._write(self.checkpoints / "best.npz", checkpoints.seal(to_npz(arrays)))

    def states(self) -> Iterator[tuple[Path, Arrays | None]]:
        """All complete states, the newest first and the best last; None for a damaged file."""
        return checkpoints.states(self.checkpoints)

    def adopt(self, written: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
        """Takes over the weights that earlier sessions kept; those that changed since are set aside.

        Their digests stay, so that summary.json will name them.

        Args:
            written: SHA-256 by name, from a state; None: the existing files are taken as written.

        Yields:
            The name of each that is set aside or missing, and what is wrong with it.
        """
        if written is None:
            there = sorted(self.weights.glob("*.npz"))
            written = {str(path.relative_to(self.path)): file_digest(path) for path in there}
        for name, digest in written.items():
            self.written[name] = digest
            path = self.path / name
            try:
                if file_digest(path) == digest:
                    continue
            except OSError:
                if name not in self.pruned:
                    yield name, "missing"
                continue
            if path.name != "best.npz":  # may be newer than the state, and is written again later
                set_aside(path)
                yield name, "not what the run wrote"

    def save_weights(self, name: str, arrays: Arrays) -> None:
        self._write(self.weights / f"{name}.npz", to_npz(arrays))

    def take(self, name: Path, origin: "Run") -> None:
        """Copies a file of another, finished run; one that is not what that run wrote is left out."""
        try:
            raw = origin._read(origin.path / name)
        except (OSError, Damaged):
            return
        self._write(self.path / name, raw)

    def save_reconstructions(self, arrays: Arrays) -> None:
        self._write(self.reconstructions_npz, to_npz(arrays))

    def save_model(self, save: Callable[[Path], None]) -> None:
        """Writes model.keras, by Keras, and model.weights.h5, a copy of the file inside it.

        Keras makes the inner file in memory; HDF5 writing to a full disk would end the process.
        """
        self._lock.check()
        with writing(self.model_keras):
            refuse_links(self.model_keras, self.path)
        self.written[self.model_keras.name] = write_by(self.model_keras, save)
        with writing(self.model_keras), zipfile.ZipFile(self.model_keras) as archive:
            weights = archive.read(self.model_weights.name)
        self._write(self.model_weights, weights)

    def finish(self, summary: Mapping[str, Any], metrics: str) -> None:
        """Writes summary.json when all results are safe: from now on the run is finished.

        Args:
            summary: the contents of summary.json except the digests of the files, which are of what the run wrote,
                not of what is there now.
            metrics: the text of metrics.csv as the training knows it.
        """
        self.write_metrics(metrics)
        self.written[self.metrics_csv.name] = hashlib.sha256(metrics.encode()).hexdigest()
        with writing(self.metrics_csv):
            sync(self.metrics_csv)
            self.failure_json.unlink(missing_ok=True)
        self._drop_page()
        for path in [*self.checkpoints.glob("*.npz")]:
            name = str(path.relative_to(self.path))
            if name not in self.written:  # from an earlier session
                with writing(path):
                    raw = read(path)
                if checkpoints.is_whole(raw):
                    self.written[name] = hashlib.sha256(raw).hexdigest()
                else:
                    set_aside(path)
        gone = [n for n in self.written if n.startswith("checkpoints/") and not (self.path / n).exists()]
        files = {name: digest for name, digest in sorted(self.written.items()) if name not in gone}
        self._lock.check()
        write_sealed(self.summary_json, {"format": FORMAT, **summary, "files": files}, within=self.path)

    def _drop_page(self) -> None:
        """Removes the page, which is of other results than the run is about to have."""
        with writing(self.report_html):
            self.report_html.unlink(missing_ok=True)

    def save_evaluations(self, evaluations: Sequence[Evaluated]) -> None:
        self._lock.check()
        self._drop_page()
        write_sealed(self.evaluation_json, {"format": FORMAT, "evaluations": evaluations}, within=self.path)

    def save_priors(self, priors: Sequence[FittedPrior]) -> None:
        self._lock.check()
        self._drop_page()
        write_sealed(self.prior_json, {"format": FORMAT, "priors": priors}, within=self.path)

    def save_prior(self, kind: PriorKind, arrays: Arrays, *, conditional: bool) -> str:
        """Writes a prior's arrays, and returns the SHA-256 of the file."""
        self._lock.check()
        raw = to_npz(arrays)
        write(self.prior_file(kind, conditional=conditional), raw, within=self.path)
        return hashlib.sha256(raw).hexdigest()

    def save_prior_state(self, kind: PriorKind, arrays: Arrays, *, conditional: bool) -> None:
        """Saves the complete state of a prior's training."""
        self._lock.check()
        path = self.prior_file(kind, conditional=conditional, state=True)
        write(path, checkpoints.seal(to_npz(arrays)), within=self.path)

    def prior_state(self, kind: PriorKind, *, conditional: bool) -> Arrays | None:
        """The state of a prior's training that was stopped; None if there is none that is whole."""
        try:
            raw = read(self.prior_file(kind, conditional=conditional, state=True))
            return read_npz(io.BytesIO(checkpoints.unseal(raw)))
        except (OSError, ValueError):
            return None

    def pruned_prior_state(self, kind: PriorKind, *, conditional: bool) -> bool:
        """Whether the state of this prior's training was pruned, so that it can only begin again."""
        path = self.prior_file(kind, conditional=conditional, state=True)
        return not path.exists() and str(path.relative_to(self.path)) in self.pruned

    def drop_prior_state(self, kind: PriorKind, *, conditional: bool) -> None:
        """Removes the state of a prior's training, once the prior is there; that one was pruned is forgotten."""
        path = self.prior_file(kind, conditional=conditional, state=True)
        if self.pruned_prior_state(kind, conditional=conditional):
            self._write_pruned(self.pruned - {str(path.relative_to(self.path))})
        with writing(path):
            path.unlink(missing_ok=True)

    def save_quality(self, quality: Quality) -> None:
        self._lock.check()
        self._drop_page()
        write_sealed(self.quality_json, {"format": FORMAT, "quality": quality}, within=self.path)

    def prune(self, names: Iterable[str]) -> None:
        """Removes these files of a finished run, which is recorded first, so that none of them counts as lost."""
        names = list(names)
        self.record_pruned(names)
        for name in names:
            with writing(self.path / name):
                (self.path / name).unlink(missing_ok=True)

    def record_pruned(self, names: Iterable[str]) -> None:
        """Adds files to those that were pruned."""
        self._lock.check()
        found = self.pruned | set(names)
        if found:
            self._write_pruned(found)

    def _write_pruned(self, names: Iterable[str]) -> None:
        write_sealed(self.pruned_json, {"format": FORMAT, "pruned": sorted(names)}, within=self.path)

    def fail(self, reason: str) -> None:
        self._lock.check()
        write_sealed(self.failure_json, {"format": FORMAT, "reason": reason}, within=self.path)

    def log(self, line: str) -> None:
        """Appends one line with its time to train.log."""
        self._append(self.train_log, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")

    def _write_config(self, config: Config) -> None:
        settings = dump(config.to_dict())
        head = f"# {self.name}, complete: `vaecli train --config` on it repeats the run\n"
        self._write(self.config_yaml, head + settings)

    def _write_info(self, info: Mapping[str, Any]) -> None:
        self._lock.check()
        raw = write_sealed(self.run_json, {**info, "format": FORMAT}, within=self.path)
        self.written[self.run_json.name] = hashlib.sha256(raw).hexdigest()
        self._forget()

    def _write(self, path: Path, content: bytes | str) -> None:
        self._lock.check()
        raw = content.encode() if isinstance(content, str) else content
        write(path, raw, within=self.path)
        self.written[str(path.relative_to(self.path))] = hashlib.sha256(raw).hexdigest()

    def _append(self, path: Path, text: str) -> None:
        self._lock.check()
        with writing(path):
            refuse_links(path, self.path)
        append(path, text)

    def _forget(self) -> None:
        self._info, self._config = None, None
        self.__dict__.pop("summary", None)

    # Reading a finished run checks that files are what it wrote

    def _read(self, path: Path) -> bytes:
        """The bytes of a file.

        Raises:
            Damaged: it cannot be read, or a finished run lacks it or wrote other bytes.
            RunError: an unfinished run has no such file yet.
        """
        try:
            raw = read(path)
        except FileNotFoundError:
            if str(path.relative_to(self.path)) in self.pruned:
                raise RunError(f"{path}: was pruned; a training from the start (--fresh) makes it again") from None
            raise (Damaged(f"{path}: is missing; {MENDED}") if self.finished else self._unfinished()) from None
        except OSError as error:
            raise Damaged(f"{path}: cannot be read ({error.strerror}); {MENDED}") from None
        if self.finished:
            self._recognise(path, raw)
        return raw

    def _recognise(self, path: Path, raw: bytes) -> None:
        """Raises Damaged unless these are the bytes that the finished run wrote."""
        name = str(path.relative_to(self.path))
        written = self.summary["files"].get(name)
        if written is None and not self.before_seals:
            raise Damaged(f"{path}: not a file that the run wrote; {MENDED}")
        if written is not None and hashlib.sha256(raw).hexdigest() != written:
            raise Damaged(f"{path}: was changed after the run was finished, or is of another run; {MENDED}")

    def _arrays(self, path: Path) -> Arrays:
        try:
            return read_npz(io.BytesIO(self._read(path)))
        except ValueError as error:
            raise Damaged(f"{path}: cannot be read ({error}); {MENDED}") from None

    def _unfinished(self) -> RunError:
        return RunError(f"{self.name}: not finished ({self.status}); {self.way_on}")


def is_kept(name: str) -> bool:
    """Whether a file is written once, at the end of an epoch, and kept from then on."""
    return name.startswith("weights/") and name != "weights/last.npz"


def set_aside(path: Path) -> None:
    """Sets a file aside that is not what was written, so that an intact one can take its place. Raises RunFailed."""
    with writing(path):
        path.replace(path.with_name(f"{path.name}.damaged"))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes; raises OSError."""
    return hashlib.sha256(read(path)).hexdigest()
