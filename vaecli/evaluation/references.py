"""Mean image, k-means and PCA on the same images: what a trained model has to be held against."""

import numpy as np
from numpy.typing import NDArray

from vaecli.data import Dataset
from vaecli.evaluation.codes import contingency, normalized_mutual_information, perplexity

STARTS = 10  # k-means finds local optima; the best of several starts is kept


def mean_image(dataset: Dataset) -> float:
    """Test error per pixel of predicting the mean training image."""
    train, test = _flat(dataset)
    return float(np.square(test - train.mean(0, dtype=np.float64)).mean())


def kmeans(dataset: Dataset, num_codes: int) -> dict[str, float]:
    """Test error per pixel of the nearest of `num_codes` centres, with the codes' perplexity and NMI."""
    from sklearn.cluster import KMeans

    train, test = _flat(dataset)
    model = KMeans(num_codes, n_init=STARTS, random_state=0).fit(train)
    codes = model.predict(test)
    found = {
        "mse": float(np.square(test - model.cluster_centers_[codes], dtype=np.float64).mean()),
        "perplexity": perplexity(np.bincount(codes, minlength=num_codes)),
    }
    if dataset.test.labels is not None:
        found["nmi"] = normalized_mutual_information(contingency(codes, dataset.test.labels, num_codes))
    return found


def pca(dataset: Dataset, components: int) -> dict[str, float]:
    """Test error per pixel of the best linear code of `components` numbers."""
    from sklearn.decomposition import PCA

    train, test = _flat(dataset)
    model = PCA(components, random_state=0).fit(train)
    error = test - model.inverse_transform(model.transform(test))
    return {"mse": float(np.square(error, dtype=np.float64).mean())}


def _flat(dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    train, test = dataset.floats(dataset.train.images), dataset.floats(dataset.test.images)
    return train.reshape(len(train), -1), test.reshape(len(test), -1)
