"""Every metric of a run, described once: its key, name, meaning and computation.

The journal, summary.json, lists, comparisons and figures read this table; one entry adds a metric.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vaecli.metrics.codes import matching_accuracy, normalized_mutual_information
from vaecli.metrics.measured import Measured


@dataclass(frozen=True)
class Metric:
    """One figure of a finished run."""

    key: str  # its place in summary.json
    meaning: str  # a sentence for .github/docs/metrics.md and the page
    unit: str = ""
    decimals: int = 4
    better: Literal["low", "high"] | None = None
    exists_for: str = "every latent"
    column: str | None = None  # header in comparisons; None: no column there
    listed: bool = False  # whether `vaecli list` shows it
    of_epoch: str | None = None  # its name in metrics.csv, after "test_" and "validation_"
    of: Callable[[Measured], float | None] | None = None  # None: it does not come from the evaluation
    before: Callable[[Mapping[str, Any]], float | None] | None = None  # of a summary.json without it

    def value(self, summary: Mapping[str, Any]) -> float | None:
        """The value in a summary.json; None if there is none."""
        found: Any = summary
        for key in self.key.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return self.before(summary) if found is None and self.before and summary.get("test") else found


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _nmi(found: Measured) -> float | None:
    return _mean([normalized_mutual_information(pairs) for pairs in found.pairs])


def _accuracy(found: Measured) -> float | None:
    return matching_accuracy(found.pairs[0]) if found.pairs and found.latent.single else None


def _elbo(found: Measured) -> float | None:
    return None if found.distortion is None else -(found.distortion + found.rate)


METRICS: tuple[Metric, ...] = (
    Metric(
        "test.mse.sampled",
        "Mean squared error on codes drawn from the posterior.",
        "per pixel",
        better="low",
        column="mse sampled",
        listed=True,
        of_epoch="mse_sampled",
        of=lambda found: found.mse_sampled,
    ),
    Metric(
        "test.mse.mode",
        "Mean squared error on the most probable codes (a Gaussian's mean).",
        "per pixel",
        better="low",
        column="mse mode",
        listed=True,
        of_epoch="mse_mode",
        of=lambda found: found.mse_mode,
    ),
    Metric(
        "test.mse.relaxed",
        "Mean squared error on the relaxed sample that the loss reads.",
        "per pixel",
        better="low",
        exists_for="methods that train on a relaxed sample",
        column="mse relaxed",
        listed=True,
        of_epoch="mse_relaxed",
        of=lambda found: found.mse_relaxed,
    ),
    Metric(
        "learned",
        "How far the error on sampled codes went from the mean image's (0) to that of k-means or PCA of the same size "
        "(1); it needs `vaecli data references`.",
        decimals=2,
        better="high",
        exists_for="latents that k-means or PCA fits",
        column="learned",
    ),
    Metric(
        "test.distortion",
        "-log p(x|z) on codes drawn from the posterior.",
        "nats per image",
        decimals=2,
        better="low",
        exists_for="likelihoods in nats",
        column="distortion",
        of_epoch="distortion",
        of=lambda found: found.distortion,
    ),
    Metric(
        "test.scale",
        "The standard deviation of a pixel around the decoder's output, as learned.",
        "on [0, 1]",
        exists_for="objective.scale: learned",
        of=lambda found: found.scale,
    ),
    Metric(
        "test.rate",
        "KL(q(z|x) || p(z)).",
        "nats per image",
        decimals=3,
        of_epoch="rate",
        of=lambda found: found.rate,
    ),
    Metric(
        "test.elbo",
        "-(distortion + rate), without beta or penalties.",
        "nats per image",
        decimals=2,
        better="high",
        exists_for="likelihoods in nats",
        of=_elbo,
    ),
    Metric(
        "test.negative_elbo",
        "distortion + rate, without beta or penalties: what rows are ordered by where the likelihood is in nats.",
        "nats per image",
        decimals=2,
        better="low",
        exists_for="likelihoods in nats",
        column="-elbo",
        of=lambda found: None if found.distortion is None else found.distortion + found.rate,
        before=lambda summary: None if summary["test"].get("elbo") is None else -summary["test"]["elbo"],
    ),
    Metric(
        "evaluation.bound",
        "Minus the importance-weighted bound on log p(x) (arXiv 1509.00519); it needs `vaecli evaluate`.",
        "nats per image",
        decimals=2,
        better="low",
        exists_for="likelihoods in nats, unless q(z|x) is a point",
        column="bound",
    ),
    Metric(
        "evaluation.bound_samples",
        "The samples of each image that the bound is of; more of them lower it.",
        decimals=0,
        exists_for="likelihoods in nats, unless q(z|x) is a point",
        column="bound samples",
    ),
    Metric(
        "evaluation.negative_log_p",
        "-log p(x), by a sum over all codes; it needs `vaecli evaluate`.",
        "nats per image",
        decimals=2,
        better="low",
        exists_for="likelihoods in nats, and at most 16,384 codes",
        column="-log p(x)",
    ),
    Metric(
        "evaluation.posterior_gap",
        "KL(q(z|x) || p(z|x)), by which -ELBO exceeds -log p(x); its expectation is a sum over all codes.",
        "nats per image",
        decimals=2,
        better="low",
        exists_for="likelihoods in nats, and at most 16,384 codes",
        column="posterior gap",
    ),
    Metric(
        "prior.code_length",
        "The length of the test images' most probable codes under the prior over codes that gives the shortest; it "
        "needs `vaecli prior`, which fits a prior to the training images' codes.",
        "bits per image",
        decimals=2,
        better="low",
        exists_for="codes",
        column="code length",
        listed=True,
    ),
    Metric(
        "prior.code_length_gap",
        "How much longer the test images' codes are than the training images', under the same prior.",
        "bits per image",
        decimals=2,
        better="low",
        exists_for="codes",
    ),
    Metric(
        "quality.precision",
        "The share of samples that lie near a test image, in the features of a classifier of the same data (arXiv "
        "2002.09797, as the next three); it needs `vaecli quality`.",
        decimals=3,
        better="high",
        exists_for="data with labels",
        column="precision",
    ),
    Metric(
        "quality.recall",
        "The share of test images that lie near a sample.",
        decimals=3,
        better="high",
        exists_for="data with labels",
        column="recall",
    ),
    Metric(
        "quality.density",
        "In how many neighbourhoods of test images a sample lies, in units of the five that it would on average.",
        decimals=3,
        better="high",
        exists_for="data with labels",
        column="density",
    ),
    Metric(
        "quality.coverage",
        "The share of test images that have a sample in their neighbourhood.",
        decimals=3,
        better="high",
        exists_for="data with labels",
        column="coverage",
    ),
    Metric(
        "quality.coverage_of_reconstructions",
        "The same with reconstructions of other test images in place of samples.",
        decimals=3,
        better="high",
        exists_for="data with labels",
        column="coverage, rec.",
    ),
    Metric(
        "quality.recognised",
        "The share of samples from a prior by label that the classifier gives their label.",
        decimals=3,
        better="high",
        exists_for="codes, and data with labels",
        column="recognised",
    ),
    Metric(
        "quality.label_entropy",
        "The entropy of the labels that the classifier gives samples.",
        "bits",
        decimals=2,
        exists_for="data with labels",
        column="label entropy",
    ),
    Metric(
        "quality.nearer",
        "The share of pairs of a sample and a test image in which the sample is nearer to its nearest training image; "
        "0.5 of images that are no copies, near 1 of copies and of blurred images.",
        decimals=3,
        exists_for="data with labels",
        column="nearer",
    ),
    Metric(
        "test.bits",
        "The rate in bits.",
        "bits per image",
        decimals=2,
        better="low",
        column="bits",
        of=lambda found: found.rate / math.log(2),
    ),
    Metric(
        "test.capacity_bits",
        "The most that the codes could carry.",
        "bits per image",
        decimals=2,
        exists_for="codes",
        of=lambda found: found.latent.capacity_bits,
    ),
    Metric(
        "test.perplexity",
        "exp of the entropy of how often the values of a code are used, over the whole test set; the mean over codes.",
        decimals=2,
        better="high",
        exists_for="codes",
        column="perplexity",
        listed=True,
        of_epoch="perplexity",
        of=lambda found: _mean(found.perplexities),
    ),
    Metric(
        "test.codes_used",
        "The share of a code's values that some test image takes; the mean over codes.",
        decimals=2,
        better="high",
        exists_for="codes",
        of_epoch="codes_used",
        of=lambda found: _mean(found.used),
    ),
    Metric(
        "test.nmi",
        "Normalised mutual information of a code and the labels; the mean over codes.",
        decimals=2,
        better="high",
        exists_for="codes, and data with labels",
        column="nmi",
        of=_nmi,
    ),
    Metric(
        "test.accuracy",
        "The share of images whose label is that of their code, under the best one-to-one matching of codes to labels.",
        decimals=2,
        better="high",
        exists_for="one code per image, and data with labels",
        column="accuracy",
        of=_accuracy,
    ),
    Metric(
        "codebook.effective_dimension",
        "The dimensions that the rows in use spread over: the squared sum of their covariance's eigenvalues over the "
        "sum of squares.",
        decimals=2,
        exists_for="one codebook of rows",
    ),
    Metric("codebook.row_norm", "The mean length of a row.", decimals=3, exists_for="one codebook of rows"),
    Metric(
        "codebook.encoding_norm",
        "The mean length of a test image's encoding, which the nearest row takes the place of.",
        decimals=3,
        exists_for="one codebook of rows",
    ),
    Metric(
        "codebook.drift",
        "How far encodings of test images lie from the rows that they choose: the mean squared distance over the "
        "encodings' own variance.",
        decimals=3,
        better="low",
        exists_for="one codebook of rows, and encodings that differ",
    ),
    Metric(
        "gradient_norm.encoder",
        "The norm of the encoder's gradient, a mean over the steps of the last epoch.",
        decimals=5,
        better="high",
        column="encoder gradient",
    ),
    Metric("parameters", "The number of parameters.", decimals=0, better="low", column="parameters"),
    Metric(
        "seconds",
        "The time of all training steps, without start and evaluation.",
        "s",
        decimals=1,
        better="low",
        column="seconds",
    ),
)
COLUMNS: Mapping[str, Metric] = {metric.column: metric for metric in METRICS if metric.column}
OF_TEST = tuple(metric for metric in METRICS if metric.of)
OF_EPOCH = tuple(metric for metric in OF_TEST if metric.of_epoch)


def epoch_columns(found: Measured | None) -> dict[str, float | None]:
    """A split's columns of metrics.csv, without the split's name; all None if there is no such split."""
    return {metric.of_epoch or "": metric.of(found) if found and metric.of else None for metric in OF_EPOCH}


def test_block(found: Measured) -> dict[str, Any]:
    """The `test` block of summary.json; its keys are the same for every method."""
    tree: dict[str, Any] = {}
    for metric in OF_TEST:
        assert metric.of is not None
        _, *blocks, key = metric.key.split(".")
        block = tree
        for name in blocks:
            block = block.setdefault(name, {})
        block[key] = metric.of(found)
    if found.codes is not None and found.latent.codes_per_position > 1:
        tree["per_latent"] = {
            "perplexity": found.perplexities,
            "codes_used": found.used,
            "nmi": [normalized_mutual_information(pairs) for pairs in found.pairs] or None,
        }
    return tree
