"""The results of predictors without a gradient on the same data, read from a cache beside the runs.

`vaecli data references` computes them (evaluation/references.py); nothing here does.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from vaecli.config.latent import Latent
from vaecli.config.schema import Config
from vaecli.config.shapes import latent_of
from vaecli.data import Dataset
from vaecli.errors import RunError
from vaecli.runs.run import Run
from vaecli.runs.schema import REFERENCES
from vaecli.runs.sealed import read_sealed, write_sealed

FOLDER = "references"
FORMAT = 2  # 1: without a seal


@dataclass
class References:
    """The test errors per pixel; k-means and PCA entries by their number of codes or components."""

    data: str
    digest: str
    mean_image: float
    kmeans: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    pca: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def limit(self, latent: Latent) -> tuple[str, float] | None:
        """The reference that fits the latent: k-means with as many codes, or PCA with as many dimensions."""
        kind, size = reference_of(latent)
        found = getattr(self, kind).get(str(size)) if size else None
        if found is None:
            return None
        label = f"k-means, K = {size}" if kind == "kmeans" else f"PCA, {size} components"
        return label, found["mse"]

    def learned(self, latent: Latent, mse: float) -> float | None:
        """(mean image - mse) / (mean image - reference): 0 means nothing, 1 as good as the reference.

        None without a reference, or if the mean image is as good as it, so that there is nothing to learn.
        """
        limit = self.limit(latent)
        way = self.mean_image - limit[1] if limit else 0.0
        return (self.mean_image - mse) / way if way > 0 else None

    def lines(self, latent: Latent) -> Iterator[tuple[str, float]]:
        """The label and test error of the reference that fits the run."""
        yield "mean image", self.mean_image
        limit = self.limit(latent)
        if limit:
            yield limit


def reference_of(latent: Latent) -> tuple[str, int | None]:
    """The reference ("kmeans", K^N) or ("pca", D); None if there are too many codes for k-means."""
    return ("kmeans", latent.combinations) if latent.discrete else ("pca", latent.size)


def wanted(config: Config, dataset: Dataset) -> tuple[str, int] | None:
    """The same if the data allow it: no more centres than images, or axes than pixels; else None."""
    kind, size = reference_of(latent_of(config, dataset.image_shape))
    most = _most(kind, len(dataset.train), dataset.num_pixels)
    return (kind, size) if size is not None and size <= most else None


def _most(kind: str, images: int, pixels: int) -> int:
    return images if kind == "kmeans" else min(images, pixels)


def without_reference(run: Run) -> str | None:
    """The reason why no reference can be computed for a run; None if one can."""
    kind, size = reference_of(run.latent)
    if size is None:
        return "no reference fits that many codes"
    data = run.info["data"]
    most = _most(kind, data["train"], math.prod(data["image_shape"]))
    if size <= most:
        return None
    what = "k-means has at most as many centres as images" if kind == "kmeans" else "PCA has at most as many axes as"
    what += "" if kind == "kmeans" else " images and pixels"
    return f"no reference: {what}, {most:,}, and {size:,} would be needed"


def references_path(output_dir: Path, data: str, digest: str) -> Path:
    """The path of the references of a data set."""
    return output_dir / FOLDER / f"{data}-{digest[:12]}.json"


def references_of(run: Run) -> References | None:
    """The references of a finished run's data, as far as they are known.

    All that were computed; otherwise the mean image alone, whose error every run keeps. None if the run was made before
    it did.
    """
    path, digest = _of_data(run)
    with contextlib.suppress(OSError, RunError):
        if computed := _read(path, digest, path.stat().st_mtime_ns):
            return computed
    kept = run.summary.get("mean_image")
    return References(run.info["data"]["name"], digest, kept["mse"]) if kept else None


def references_problem(run: Run) -> str | None:
    """The reason why the references of the run's data cannot be read; None if they can, or were not computed."""
    try:
        load_references(*_of_data(run))
    except RunError as error:
        return str(error)
    return None


def load_references(path: Path, digest: str) -> References | None:
    """Reads the references; None if the file is missing or of other data; raises RunError if it is damaged."""
    if not path.exists():
        return None
    found = read_sealed(path, REFERENCES, newest=FORMAT, way_out="`vaecli data references` makes it again")
    if found["digest"] != digest:
        return None
    return References(found["data"], digest, found["mean_image"], {**found["kmeans"]}, {**found["pca"]})


@lru_cache(maxsize=64)
def _read(path: Path, digest: str, changed: int) -> References | None:
    """Reads the file once for all runs of a comparison; `changed` is the time of its last change."""
    del changed
    return load_references(path, digest)


def _of_data(run: Run) -> tuple[Path, str]:
    data = run.info["data"]
    return references_path(run.path.parent, data["name"], data["digest"]), data["digest"]


def save_references(path: Path, references: References) -> None:
    """Writes the references; raises RunFailed if the folder cannot be written."""
    write_sealed(path, {"format": FORMAT, **vars(references)})
