"""What a training leaves in its run folder: at the end of each epoch, and at its own end."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.data import Split
from vaecli.errors import Diverged, RunError
from vaecli.evaluation.codes import contingency
from vaecli.evaluation.evaluator import Evaluation, Evaluator, latents_and_codes, summarize
from vaecli.reports.summary import epoch_line
from vaecli.training.state import from_arrays, to_arrays
from vaecli.training.trainer import Chunk, Trainer, TrainState

if TYPE_CHECKING:
    from vaecli.experiment import Plan, Reporter

MILESTONES = frozenset(digit * 10**power for power in range(6) for digit in (1, 2, 5))
SHOWN = 10  # reconstructed test images, the same for every method and run


class Journal:
    """Writes for one training; the only reader of a trainer's state outside the trainer."""

    def __init__(self, plan: "Plan", trainer: Trainer, reporter: "Reporter") -> None:
        self.config, self.dataset, self.run = plan
        self.trainer = trainer
        self.reporter = reporter
        self.autoencoder = trainer.autoencoder
        self.rows: list[dict[str, float | None]] = []
        scale, seed = self.dataset.scale, self.config.training.seed
        self.test = Evaluator(self.autoencoder, self.dataset.test, scale, seed, shown=shown_images(self.dataset.test))
        held_out = self.dataset.validation
        self.validation = Evaluator(self.autoencoder, held_out, scale, seed) if held_out else None

    def restore(self, initial: TrainState) -> TrainState:
        """The newest whole state of the folder, and metrics.csv as it was then; else the initial state."""
        arrays, damaged = self.run.load_checkpoint()
        for path in damaged:
            self._say(f"{path} is damaged, going back to the state before it")
        state = initial
        if arrays is None:
            self.run.save_weights("epoch-00000", self.weights(state))
        else:
            try:
                state = from_arrays(arrays, initial, self.trainer.names)
            except (KeyError, ValueError) as error:
                raise RunError(f"{self.run.checkpoints}: not of this run ({error}); see --fresh") from None
            steps = self.trainer.steps_per_epoch
            self._say(f"resuming after {state.epoch} epochs and {state.step} of {steps} steps")
        self.rows = [row for row in self.run.metrics if (row["epoch"] or 0) <= state.epoch]
        self.run.write_metrics(self.rows)
        return state

    def save(self, state: TrainState) -> None:
        """The complete state, swapped in by a rename."""
        done = state.epoch * self.trainer.steps_per_epoch + state.step
        self.run.save_checkpoint(to_arrays(state, self.trainer.names), step=done)

    def end_of_epoch(self, chunk: Chunk) -> None:
        """Evaluates, appends a row, keeps the weights of milestones and the best on the validation split."""
        state = chunk.state
        assert chunk.metrics is not None
        row: dict[str, float | None] = {"epoch": state.epoch, **chunk.metrics}
        row |= self._columns("test", self.test(state.weights))
        row |= self._columns("validation", self.validation(state.weights) if self.validation else None)
        row["seconds"] = chunk.epoch_seconds
        if not math.isfinite(row["test_mse_mode"] or 0):
            reason = f"diverged in epoch {state.epoch}: the test error is not a number"
            self.run.fail(reason)
            raise Diverged(f"{self.run.path}: {reason}")
        best = min((r["validation_mse_sampled"] or math.inf for r in self.rows), default=math.inf)
        self.rows.append(row)
        self.run.append_metrics(row)
        if state.epoch in MILESTONES:
            self.run.save_weights(f"epoch-{state.epoch:05d}", self.weights(state))
        if self.validation and (row["validation_mse_sampled"] or math.inf) < best:
            self.run.save_weights("best", self.weights(state))
        self.run.log(epoch_line(row, self.trainer.epochs))
        self.reporter.epoch(row, self.trainer.epochs)

    def finish(self, state: TrainState) -> None:
        """Everything that figures, comparisons and users of the model read; summary.json last."""
        from vaecli.reports.figures import draw_run

        for variable, weight in zip(self.trainer.variables, state.weights, strict=True):
            variable.assign(weight)
        last, evaluation = self.rows[-1], self.test(state.weights)
        self.run.save_weights("last", self.weights(state))
        self.run.save_reconstructions(self._reconstructions(evaluation))
        model = self.autoencoder.export(self.dataset.image_shape)
        model.save(self.run.model_keras)
        model.save_weights(self.run.model_weights)
        draw_run(self.run)
        norms = {part: last[f"gradient_norm_{part}"] for part in ("encoder", "bottleneck", "decoder")}
        self.run.finish(
            {
                "format": 1,
                "test": summarize(evaluation, self.config, self.dataset.test),
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
            }
        )

    def weights(self, state: TrainState) -> dict[str, Any]:
        """The weights alone, as named arrays."""
        return {name: w.numpy() for name, w in zip(self.trainer.names, state.weights, strict=True)}

    def _say(self, line: str) -> None:
        self.run.log(line)
        self.reporter.say(line)

    def _columns(self, split: str, evaluation: Evaluation | None) -> dict[str, float | None]:
        names = ("mse_sampled", "mse_mode", "mse_relaxed", "distortion", "rate", "perplexity")
        if evaluation is None:
            return {f"{split}_{name}": None for name in names}
        values = [getattr(evaluation, name) for name in names[:-1]]
        _, num_codes = latents_and_codes(self.config)
        perplexity = float(np.mean(evaluation.perplexities(num_codes))) if num_codes else None
        return dict(zip((f"{split}_{name}" for name in names), [*values, perplexity], strict=True))

    def _reconstructions(self, evaluation: Evaluation) -> dict[str, Any]:
        """The arrays of reconstructions.npz: images [N, H, W] in [0, 1], prototypes [K, H, W], contingency."""
        test, shown, shape = self.dataset.test, self.test.shown, self.dataset.image_shape
        arrays: dict[str, Any] = {"images": self.dataset.floats(test.images[shown]), "index": shown}
        for name, pixels in evaluation.shown._asdict().items():
            if pixels is not None:
                arrays[name] = pixels.reshape(-1, *shape)
        if test.labels is not None:
            arrays["labels"] = test.labels[shown]
        num_latents, num_codes = latents_and_codes(self.config)
        if num_codes is not None and evaluation.codes is not None:
            arrays["codes"] = evaluation.codes[shown]
            arrays["code_counts"] = evaluation.code_counts(num_codes)
            if num_latents == 1:
                z = self.autoencoder.bottleneck.lookup(tf.range(num_codes)[:, None])
                arrays["prototypes"] = self.autoencoder.pixels(z).numpy().reshape(-1, *shape)
                if test.labels is not None:
                    arrays["contingency"] = contingency(evaluation.codes[:, 0], test.labels, num_codes)
        return arrays

    def _without_gradient(self, norms: dict[str, float | None]) -> list[str]:
        """The variables of the parts whose measured gradient was exactly zero."""
        return [name for name in self.trainer.names if norms[name.partition("/")[0]] == 0]

    def _protocol(self) -> dict[str, Any]:
        """What must be equal before two runs' figures may stand on one scale."""
        return {
            "likelihood": self.config.objective.likelihood,
            "binarization": "none",
            "bound": "one sample per image",
            "split": {"train": len(self.dataset.train), "test": len(self.dataset.test)},
            "rate": "analytic KL to the prior, in nats per image",
            "codes": "mode of q(z|x) over the whole test set",
        }


def shown_images(test: Split) -> NDArray[np.int64]:
    """The first test image of each of the first ten labels, or the first ten images."""
    if test.labels is None:
        return np.arange(min(SHOWN, len(test)))
    return np.unique(test.labels, return_index=True)[1][:SHOWN]
