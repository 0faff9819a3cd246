"""`vaecli quality RUN`: how alike what a finished run draws is to test images, measured once and kept in its folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.backend.process import chatter, import_keras
from vaecli.data import Dataset
from vaecli.data.dataset import squeezed
from vaecli.data.download import Progress
from vaecli.errors import ConfigError, Damaged
from vaecli.evaluation.manifold import K, entropy_bits, manifold, more_often_nearer
from vaecli.evaluation.neighbours import nearest
from vaecli.experiment.origin import dataset_of, digest_of, no_split
from vaecli.experiment.prior import classes_of, load_prior
from vaecli.experiment.sample import Counting, counted, fitted_to_encodings, standard_normal
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.added import INDEPENDENT, NORMAL, name_of, usable_priors
from vaecli.runs.classifiers import classifier_path, load_classifier, save_classifier
from vaecli.runs.schema import ClassifierFile, DrawnFigures, Quality, Sources

if TYPE_CHECKING:
    from vaecli.evaluation.classifier import Classifier
    from vaecli.models.priors import Prior

COUNT = 1000  # images of each source, unless a number is asked for
SPLIT, CLASSES = 5, 6  # folded into the run's seed: which test images are compared, and the labels that are drawn


class Source(NamedTuple):
    """Images that are compared with test images."""

    name: Sources
    prior: str | None  # the SHA-256 of the file of its prior, if it has one
    images: NDArray[np.float32]  # [N, H, W] or [N, H, W, C]
    labels: NDArray[np.int64] | None  # [N], as they should be recognised, in places among all labels


def count_of(run: Run, asked: int | None) -> int:
    """How many images of each source are compared with as many test images, of a finished run.

    Raises:
        ConfigError: the run's data has too few test images, or its training images are drawn again at each use.
        RunError: the run is not finished.
    """
    _, images = run.summary, run.info["data"]["test"]
    most = images // 2
    if reason := no_split(run.config, "train"):
        raise ConfigError([f"{run.name}: a classifier is trained on the training images, but {reason}"])
    if most <= K:
        raise ConfigError([f"{run.name}: {2 * (K + 1)} test images or more are needed, and there are {images}"])
    if asked is not None and not K < asked <= most:
        halves = f"{K + 1} to {most:,}: they are compared with a half of the test images, and the other half with it"
        raise ConfigError([f"--count {asked}: {halves}"])
    return min(COUNT, most) if asked is None else asked


def known(run: Run, count: int, say: Callable[[str], None]) -> Quality | None:
    """What was measured before, if it is of as many images and of all priors that there are now.

    What is damaged or of other weights is reported.
    """
    try:
        found = run.quality
    except Damaged as error:
        say(str(error))
        return None
    if found is None or found["count"] != count:
        return None
    priors = {one["prior"] for one in found["figures"]} - {None}
    return found if priors == {prior["file"] for prior in usable_priors(run)} else None


def measure(
    run: Run,
    count: int,
    data_dir: Path | None,
    *,
    fetching: Progress,
    counting: Counting,
    say: Callable[[str], None],
) -> Quality:
    """Compares images of every source with `count` test images, and keeps the figures.

    Args:
        counting: makes a function that is called with how many of a total are done.

    Raises:
        ConfigError: the images have no labels.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: a prior cannot be read, or the folder cannot be written.
    """
    digest = digest_of(run, "last")
    with run.lock(), chatter(run.tensorflow_log):
        import_keras()
        dataset = dataset_of(run, data_dir, fetching)
        classifier, about, said = _classifier(run, dataset, counting, say)
        order = np.random.default_rng((run.config.training.seed, SPLIT)).permutation(len(dataset.test))
        real, others = np.sort(order[:count]), np.sort(order[count : 2 * count])
        images = squeezed(dataset.floats(dataset.test.images[real]))
        features = classifier.classify(images).features
        near = _distances(images, dataset, counting, "test images")
        figures: list[DrawnFigures] = []
        for source in _sources(run, dataset, others, about["labels"], counting, say):
            seen = np.clip(source.images, 0, 1)
            found = classifier.classify(seen)
            right = None if source.labels is None else float((found.classes == source.labels).mean())
            figures.append(
                {
                    "source": source.name,
                    "prior": source.prior,
                    **manifold(features, found.features)._asdict(),  # type: ignore[typeddict-item]
                    "recognised": right,
                    "label_entropy": entropy_bits(found.classes),
                    "nearer": more_often_nearer(_distances(seen, dataset, counting, source.name), near),
                }
            )
        assert dataset.test.labels is not None
        quality: Quality = {
            "digest": digest,
            "count": count,
            "classifier": about["file"],
            "accuracy": said,
            "label_entropy": entropy_bits(dataset.test.labels[real].astype(np.int64)),
            "figures": figures,
        }
        run.save_quality(quality)
    return quality


def _classifier(
    run: Run, dataset: Dataset, counting: Counting, say: Callable[[str], None]
) -> tuple["Classifier", ClassifierFile, float]:
    """The classifier of the data, trained unless it is there, its description, and its accuracy on the test images."""
    from vaecli.evaluation.classifier import VERSION, Classifier, total_steps

    train, test = dataset.train, dataset.test
    if train.labels is None or test.labels is None:
        raise ConfigError([f"{run.name}: a classifier measures what is drawn, and {dataset.called} has no labels"])
    path = classifier_path(run.path.parent, dataset.name, dataset.digest)
    labels = sorted(map(int, np.unique(train.labels)))
    if unknown := set(map(int, np.unique(test.labels))) - set(labels):
        raise ConfigError([f"{run.name}: no training image has the label {min(unknown)} of test images"])
    classifier = Classifier(dataset.image_shape, len(labels))
    try:
        kept = load_classifier(path, dataset.digest, VERSION)
        if kept is not None:
            if kept[0]["labels"] != labels:
                raise ValueError("other labels")
            classifier.assign(kept[1])
            return classifier, kept[0], kept[0]["accuracy"]
    except Damaged as error:
        say(str(error))
    except (KeyError, ValueError) as error:
        say(f"{path}: of another classifier ({error}); it is trained again")
    say(f"{dataset.called}: trains a classifier of {len(labels)} labels, once for all runs -> {path}")
    told = counting("steps of the classifier", total_steps(len(train)))
    classes = classes_of(train.labels, labels, len(train))
    classifier.train(train.images, classes, scale=dataset.scale, told=told)
    found = classifier.classify(test.images, scale=dataset.scale).classes
    accuracy = float((np.array(labels)[found] == test.labels).mean())
    about: ClassifierFile = {
        "data": dataset.name,
        "digest": dataset.digest,
        "version": VERSION,
        "labels": labels,
        "accuracy": accuracy,
        "file": "",
    }
    return classifier, save_classifier(path, about, classifier.arrays()), accuracy


def _sources(
    run: Run,
    dataset: Dataset,
    others: NDArray[np.int64],
    labels: list[int],
    counting: Counting,
    say: Callable[[str], None],
) -> Iterator[Source]:
    """Other test images, their reconstructions, and as many samples from every prior that the run has."""
    trained, latent, seed, count = TrainedRun(run), run.latent, run.config.training.seed, len(others)
    test, truth = dataset.test.images[others], dataset.test.labels
    assert truth is not None
    assert dataset.train.labels is not None
    classes = classes_of(truth, labels, len(truth))[others]
    yield Source("test images", None, squeezed(dataset.floats(test)), classes)
    yield Source("reconstructions", None, trained.reconstruct(test), classes)

    def decoded(latents: NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.float32]:
        return trained.decode(latents.reshape(-1, *latent.layout))

    if not latent.discrete:
        draws = standard_normal(latent.size, count, seed=seed)
        yield Source(NORMAL, None, decoded(draws.astype(np.float32)), None)
        found = fitted_to_encodings(trained, dataset, seed=seed, counting=counting)
        yield Source("fitted Gaussian", None, decoded(found.shaped(draws)), None)
        return
    priors = usable_priors(run)
    if not any(prior["kind"] == "independent" and not prior["conditional"] for prior in priors):
        prior: Prior = counted(trained, dataset, [], counting)
        codes = prior.draw(count, temperature=1.0, of_class=0, seed=seed)
        yield Source(INDEPENDENT, None, decoded(codes), None)
    drawn = np.random.default_rng((seed, CLASSES)).choice(dataset.train.labels, count)  # as often as in the data
    for fitted in priors:
        prior = load_prior(run, fitted)
        if not fitted["conditional"]:
            codes = prior.draw(count, temperature=1.0, of_class=0, seed=seed)
            yield Source(name_of(fitted), fitted["file"], decoded(codes), None)
            continue
        wanted = np.sort(classes_of(drawn, fitted["labels"], count))
        often = np.bincount(wanted, minlength=len(fitted["labels"]))
        parts = [
            prior.draw(int(number), temperature=1.0, of_class=of_class, seed=seed)
            for of_class, number in enumerate(often)
            if number
        ]
        yield Source(name_of(fitted), fitted["file"], decoded(np.concatenate(parts)), wanted)


def _distances(images: NDArray[np.float32], dataset: Dataset, counting: Counting, what: str) -> NDArray[np.float64]:
    """The squared distance of each image to its nearest training image."""
    train = dataset.train.images
    told = counting(f"{what} among training images", len(train))
    return nearest(images, train, scale=dataset.scale, told=told).distance
