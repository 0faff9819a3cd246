"""The measurements that are the same for all methods."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.programs import program
from vaecli.backend.random import fold_in
from vaecli.config.schema import Config
from vaecli.data import Split
from vaecli.metrics.codes import contingency, matching_accuracy, normalized_mutual_information, perplexity
from vaecli.models.autoencoder import Autoencoder, PerImage, Reconstructions

BATCH = 1000
NOTHING = np.zeros(0, np.int64)
_EVALUATION_SEED = 3  # folded into the run's seed; the same draws at every epoch


class Evaluation(NamedTuple):
    """Means over a whole split. None where the method has no such thing."""

    mse_sampled: float  # per pixel, on sampled hard codes
    mse_mode: float  # per pixel, on the most probable codes (a Gaussian's mean)
    mse_relaxed: float | None  # per pixel, on the relaxed sample that the loss reads
    distortion: float | None  # nats per image, on sampled codes; None where the likelihood is no density
    rate: float  # nats per image
    codes: NDArray[np.int32] | None  # [N, L], the mode
    shown: Reconstructions  # numpy, of the images asked for

    @property
    def elbo(self) -> float | None:
        """nats per image, on hard samples, without beta or penalty."""
        return None if self.distortion is None else -(self.distortion + self.rate)

    def perplexities(self, num_codes: int) -> list[float]:
        """Of each latent, over the whole split."""
        return [perplexity(counts) for counts in self.code_counts(num_codes)]

    def code_counts(self, num_codes: int) -> NDArray[np.int64]:
        """[L, K]."""
        assert self.codes is not None
        return np.stack([np.bincount(column, minlength=num_codes) for column in self.codes.T])


class Measurement:
    """Of one batch, and the reconstructions of some of its rows."""

    def __init__(self, autoencoder: Autoencoder, scale: float) -> None:
        self.autoencoder = autoencoder
        self.variables = list(autoencoder.weights.values())
        self.scale = scale

    def __call__(
        self, weights: list[tf.Tensor], images: tf.Tensor, seed: tf.Tensor, index: tf.Tensor, rows: tf.Tensor
    ) -> Any:
        with keras.StatelessScope(zip(self.variables, weights, strict=True)):
            measures, pixels = self.autoencoder.measure(
                tf.cast(images, tf.float32) * self.scale, seed=fold_in(seed, index)
            )
        return measures, Reconstructions(*(None if y is None else tf.gather(y, rows) for y in pixels))


class Evaluator:
    """Measures an autoencoder on one split, in batches of one compiled program."""

    def __init__(
        self, autoencoder: Autoencoder, split: Split, scale: float, seed: int, shown: NDArray[np.int64] = NOTHING
    ) -> None:
        """`shown` [S]: images of the split whose reconstructions are kept."""
        self.autoencoder = autoencoder
        self.shown = shown
        self.count = len(split)
        self.seed = seed
        batch = min(BATCH, self.count)
        flat = split.images.reshape(self.count, -1)
        padding = np.zeros((-self.count % batch, flat.shape[1]), flat.dtype)
        self.batches = np.concatenate([flat, padding]).reshape(-1, batch, flat.shape[1])
        self._compiled = program(Measurement(autoencoder, scale), autoencoder.measured_as, scale)

    def __call__(self, weights: Sequence[tf.Tensor]) -> Evaluation:
        rows = tf.constant(self.shown % self.batches.shape[1], tf.int32)
        seed = tf.constant([self.seed, _EVALUATION_SEED], tf.int32)
        results = [
            self._compiled(list(weights), tf.constant(images), seed, tf.constant(i), rows)
            for i, images in enumerate(self.batches)
        ]
        parts, pictures = zip(*results, strict=True)
        measures = PerImage(*(self._join(column) for column in zip(*parts, strict=True)))
        shown = Reconstructions(*(self._pick(column) for column in zip(*pictures, strict=True)))
        in_nats = self.autoencoder.likelihood.in_nats
        return Evaluation(
            mse_sampled=_mean(measures.mse_sampled),
            mse_mode=_mean(measures.mse_mode),
            mse_relaxed=None if measures.mse_relaxed is None else _mean(measures.mse_relaxed),
            distortion=_mean(measures.distortion_sampled) if in_nats else None,
            rate=_mean(measures.rate),
            codes=measures.codes,
            shown=shown,
        )

    def _join(self, column: Sequence[tf.Tensor | None]) -> Any:
        arrays = [part.numpy() for part in column if part is not None]
        return np.concatenate(arrays)[: self.count] if arrays else None

    def _pick(self, column: Sequence[tf.Tensor | None]) -> Any:
        """Each shown image's row [P], out of the batch that has the image."""
        home = self.shown // self.batches.shape[1]
        found = [column[batch] for batch in home]
        return None if None in found else np.array([rows.numpy()[i] for i, rows in enumerate(found)])


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.astype(np.float64).mean())


def summarize(evaluation: Evaluation, config: Config, split: Split) -> dict[str, Any]:
    """The `test` block of summary.json; the keys are the same for every method."""
    summary: dict[str, Any] = {
        "mse": {
            "sampled": evaluation.mse_sampled,
            "mode": evaluation.mse_mode,
            "relaxed": evaluation.mse_relaxed,
        },
        "distortion": evaluation.distortion,
        "rate": evaluation.rate,
        "elbo": evaluation.elbo,
        "bits": evaluation.rate / math.log(2),
    }
    num_latents, num_codes = latents_and_codes(config)
    of_codes: dict[str, Any] = dict.fromkeys(("capacity_bits", "perplexity", "codes_used", "nmi", "accuracy"))
    if evaluation.codes is not None and num_codes is not None:
        perplexities = evaluation.perplexities(num_codes)
        used = [float((counts > 0).mean()) for counts in evaluation.code_counts(num_codes)]
        of_codes |= {
            "capacity_bits": num_latents * math.log2(num_codes),
            "perplexity": float(np.mean(perplexities)),
            "codes_used": float(np.mean(used)),
        }
        nmi = None
        if split.labels is not None:
            nmi = [normalized_mutual_information(contingency(column, split.labels)) for column in evaluation.codes.T]
            of_codes["nmi"] = float(np.mean(nmi))
            if num_latents == 1:
                of_codes["accuracy"] = matching_accuracy(contingency(evaluation.codes[:, 0], split.labels))
        if num_latents > 1:
            of_codes["per_latent"] = {"perplexity": perplexities, "codes_used": used, "nmi": nmi}
    return summary | of_codes


def latents_and_codes(config: Config) -> tuple[int, int | None]:
    """(L, K); K is None for a continuous latent."""
    options = config.model.options()
    return options.get("num_latents", 1), options.get("num_classes", options.get("num_codes"))
