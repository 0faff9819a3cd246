"""scikit-learn's bundled handwritten digits: real data that every installation has."""

from pathlib import Path

import numpy as np

from vaecli.data.dataset import Dataset, Split
from vaecli.data.source import Source

NUM_TEST = 360


class DigitsSource(Source):
    """The digits, which come with scikit-learn."""

    def read(self, data_dir: Path | None) -> Dataset:
        """The digits, wherever data are kept."""
        del data_dir
        return digits()


def digits() -> Dataset:
    """1,797 images of 8x8 with pixels 0..16; the last 360, by other writers, are the test set."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int32)
    return Dataset(
        "digits",
        Split(images[:-NUM_TEST], labels[:-NUM_TEST]),
        Split(images[-NUM_TEST:], labels[-NUM_TEST:]),
        scale=1 / 16,
        source="bundled with scikit-learn",
    )
