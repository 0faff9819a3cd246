"""The evaluation, which is the same for all methods."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.programs import program
from vaecli.backend.progress import END, Progress
from vaecli.backend.random import fold_in
from vaecli.data import Dataset, Split
from vaecli.evaluation.references import mean_image
from vaecli.metrics.measured import Measured
from vaecli.models.autoencoder import Autoencoder, PerImage, Reconstructions
from vaecli.models.likelihood import Likelihood

BATCH = 1000
NOTHING = np.zeros(0, np.int64)
_EVALUATION_SEED = 3  # folded into the run's seed; the same draws at every epoch


class Evaluation(NamedTuple):
    """The measurements on a split, and the reconstructions of the selected images."""

    measured: Measured
    shown: Reconstructions  # numpy [S, H, W, C]


class Measurement:
    """Measures one batch and keeps the reconstructions of some of its rows."""

    def __init__(self, autoencoder: Autoencoder, scale: float, progress: Progress) -> None:
        self.autoencoder = autoencoder
        self.progress = progress
        self.variables = list(autoencoder.weights.values())
        self.scale = scale

    def __call__(
        self,
        weights: list[tf.Tensor],
        images: tf.Tensor,
        seed: tf.Tensor,
        index: tf.Tensor,
        rows: tf.Tensor,
        step: tf.Tensor,
    ) -> Any:
        progress = self.progress._replace(step=step)
        with keras.StatelessScope(zip(self.variables, weights, strict=True)):
            batch = tf.reshape(tf.cast(images, tf.float32) * self.scale, (-1, *self.autoencoder.image_shape))
            measures, pixels = self.autoencoder.measure(batch, seed=fold_in(seed, index), progress=progress)
        return measures, Reconstructions(*(None if y is None else tf.gather(y, rows) for y in pixels))


class Evaluator:
    """Measures an autoencoder on one split, in batches of one program.

    It is compiled as a graph whatever the steps are: 10,000 images then take 0.9 to 1.1 of the time that they take by
    XLA (128 to 1024-512 units, one and two threads), and compiling takes 0.2 to 0.8 s less.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        split: Split,
        scale: float,
        seed: int,
        shown: NDArray[np.int64] = NOTHING,
        progress: Progress = END,
    ) -> None:
        """`shown` [S] selects the images whose reconstructions are kept; `progress` has the length of the run."""
        self.autoencoder = autoencoder
        self.shown = shown
        self.count = len(split)
        self.labels = split.labels
        self.seed = seed
        batch = min(BATCH, self.count)
        flat = split.images.reshape(self.count, -1)
        padding = np.zeros((-self.count % batch, flat.shape[1]), flat.dtype)
        self.batches = np.concatenate([flat, padding]).reshape(-1, batch, flat.shape[1])
        self._compiled = program(
            Measurement(autoencoder, scale, progress),
            autoencoder.measured_as,
            scale,
            progress,
            compiler="graph",
        )

    def __call__(self, weights: Sequence[tf.Tensor], done: int = 1) -> Evaluation:
        """Measures the state after `done` steps, with a relaxed sample as the last of them read one."""
        step = tf.constant(done - 1)
        rows = tf.constant(self.shown % self.batches.shape[1], tf.int32)
        seed = tf.constant([self.seed, _EVALUATION_SEED], tf.int32)
        results = [
            self._compiled(list(weights), tf.constant(images), seed, tf.constant(i), rows, step)
            for i, images in enumerate(self.batches)
        ]
        parts, pictures = zip(*results, strict=True)
        measures = PerImage(*(self._join(column) for column in zip(*parts, strict=True)))
        shown = Reconstructions(*(self._pick(column) for column in zip(*pictures, strict=True)))
        measured = Measured(
            latent=self.autoencoder.latent,
            mse_sampled=_mean(measures.mse_sampled),
            mse_mode=_mean(measures.mse_mode),
            mse_relaxed=None if measures.mse_relaxed is None else _mean(measures.mse_relaxed),
            distortion=_mean(measures.distortion) if self.autoencoder.likelihood.in_nats else None,
            rate=_mean(measures.rate),
            codes=measures.codes,
            labels=self.labels,
            scale=self._scale(weights),
        )
        return Evaluation(measured, shown)

    def _scale(self, weights: Sequence[tf.Tensor]) -> float | None:
        with keras.StatelessScope(zip(self.autoencoder.weights.values(), weights, strict=True)):
            log_scale = self.autoencoder.likelihood.log_scale
            return None if log_scale is None else math.exp(float(log_scale.value))

    def _join(self, column: Sequence[tf.Tensor | None]) -> Any:
        arrays = [part.numpy() for part in column if part is not None]
        return np.concatenate(arrays)[: self.count] if arrays else None

    def _pick(self, column: Sequence[tf.Tensor | None]) -> Any:
        """The selected images, each taken from its batch."""
        home = self.shown // self.batches.shape[1]
        found = [column[batch] for batch in home]
        return None if None in found else np.array([rows.numpy()[i] for i, rows in enumerate(found)])


def of_mean_image(dataset: Dataset, likelihood: Likelihood) -> dict[str, float | None]:
    """The test errors of predicting the mean training image: `mse` per pixel, and `distortion` in nats per image.

    The distortion is None if the likelihood is not in nats.
    """
    outputs = tf.constant(likelihood.outputs(dataset.mean_image).reshape(1, -1), tf.float32)
    images, distortions = dataset.test.images, []
    for first in range(0, len(images) if likelihood.in_nats else 0, BATCH):
        batch = dataset.floats(images[first : first + BATCH])
        distortions.append(likelihood.distortion(tf.constant(batch.reshape(len(batch), -1)), outputs).numpy())
    return {"mse": mean_image(dataset), "distortion": _mean(np.concatenate(distortions)) if distortions else None}


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.astype(np.float64).mean())
