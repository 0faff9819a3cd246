"""`vaecli sample RUN`: images that a finished run draws, from a prior over its codes or over its vectors."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.data.download import Progress
from vaecli.errors import ConfigError, RunError
from vaecli.experiment.origin import dataset_of, no_split
from vaecli.experiment.prior import classes_of, load_prior
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.added import shortest, usable_priors
from vaecli.runs.schema import FittedPrior, PriorKind

if TYPE_CHECKING:
    from vaecli.models.priors import Prior

Source = Literal["prior", "fitted"]
Counting = Callable[[str, int], Callable[[int], None]]


class Wanted(NamedTuple):
    """A request for images."""

    number: int  # of images
    temperature: float
    label: int | None
    seed: int
    kind: PriorKind | None  # of the prior; None: the one that gives the shortest code
    source: Source  # of a Gaussian's vectors: its prior, or a Gaussian fitted to the encodings


class Drawn(NamedTuple):
    """Images, what they were decoded from, and how in words."""

    images: NDArray[np.float32]  # [N, H, W], of colour [N, H, W, C]
    latents: NDArray[Any]  # in the layout of `TrainedRun.latents`
    prior: str


def checked(run: Run, wanted: Wanted) -> None:
    """Raises ConfigError for what has no effect or no meaning with this run, RunError if it is not finished."""
    _, latent, name = run.summary, run.latent, run.config.model.name
    mistake = None
    if not math.isfinite(wanted.temperature) or wanted.temperature < 0:
        mistake = f"--temperature {wanted.temperature:g}: 0 draws the most probable codes, and more draws others"
    elif latent.discrete and wanted.source == "fitted":
        mistake = f"--from fitted: {name} has codes; a Gaussian is fitted to the vectors of a vae"
    elif not latent.discrete and (wanted.kind or wanted.label is not None):
        option = f"--prior {wanted.kind}" if wanted.kind else f"--label {wanted.label}"
        mistake = f"{option}: a prior over codes, and {name} has none"
    if mistake:
        raise ConfigError([f"{run.name}: {mistake}"])


def draw(
    run: Run,
    wanted: Wanted,
    data_dir: Path | None,
    *,
    fetching: Progress,
    counting: Counting,
    say: Callable[[str], None],
) -> Drawn:
    """Draws latents and decodes them.

    Raises:
        ConfigError: no training image has the label.
        DataError: its data is needed and not available, or differs from what it was trained on.
        RunError: the run has no such prior.
    """
    trained = TrainedRun(run)
    if run.latent.discrete:
        prior, labels, how = _prior(run, wanted, trained, data_dir, fetching, counting, say)
        of_class = 0 if wanted.label is None else _class(wanted.label, labels)
        codes = prior.draw(wanted.number, temperature=wanted.temperature, of_class=of_class, seed=wanted.seed)
        latents: NDArray[Any] = codes.reshape(-1, *run.latent.layout)
    else:
        latents, how = _vectors(run, wanted, trained, data_dir, fetching, counting, say)
    return Drawn(trained.decode(latents, told=counting("images", wanted.number)), latents, how)


def _prior(
    run: Run,
    wanted: Wanted,
    trained: TrainedRun,
    data_dir: Path | None,
    fetching: Progress,
    counting: Counting,
    say: Callable[[str], None],
) -> tuple["Prior", list[int], str]:
    """The prior to draw from, its labels, and what it is; without one an independent prior is counted, and said."""
    conditional = wanted.label is not None
    there = [prior for prior in usable_priors(run) if prior["conditional"] == conditional]
    there = [prior for prior in there if wanted.kind in (None, prior["kind"])]
    found: FittedPrior | None = shortest(there, conditional=conditional)
    if found is not None:
        return load_prior(run, found), found["labels"], f"{found['kind']} prior"
    option = " --conditional" if conditional else ""
    if wanted.kind == "autoregressive":
        raise RunError(
            f"{run.name}: has no such prior; `vaecli prior {run.name} --kind autoregressive{option}` fits it"
        )
    if reason := no_split(run.config, "train"):
        raise ConfigError([f"{run.name}: a prior is fitted to the codes of the training images, but {reason}"])
    from vaecli.models.priors import IndependentPrior

    say(f"{run.name}: has no prior yet (`vaecli prior {run.name}{option}`): each code is drawn by itself")
    split = dataset_of(run, data_dir, fetching).train
    labels = []
    if conditional:
        if split.labels is None:
            raise ConfigError([f"--label {wanted.label}: the training images of {run.name} have no labels"])
        labels = sorted(map(int, np.unique(split.labels)))
        _class(wanted.label or 0, labels)
    codes = trained.latents(split.images, told=counting("training images", len(split))).latents
    classes = classes_of(split.labels, labels, len(split))
    flat = codes.reshape(len(codes), -1).astype(np.int32)
    return IndependentPrior.fit(run.latent, flat, classes, max(1, len(labels))), labels, "independent prior"


def _class(label: int, labels: list[int]) -> int:
    if label not in labels:
        known = ", ".join(map(str, labels[:10])) + (" ..." if len(labels) > 10 else "")
        raise ConfigError([f"--label {label}: no training image has it (they have {known})"])
    return labels.index(label)


def _vectors(
    run: Run,
    wanted: Wanted,
    trained: TrainedRun,
    data_dir: Path | None,
    fetching: Progress,
    counting: Counting,
    say: Callable[[str], None],
) -> tuple[NDArray[np.float32], str]:
    """Vectors from N(0, I), with how far the encodings are from it, or from the Gaussian of the encodings."""
    size, rng = run.latent.size, np.random.default_rng(wanted.seed)
    draws = wanted.temperature * rng.standard_normal((wanted.number, size))
    if wanted.source == "prior" and run.config.objective.beta:
        return draws.astype(np.float32), "N(0, 1)"
    images = dataset_of(run, data_dir, fetching).test.images
    # A sample for each image, as the aggregate posterior is a mixture of all of them
    found = trained.latents(images, seed=wanted.seed, told=counting("test images", len(images)))
    vectors = found.latents.reshape(-1, size).astype(np.float64)
    mean, covariance = vectors.mean(0), np.atleast_2d(np.cov(vectors, rowvar=False))
    if wanted.source == "prior":
        far = distance(mean, covariance)
        say(
            f"{run.name}: trained without a rate (objective.beta 0), so nothing pulled its encodings to N(0, 1): the "
            f"Gaussian of the test images' encodings is {far:.1f} nats from it; --from fitted draws from that Gaussian"
        )
        return draws.astype(np.float32), "N(0, 1)"
    values, axes = np.linalg.eigh(covariance)
    return (mean + (draws * np.sqrt(np.maximum(values, 0))) @ axes.T).astype(np.float32), "fitted Gaussian"


def distance(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """KL(N(mean, covariance) || N(0, I)) in nats: (tr C + |m|^2 - D - log det C) / 2."""
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(np.trace(covariance) + mean @ mean - len(mean) - log_determinant) / 2
