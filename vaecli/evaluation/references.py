"""Mean image, k-means and PCA on the same images: the references for a trained model."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaecli.config import Config
from vaecli.config.schema import DataConfig
from vaecli.data import Dataset, load
from vaecli.errors import Damaged
from vaecli.metrics.codes import contingency, normalized_mutual_information, perplexity
from vaecli.runs.references import (
    References,
    load_references,
    references_path,
    save_references,
    wanted,
)

STARTS = 10  # k-means finds local optima; the best of several starts is kept


def compute(
    configs: Iterable[Config], output_dir: Path, data_dir: Path | None, say: Callable[[str], None]
) -> Iterator[Path]:
    """Computes the references that fit the configs, each once, and stores them beside the runs.

    Yields:
        The file of each data set.
    Raises:
        DataError: a data set is not available.
    """
    datasets: dict[DataConfig, Dataset] = {}
    found: dict[Path, References] = {}
    for config in configs:
        if config.data not in datasets:
            datasets[config.data] = load(config.data, data_dir)
            for line in datasets[config.data].remarks:
                say(line)
        dataset = datasets[config.data]
        path = references_path(output_dir, dataset.name, dataset.digest)
        if path not in found:
            try:
                known = load_references(path, dataset.digest)
            except Damaged as error:
                say(f"{error}: computed again")
                known = None
            found[path] = known or References(dataset.name, dataset.digest, mean_image(dataset))
            save_references(path, found[path])
        asked = wanted(config, dataset)
        if asked is None:
            continue
        kind, size = asked
        table = getattr(found[path], kind)
        if str(size) not in table:
            say(f"{dataset.called}: {kind} {size}")
            table[str(size)] = {"kmeans": kmeans, "pca": pca}[kind](dataset, size)
            save_references(path, found[path])
    yield from found


def mean_image(dataset: Dataset) -> float:
    """The test error per pixel of predicting the mean training image."""
    return dataset.error_of_mean_image(dataset.test.images)


def kmeans(dataset: Dataset, num_codes: int) -> dict[str, float]:
    """The test error per pixel of the nearest of `num_codes` centres, with the codes' perplexity and NMI."""
    from sklearn.cluster import KMeans

    train, test = _flat(dataset)
    model = KMeans(num_codes, n_init=STARTS, random_state=0).fit(train)
    codes = model.predict(test)
    found = {
        "mse": float(np.square(test - model.cluster_centers_[codes], dtype=np.float64).mean()),
        "perplexity": perplexity(np.bincount(codes, minlength=num_codes)),
    }
    if dataset.test.labels is not None:
        found["nmi"] = normalized_mutual_information(contingency(codes, dataset.test.labels))
    return found


def pca(dataset: Dataset, components: int) -> dict[str, float]:
    """The test error per pixel of the best linear code of `components` numbers."""
    from sklearn.decomposition import PCA

    train, test = _flat(dataset)
    model = PCA(components, random_state=0).fit(train)
    error = test - model.inverse_transform(model.transform(test))
    return {"mse": float(np.square(error, dtype=np.float64).mean())}


def _flat(dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    train, test = dataset.floats(dataset.train.images), dataset.floats(dataset.test.images)
    return train.reshape(len(train), -1), test.reshape(len(test), -1)
