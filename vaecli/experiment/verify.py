"""`vaecli verify RUN`: checks that a run's files are what it wrote, and that its config survives a kill bit for bit.

The proof trains a short copy of the run three times, each in its own process: uninterrupted; killed by a real SIGKILL;
and resumed from what the killed one left. The copy has fewer images and epochs, and is equal in everything else.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.backend.process import last_words, python
from vaecli.config import Config
from vaecli.data import Dataset, Split
from vaecli.errors import RunFailed
from vaecli.runs import Run
from vaecli.runs.files import Arrays
from vaecli.runs.provenance import changes, environment, session

EPOCHS, STEPS, OTHER_IMAGES = 2, 24, 500
COPY = "import sys; from vaecli.experiment.verify import copy; copy(*sys.argv[1:])"
CALL_OF_DEATH = 2  # the first call saved a state inside the epoch; this one has just written rows unknown to that state


class Proof(NamedTuple):
    """The comparison of an uninterrupted training with one that was killed and resumed."""

    epochs: int
    steps: int  # per epoch
    resumed_after: int  # steps
    arrays: int  # weights, optimiser slots, estimator state, the epoch's values
    numbers: int
    different: list[str]  # arrays that differ in a bit, and metrics.csv if a row does

    @property
    def lines(self) -> Iterator[str]:
        yield (
            f"copy    {self.epochs} epochs of {self.steps} steps, killed (SIGKILL) and resumed after "
            f"{self.resumed_after} steps, against one in one go"
        )
        yield from (f"        {name}: differs" for name in self.different)
        if not self.different:
            yield f"        all {self.numbers:,} numbers of {self.arrays} arrays are equal bit for bit, metrics too"


def prove(run: Run, folder: Path, data_dir: Path | None) -> Proof:
    """Trains the copies in an empty folder.

    Raises:
        RunFailed: a copy did not end as it should; the line ends with its last output.
    """
    whole = _train_copy(run, folder / "whole", data_dir, kill=False)
    _train_copy(run, folder / "killed", data_dir, kill=True)
    left = _state(Run(next((folder / "killed").iterdir())))
    resumed = _train_copy(run, folder / "killed", data_dir, kill=False)
    arrays, others = _state(whole), _state(resumed)
    different = [name for name, array in arrays.items() if array.tobytes() != others[name].tobytes()]
    if _rows(whole) != _rows(resumed):
        different.append("metrics.csv")
    steps = len(arrays["log"])
    resumed_after = int(left["epoch"]) * steps + int(left["step"])
    numbers = sum(array.size for array in arrays.values())
    return Proof(EPOCHS, steps, resumed_after, len(arrays), numbers, different)


def changed_here(run: Run) -> list[str]:
    """What may change bits here compared with when the run was made, e.g. "keras 3.14 -> 3.15"."""
    made = session(run.info)
    return changes(made, {**environment(), "threads": made["threads"]})  # the copies use the same number


def copy(run_path: str, output_dir: str, data_dir: str, kill: str) -> None:
    """Trains the short copy, in its own process; with kill = "kill" it is killed on the way."""
    from vaecli.backend.process import prepare
    from vaecli.experiment.origin import dataset_of
    from vaecli.experiment.plan import plan_run
    from vaecli.experiment.train import train_run

    prepare()
    run = Run(Path(run_path))
    dataset = dataset_of(run, Path(data_dir) if data_dir else None)
    calls = iter(range(1, sys.maxsize))

    def stop() -> None:
        if kill and next(calls) == CALL_OF_DEATH:
            os.kill(os.getpid(), signal.SIGKILL)

    config = _short(run.config)
    train_run(plan_run(config, _cut(dataset, config), Path(output_dir)), _Silent(), stop=stop)


def _train_copy(run: Run, folder: Path, data_dir: Path | None, *, kill: bool) -> Run:
    arguments = [str(run.path), str(folder), str(data_dir or ""), "kill" if kill else ""]
    threads = session(run.info)["threads"]
    limits = {f"TF_NUM_{kind}_THREADS": threads for kind in ("INTRAOP", "INTEROP")} if threads else {}
    done = subprocess.run(
        python("from vaecli.experiment.verify import copy; copy(*sys.argv[1:])", *arguments),
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
    )
    if done.returncode != (-signal.SIGKILL if kill else 0):
        logs = [Run(path).tensorflow_log for path in folder.glob("*")]
        words = next(filter(None, map(last_words, logs)), None)
        said = words or (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RunFailed(f"{run.path}: a short copy of it ended with exit code {done.returncode}, saying: {said}")
    return Run(next(folder.iterdir()))


def _short(config: Config) -> Config:
    training = config.training.model_copy(
        update={"epochs": EPOCHS, "steps": None, "evaluate_at": (), "checkpoint_seconds": 0.0}
    )
    return config.model_copy(update={"training": training})


def _cut(dataset: Dataset, config: Config) -> Dataset:
    """The first images of each split."""

    def first(split: Split, count: int) -> Split:
        return Split(split.images[:count], None if split.labels is None else split.labels[:count])

    held_out = dataset.validation
    return replace(
        dataset,
        train=first(dataset.train, STEPS * config.training.batch_size),
        validation=first(held_out, OTHER_IMAGES) if held_out else None,
        test=first(dataset.test, OTHER_IMAGES),
    )


def _state(run: Run) -> Arrays:
    """The newest complete state, without the text of metrics.csv, whose seconds never repeat."""
    newest: Arrays = next((arrays for _, arrays in run.states() if arrays), {})
    return {name: array for name, array in newest.items() if name not in ("metrics", "written")}


def _rows(run: Run) -> list[dict[str, float | None]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics]


class _Silent:
    """A Reporter that shows nothing."""

    def say(self, line: str) -> None:
        pass

    def progress(self, chunk: Any, trainer: Any) -> None:
        pass

    def epoch(self, row: Mapping[str, float | None], last: int) -> None:
        pass
