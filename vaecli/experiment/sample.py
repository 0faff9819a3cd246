"""`vaecli sample RUN`: images that a finished run draws, from a prior over its codes or over its vectors."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.data.dataset import Dataset, squeezed
from vaecli.data.download import Progress
from vaecli.errors import ConfigError, RunError
from vaecli.evaluation.neighbours import nearest
from vaecli.experiment.origin import dataset_of, no_split
from vaecli.experiment.prior import classes_of, load_prior
from vaecli.experiment.trained import Coded, TrainedRun
from vaecli.experiment.walks import Walk, interpolation, traversal
from vaecli.reports.run.line import Line
from vaecli.runs import Run
from vaecli.runs.added import shortest, usable_priors
from vaecli.runs.schema import FittedPrior, PriorKind

if TYPE_CHECKING:
    from vaecli.models.priors import IndependentPrior, Prior

Source = Literal["prior", "fitted"]
Show = Literal["samples", "nearest", "labels", "traversal", "interpolation"]
Counting = Callable[[str, int], Callable[[int], None]]

# How many images; of each label, lines of a traversal, and steps of an interpolation.
COUNTS: Mapping[Show, int] = {"samples": 64, "nearest": 32, "labels": 10, "traversal": 10, "interpolation": 9}
WALKS: Mapping[Show, tuple[int, ...]] = {"traversal": (0,), "interpolation": (0, 1)}  # the test images they begin with


class Wanted(NamedTuple):
    """A request for images."""

    show: Show
    asked: int | None  # images; None: as many as COUNTS says
    images: tuple[int, ...]  # of the test split, for a traversal or an interpolation; none: as WALKS says
    temperature: float
    label: int | None
    seed: int
    kind: PriorKind | None  # of the prior; None: the one that gives the shortest code
    source: Source  # of a Gaussian's vectors: its prior, or a Gaussian fitted to the encodings

    @property
    def number(self) -> int:
        return COUNTS[self.show] if self.asked is None else self.asked

    @property
    def test_images(self) -> tuple[int, ...]:
        return self.images or WALKS.get(self.show, ())


class Drawn(NamedTuple):
    """Images, what they were decoded from, and how in words."""

    images: NDArray[np.float32]  # [N, H, W], of colour [N, H, W, C]
    latents: NDArray[Any]  # in the layout of `TrainedRun.latents`
    how: str
    lines: Sequence[Line] = ()  # the images in lines, with others that belong there
    also: Mapping[str, NDArray[Any]] = {}  # arrays [N, ...] that go with the images


def checked(run: Run, wanted: Wanted) -> None:
    """Raises ConfigError for what has no effect or no meaning with this run, RunError if it is not finished."""
    _, latent, name = run.summary, run.latent, run.config.model.name
    show, mistake = wanted.show, None
    drawing: dict[str, Any] = {"--temperature": wanted.temperature != 1, "--label": wanted.label is not None}
    drawing |= {"--prior": wanted.kind, "--from": wanted.source != "prior", "--seed": wanted.seed}
    idle = [option for option, given in drawing.items() if given]
    beyond = [place for place in wanted.test_images if place >= run.info["data"]["test"]]
    if not math.isfinite(wanted.temperature) or wanted.temperature < 0:
        mistake = f"--temperature {wanted.temperature:g}: 0 draws the most probable codes, and more draws others"
    elif wanted.images and show not in WALKS:
        mistake = f"--images: has no effect with --show {show}, which draws its images"
    elif show in WALKS and idle:
        mistake = f"{', '.join(idle)}: no effect with --show {show}, which draws nothing"
    elif beyond:
        mistake = f"--images {beyond[0]}: the {run.info['data']['test']:,} test images are counted from 0"
    elif show == "interpolation" and (len(wanted.test_images) == 1 or wanted.number < 2):
        mistake = "--show interpolation: two images or more, and two steps or more, are needed"
    elif show == "labels" and wanted.label is not None:
        mistake = f"--label {wanted.label}: no effect with --show labels, which draws every label"
    elif latent.discrete and wanted.source == "fitted":
        mistake = f"--from fitted: {name} has codes; a Gaussian is fitted to the vectors of a vae"
    elif not latent.discrete and (wanted.kind or wanted.label is not None or show == "labels"):
        of_codes = {f"--prior {wanted.kind}": wanted.kind, f"--label {wanted.label}": wanted.label is not None}
        option = next((option for option, given in of_codes.items() if given), "--show labels")
        mistake = f"{option}: a prior over codes, and {name} has none"
    elif show == "nearest" and (reason := no_split(run.config, "train")):
        mistake = f"--show nearest: among the training images, but {reason}"
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
        ConfigError: no training image has the label, or any.
        DataError: its data is needed and not available, or differs from what it was trained on.
        RunError: the run has no such prior.
    """
    trained = TrainedRun(run)
    loaded: list[Dataset] = []

    def dataset() -> Dataset:
        if not loaded:
            loaded.append(dataset_of(run, data_dir, fetching))
        return loaded[0]

    if wanted.show in WALKS:
        return _walked(run, wanted, trained, dataset(), counting)
    labels: NDArray[np.int64] | None = None
    if run.latent.discrete:
        by_label = wanted.show == "labels"
        prior, known, how = _prior(run, wanted, by_label, trained, dataset, counting, say)
        of_classes = [0 if wanted.label is None else _class(wanted.label, known)]
        if by_label:
            of_classes, labels = list(range(len(known))), np.repeat(known, wanted.number)
        codes = [
            prior.draw(wanted.number, temperature=wanted.temperature, of_class=of_class, seed=wanted.seed)
            for of_class in of_classes
        ]
        latents: NDArray[Any] = np.concatenate(codes).reshape(-1, *run.latent.layout)
    else:
        latents, how = _vectors(run, wanted, trained, dataset, counting, say)
    drawn = Drawn(trained.decode(latents, told=counting("images", len(latents))), latents, _words(wanted, how))
    if labels is not None:
        parts = np.split(drawn.images, len(drawn.images) // wanted.number)
        lines = [Line(str(label), part) for label, part in zip(known, parts, strict=True)]
        return drawn._replace(lines=lines, also={"labels": labels})
    if wanted.show == "nearest":
        return _with_nearest(drawn, dataset(), counting)
    return drawn


def _words(wanted: Wanted, how: str) -> str:
    """How the images were drawn."""
    of_label = "" if wanted.label is None else f" · label {wanted.label}"
    of_label = " · a line for each label" if wanted.show == "labels" else of_label
    at = "" if wanted.temperature == 1 else f" · temperature {wanted.temperature:g}"
    return f"{how}{of_label}{at} · seed {wanted.seed} of the draws"


def _with_nearest(drawn: Drawn, dataset: Dataset, counting: Counting) -> Drawn:
    """The same with the nearest training image of each, as it is seen: within [0, 1]."""
    images = dataset.train.images
    told = counting("training images", len(images))
    found = nearest(np.clip(drawn.images, 0, 1), images, scale=dataset.scale, told=told)
    near = squeezed(dataset.floats(images[found.place]))
    also = {"nearest": near, "nearest_index": found.place, "nearest_distance": found.distance}
    return drawn._replace(also=also)


def _walked(run: Run, wanted: Wanted, trained: TrainedRun, dataset: Dataset, counting: Counting) -> Drawn:
    """A traversal from each of some test images, or an interpolation from each to the next."""
    latent, test = run.latent, dataset.test.images
    chosen = wanted.test_images
    inputs = squeezed(dataset.floats(test[np.array(chosen)]))
    encoded = _flat(trained.latents(test[np.array(chosen)]))
    steps: list[tuple[Walk, list[int]]] = []  # and which inputs stand before and after it
    if wanted.show == "traversal":
        every = _flat(trained.latents(test, told=counting("test images", len(test))))
        for place, start in enumerate(encoded):
            steps.append((Walk(f"image {chosen[place]}", start[None], ["image", "decoded"]), [place]))
            steps += [(walk, []) for walk in traversal(latent, every, start, wanted.number)]
        how = "each line changes one code through its most used values · framed: the image's own"
        how = how if latent.discrete else "each line changes one number, from -2 to 2 standard deviations"
    else:
        for place in range(len(chosen) - 1):
            walk = interpolation(latent, (encoded[place], encoded[place + 1]), wanted.number)
            label, words = f"{chosen[place]} to {chosen[place + 1]}", ["image", *walk.words, "image"]
            steps.append((walk._replace(label=label, words=words), [place, place + 1]))
        way = "code by code" if latent.discrete else "along the line between their means"
        how = f"from one test image to another, {way}"
    latents = np.concatenate([walk.latents for walk, _ in steps]).reshape(-1, *latent.layout)
    images = trained.decode(latents, told=counting("images", len(latents)))
    lengths = [len(walk.latents) for walk, _ in steps]
    lines = []
    for (walk, ends), part in zip(steps, np.split(images, np.cumsum(lengths)[:-1]), strict=True):
        whole = np.concatenate([inputs[ends[:1]], part, inputs[ends[1:]]])
        lines.append(Line(walk.label, whole, walk.words, walk.marked))
    return Drawn(images, latents, how, lines, {"row": np.repeat(np.arange(len(steps)), lengths)})


def _flat(found: Coded) -> NDArray[Any]:
    """Codes [M, N], or vectors [M, D]."""
    return found.latents.reshape(len(found.latents), -1)


def _prior(
    run: Run,
    wanted: Wanted,
    by_label: bool,
    trained: TrainedRun,
    dataset: Callable[[], Dataset],
    counting: Counting,
    say: Callable[[str], None],
) -> tuple["Prior", list[int], str]:
    """The prior to draw from, its labels, and what it is; without one an independent prior is counted, and said."""
    conditional = by_label or wanted.label is not None
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
    say(f"{run.name}: has no prior yet (`vaecli prior {run.name}{option}`): each code is drawn by itself")
    labels: list[int] = []
    if conditional:
        split = dataset().train
        if split.labels is None:
            asked = "--show labels" if by_label else f"--label {wanted.label}"
            raise ConfigError([f"{asked}: the training images of {run.name} have no labels"])
        labels = sorted(map(int, np.unique(split.labels)))
        if wanted.label is not None:
            _class(wanted.label, labels)
    return counted(trained, dataset(), labels, counting), labels, "independent prior"


def counted(trained: TrainedRun, dataset: Dataset, labels: list[int], counting: Counting) -> "IndependentPrior":
    """An independent prior of the training images' codes, for each label if there are any."""
    from vaecli.models.priors import IndependentPrior

    split = dataset.train
    codes = _flat(trained.latents(split.images, told=counting("training images", len(split)))).astype(np.int32)
    classes = classes_of(split.labels, labels, len(split))
    return IndependentPrior.fit(trained.latent, codes, classes, max(1, len(labels)))


def _class(label: int, labels: list[int]) -> int:
    if label not in labels:
        known = ", ".join(map(str, labels[:10])) + (" ..." if len(labels) > 10 else "")
        raise ConfigError([f"--label {label}: no training image has it (they have {known})"])
    return labels.index(label)


def _vectors(
    run: Run,
    wanted: Wanted,
    trained: TrainedRun,
    dataset: Callable[[], Dataset],
    counting: Counting,
    say: Callable[[str], None],
) -> tuple[NDArray[np.float32], str]:
    """Vectors from N(0, I), with how far the encodings are from it, or from the Gaussian of the encodings."""
    draws = standard_normal(run.latent.size, wanted.number, seed=wanted.seed) * wanted.temperature
    if wanted.source == "prior" and run.config.objective.beta:
        return draws.astype(np.float32), "N(0, 1)"
    found = fitted_to_encodings(trained, dataset(), seed=wanted.seed, counting=counting)
    if wanted.source == "prior":
        far = distance(found.mean, found.covariance)
        say(
            f"{run.name}: trained without a rate (objective.beta 0), so nothing pulled its encodings to N(0, 1): the "
            f"Gaussian of the test images' encodings is {far:.1f} nats from it; --from fitted draws from that Gaussian"
        )
        return draws.astype(np.float32), "N(0, 1)"
    return found.shaped(draws), "fitted Gaussian"


class Gaussian(NamedTuple):
    """N(mean, covariance) of D numbers."""

    mean: NDArray[np.float64]  # [D]
    covariance: NDArray[np.float64]  # [D, D]

    def shaped(self, draws: NDArray[np.float64]) -> NDArray[np.float32]:
        """Draws [N, D] of N(0, I) as draws of this one."""
        values, axes = np.linalg.eigh(self.covariance)
        return (self.mean + (draws * np.sqrt(np.maximum(values, 0))) @ axes.T).astype(np.float32)


def standard_normal(size: int, count: int, *, seed: int) -> NDArray[np.float64]:
    """Draws [N, D] of N(0, I)."""
    return np.random.default_rng(seed).standard_normal((count, size))


def fitted_to_encodings(trained: TrainedRun, dataset: Dataset, *, seed: int, counting: Counting) -> Gaussian:
    """The Gaussian with the mean and covariance of the test images' encodings, a sample for each image.

    Samples, because the aggregate posterior is a mixture of the posteriors of all images.
    """
    images = dataset.test.images
    found = trained.latents(images, seed=seed, told=counting("test images", len(images)))
    vectors = found.latents.reshape(len(images), -1).astype(np.float64)
    return Gaussian(vectors.mean(0), np.atleast_2d(np.cov(vectors, rowvar=False)))


def distance(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """KL(N(mean, covariance) || N(0, I)) in nats: (tr C + |m|^2 - D - log det C) / 2."""
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(np.trace(covariance) + mean @ mean - len(mean) - log_determinant) / 2
