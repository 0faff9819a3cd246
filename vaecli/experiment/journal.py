"""Writes the run folder of a training: at the end of each epoch, and at its own end."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.schedules import scheduled
from vaecli.data import Split
from vaecli.data.dataset import squeezed
from vaecli.errors import Diverged
from vaecli.evaluation import codebook
from vaecli.evaluation.cells import drawn_by_codes
from vaecli.evaluation.evaluator import Evaluation, Evaluator, of_mean_image
from vaecli.metrics.metric import epoch_columns, test_block
from vaecli.reports.run.epochs import EpochTable
from vaecli.runs import checkpoints
from vaecli.runs.identity import state_hash
from vaecli.runs.run import is_kept, set_aside
from vaecli.training.state import from_arrays, to_arrays
from vaecli.training.trainer import Chunk, Trainer, TrainState

if TYPE_CHECKING:
    from vaecli.experiment.plan import Plan, Reporter

MILESTONES = frozenset(digit * 10**power for power in range(6) for digit in (1, 2, 5))
# What distortion + rate is, by evaluation.codes
BOUNDS = {"sample": "one sample per image", "mode": "none: codes at their mode", "relaxed": "none: relaxed codes"}
SHOWN = 10  # reconstructed test images, the same for every method and run
ONE_HOT_NUMBERS = 2**24  # at once


class Journal:
    """The journal of one training; the only reader of a trainer's state outside the trainer."""

    def __init__(self, plan: "Plan", trainer: Trainer, reporter: "Reporter") -> None:
        self.config, self.dataset, self.run = plan
        self.trainer = trainer
        self.reporter = reporter
        self.autoencoder = trainer.autoencoder
        self.rows: list[dict[str, float | None]] = []
        self.metrics = ""  # the text of metrics.csv
        self.state_hash = state_hash(self.config, self.dataset)
        scale, seed = self.dataset.scale, self.config.training.seed
        shown, end = shown_images(self.dataset.test), trainer.end
        self.test = Evaluator(self.autoencoder, self.dataset.test, scale, seed, shown=shown, progress=end)
        held_out = self.dataset.validation
        self.validation = Evaluator(self.autoencoder, held_out, scale, seed, progress=end) if held_out else None
        self.last_row = self.config.training.last_row(end.steps_per_epoch)
        self.logged = EpochTable()
        self._tested: tuple[int, Evaluation] | None = None  # the newest evaluation of the test split, and its step

    def restore(self, initial: TrainState) -> TrainState:
        """Restores the newest state of this run in the folder with its metrics.csv; otherwise the initial state.

        Files that are damaged or of another run are reported and set aside, and so are weights of earlier epochs that
        are no longer what the run wrote.

        Raises:
            Diverged: a row of that metrics.csv holds a number that is not finite.
        """
        passed: list[tuple[Path, str]] = []
        for path, arrays in self.run.states():
            try:
                if arrays is None:
                    raise ValueError("damaged")
                if not checkpoints.is_of(arrays, self.state_hash):
                    raise ValueError("of another run")
                state = from_arrays(arrays, initial, self.trainer.names, self.trainer.learnt)
                self.metrics = arrays["metrics"].tobytes().decode()
                written = json.loads(arrays["written"].tobytes()) if "written" in arrays else None
            except (KeyError, ValueError) as error:
                passed.append((path, str(error)))
                continue
            self._pass_over(passed, "going back to the state before it")
            self._restore_files(written)
            steps = self.trainer.steps_per_epoch
            self._say(f"resuming after {state.epoch} epochs and {state.step} of {steps} steps")
            return state
        self._pass_over(passed, "beginning again")
        self.run.write_metrics("")
        self.run.save_weights("epoch-00000", self.weights(initial))
        return initial

    def _pass_over(self, passed: Sequence[tuple[Path, str]], last: str) -> None:
        for number, (path, reason) in enumerate(passed, 1):
            self._say(f"{path} is {reason}, {last if number == len(passed) else 'going back to the state before it'}")
            set_aside(path)

    def _restore_files(self, written: Mapping[str, str] | None) -> None:
        """Restores metrics.csv from the state, and checks the weights that were kept before it by their digests.

        Args:
            written: None if the state was made by a version that kept no digests; then the files are used unchecked.
        """
        if not self.run.metrics_text.startswith(self.metrics):
            self._say(f"{self.run.metrics_csv} was changed; restoring it from the state")
        self.run.write_metrics(self.metrics)
        self.rows = self.run.read_metrics(finite=False)
        for row in self.rows:
            self._check(row)
        for name, problem in self.run.adopt(written):
            self._say(f"{self.run.path / name} is {problem}: the run has no weights of that epoch any more")

    def save(self, state: TrainState) -> None:
        """Saves the complete state, replaced by a rename; raises Diverged instead of saving a diverged one."""
        self.run.save_checkpoint(self._complete(state), step=self.trainer.done(state))

    def add_row(self, chunk: Chunk) -> None:
        """Evaluates, appends a row, and keeps the weights of milestones and the best on the validation split.

        Raises:
            Diverged: a figure of the row is not finite, which neither metrics.csv nor a summary may hold.
        """
        state = chunk.state
        assert chunk.metrics is not None
        row = {**self._place(state), **chunk.metrics, **self._scheduled(state)}
        of_validation = self.validation(state.weights, self.trainer.done(state)) if self.validation else None
        for split, evaluation in (("test", self._evaluation(state)), ("validation", of_validation)):
            row |= self._columns(split, evaluation)
        row["seconds"] = chunk.row_seconds
        if self.rows:  # begun by a version with fewer columns, the table keeps its form
            row = {name: row[name] for name in self.rows[0]}
        self._check(row)
        best = min((r["validation_mse_sampled"] or math.inf for r in self.rows), default=math.inf)
        self.rows.append(row)
        self.metrics += self.run.append_metrics(row)
        if state.step == 0 and state.epoch in MILESTONES:
            self.run.save_weights(f"epoch-{state.epoch:05d}", self.weights(state))
        if self.validation and (row["validation_mse_sampled"] or math.inf) < best:
            self.run.save_weights("best", self.weights(state))
            self.run.save_best_checkpoint(self._complete(state))
        for line in self.logged.lines(row, self.last_row):
            self.run.log(line)
        self.reporter.epoch(row, self.last_row)

    def _place(self, state: TrainState) -> dict[str, float | None]:
        """Where a row stands: after an epoch, or in a run that counts steps after a step and a part of an epoch."""
        if not self.config.training.counts_steps:
            return {"epoch": state.epoch}
        done = self.trainer.done(state)
        return {"epoch": done / self.trainer.steps_per_epoch if state.step else state.epoch, "step": done}

    def _scheduled(self, state: TrainState) -> dict[str, float | None]:
        """What the schedules gave the last step; nothing in a run that began before there were these columns."""
        last = self.trainer.end._replace(step=self.trainer.done(state) - 1)
        return {
            key: float(scheduled(schedule, last))
            for (_, key), schedule in self.config.schedules.items()
            if not self.rows or key in self.rows[0]
        }

    def finish(self, state: TrainState) -> None:
        """Writes everything that comparisons and users of the model read, summary.json last: then it is finished."""
        for variable, weight in zip(self.trainer.variables, state.weights, strict=True):
            variable.assign(weight)
        last, evaluation = self.rows[-1], self._evaluation(state)
        self.run.save_weights("last", self.weights(state))
        model = self.autoencoder.export()
        self.run.save_model(model.save)
        found = codebook.placed(self.autoencoder, self.dataset.floats(self.dataset.test.images[: codebook.MOST_IMAGES]))
        arrays = self._reconstructions(evaluation, model)
        if found:
            arrays |= {"codebook": found.rows, "encodings": found.encodings}
        self.run.save_reconstructions(arrays)
        counts = np.sum(evaluation.measured.counts, 0) if found else None
        norms = {part: last[f"gradient_norm_{part}"] for part in ("encoder", "bottleneck", "decoder")}
        self.run.finish(
            {
                "latent": self.autoencoder.latent.to_dict(),
                "test": test_block(evaluation.measured),
                "mean_image": of_mean_image(self.dataset, self.autoencoder.likelihood),
                "codebook": codebook.described(found, counts),
                "gradient_norm": norms,
                "without_gradient": self._without_gradient(norms),
                "parameters": int(sum(math.prod(w.shape) for w in state.weights)),
                "seconds": sum(row["seconds"] or 0 for row in self.rows),
                "data": {
                    "name": self.dataset.name,
                    "fallback_for": self.dataset.fallback_for,
                    "digest": self.dataset.digest,
                },
                "protocol": self._protocol(),
            },
            self.metrics,
        )

    def _evaluation(self, state: TrainState) -> Evaluation:
        """The test split as measured in this state; the last row and the summary are of the same one."""
        done = self.trainer.done(state)
        if self._tested is None or self._tested[0] != done:
            self._tested = done, self.test(state.weights, done)
        return self._tested[1]

    def weights(self, state: TrainState) -> dict[str, Any]:
        """The weights, as named arrays."""
        return {name: w.numpy() for name, w in zip(self.trainer.names, state.weights, strict=True)}

    def diverged(self, where: str, what: str) -> Diverged:
        """The error to raise; the last good state remains the newest."""
        training, options = self.config.training, self.config.model.options()
        suspects = {"training.learning_rate": training.learning_rate, "objective.beta": self.config.objective.beta}
        suspects |= {f"model.{key}": value for key, value in options.items() if isinstance(value, float)}
        keys = ", ".join(f"{key} = {value:g}" for key, value in suspects.items() if value)
        reason = f"{what} is not a finite number; look at {keys}"
        return Diverged(f"{self.run.path}: diverged in {where}: {reason}; the same command would diverge again")

    def _check(self, row: Mapping[str, float | None]) -> None:
        """Raises Diverged if a figure of an epoch is not finite."""
        wrong = [name for name, value in row.items() if value is not None and not math.isfinite(value)]
        if wrong:
            done = row.get("step") or (row["epoch"] or 0) * self.trainer.steps_per_epoch
            raise self.diverged(self._where(done), wrong[0])

    def _where(self, done: float) -> str:
        """The last of so many steps: "epoch 2, step 22"."""
        epoch, step = divmod(int(done) - 1, self.trainer.steps_per_epoch)
        return f"epoch {epoch + 1}, step {step + 1}"

    def _complete(self, state: TrainState) -> dict[str, NDArray[Any]]:
        """Everything a resume needs: the state, the run it belongs to, and metrics.csv up to here."""
        arrays = to_arrays(state, self.trainer.names, self.trainer.learnt)
        wrong = [name for name, array in arrays.items() if name != "log" and not _finite(array)]
        if wrong:
            raise self.diverged(self._where(self.trainer.done(state)), wrong[0])
        written = json.dumps({name: self.run.written[name] for name in sorted(self.run.written) if is_kept(name)})
        text = {"config": self.state_hash, "metrics": self.metrics, "written": written}
        return arrays | {name: np.frombuffer(value.encode(), np.uint8) for name, value in text.items()}

    def _say(self, line: str) -> None:
        self.run.log(line)
        self.reporter.say(line)

    def _columns(self, split: str, evaluation: Evaluation | None) -> dict[str, float | None]:
        values = epoch_columns(evaluation.measured if evaluation else None)
        return {f"{split}_{name}": value for name, value in values.items()}

    def _reconstructions(self, evaluation: Evaluation, model: keras.Model) -> dict[str, Any]:
        """The arrays of reconstructions.npz: images [N, H, W] in [0, 1], prototypes [K, H, W], contingency [K, V] of
        codes and the labels in label_values [V]. Of a grid with one code in each cell, `drawn` has codes [M], and
        in_place [M, h, w] and alone [M, H, W] what they draw. Images of several channels are [N, H, W, C].

        The mode is the output of the exported model: its program rounds differently in the last bits from that of the
        evaluation, and users of model.keras get these images.
        """
        test, shown = self.dataset.test, self.test.shown
        arrays: dict[str, Any] = {"images": squeezed(self.dataset.floats(test.images[shown])), "index": shown}
        for name, pixels in evaluation.shown._asdict().items():
            if pixels is not None:
                arrays[name] = squeezed(pixels)
        same = np.array_equal(arrays["mode"], arrays["sampled"])  # a point posterior
        arrays["mode"] = model(arrays["images"]).numpy()
        if same:
            arrays["sampled"] = arrays["mode"]
        if test.labels is not None:
            arrays["labels"] = test.labels[shown]
        measured = evaluation.measured
        if measured.codes is not None:
            arrays["codes"] = measured.codes[shown]
            arrays["code_counts"] = _side_by_side(measured.counts)
            single, latent = measured.latent.single, measured.latent
            if latent.num_positions > 1 and latent.codes_per_position == 1:
                drawn = drawn_by_codes(self.autoencoder, measured.codes)
                arrays |= {"drawn": drawn.codes, "in_place": squeezed(drawn.in_place), "alone": squeezed(drawn.alone)}
            if single is not None:
                arrays["prototypes"] = squeezed(self._prototypes(single))
                for pairs in measured.pairs:
                    arrays |= {"contingency": pairs.table(single), "label_values": pairs.values}
        return arrays

    def _prototypes(self, num_codes: int) -> NDArray[np.float32]:
        """The images [K, H, W, C] that the codes draw, decoded in parts so that their one-hot codes stay small."""
        at_once = max(1, ONE_HOT_NUMBERS // num_codes)
        parts = []
        for first in range(0, num_codes, at_once):
            codes = tf.range(first, min(first + at_once, num_codes))
            parts.append(self.autoencoder.pixels(self.autoencoder.bottleneck.lookup(codes[:, None])).numpy())
        return np.concatenate(parts)

    def _without_gradient(self, norms: dict[str, float | None]) -> list[str]:
        """The variables of the parts whose measured gradient was exactly zero."""
        return [name for name in self.trainer.names if norms[name.partition("/")[0]] == 0]

    def _protocol(self) -> dict[str, Any]:
        """The protocol that two runs must share for their figures to be comparable."""
        prior = "learned prior" if self.config.objective.prior == "learned" else "prior"
        return {
            "likelihood": str(self.config.objective),
            "binarization": self.dataset.binarization,
            "bound": BOUNDS[self.config.evaluation.codes],
            "split": {"train": len(self.dataset.train), "test": len(self.dataset.test)},
            "rate": f"analytic KL to the {prior}, in nats per image",
            "codes": "mode of q(z|x) over the whole test set",
        }


def _side_by_side(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Counts [L, K], K of the largest alphabet; a code with fewer values has zeros at the end."""
    table = np.zeros((len(counts), max(map(len, counts))), np.int64)
    for row, of_code in zip(table, counts, strict=True):
        row[: len(of_code)] = of_code
    return table


def _finite(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def shown_images(test: Split) -> NDArray[np.int64]:
    """The first test image of each of the first ten labels, or the first ten images."""
    if test.labels is None:
        return np.arange(min(SHOWN, len(test)))
    return np.unique(test.labels, return_index=True)[1][:SHOWN]
