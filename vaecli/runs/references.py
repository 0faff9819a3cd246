"""What predictors without a gradient reach on the same data: read from a cache beside the runs.

`vaecli data references` computes them (evaluation/references.py); nothing here does.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vaecli.config.schema import MAX_ENUMERATED_CODES, Config
from vaecli.data import Dataset
from vaecli.errors import RunError
from vaecli.runs.files import write_json
from vaecli.runs.run import Run

FOLDER = "references"


@dataclass
class References:
    """Test errors per pixel; the k-means and PCA entries by their number of codes or components."""

    data: str
    digest: str
    mean_image: float
    kmeans: dict[str, dict[str, float]] = field(default_factory=dict)
    pca: dict[str, dict[str, float]] = field(default_factory=dict)

    def limit(self, config: Config) -> tuple[str, float] | None:
        """The reference that fits the latent: k-means with as many codes, or PCA with as many dimensions."""
        kind, size = reference_of(config)
        found = getattr(self, kind).get(str(size)) if size else None
        if found is None:
            return None
        label = f"k-means, K = {size}" if kind == "kmeans" else f"PCA, {size} components"
        return label, found["mse"]

    def learned(self, config: Config, mse: float) -> float | None:
        """(mean image - mse) / (mean image - reference): 0 nothing, 1 as good as the reference.

        None without a reference, or where the mean image is as good and there is nothing to learn.
        """
        limit = self.limit(config)
        way = self.mean_image - limit[1] if limit else 0.0
        return (self.mean_image - mse) / way if way > 0 else None

    def lines(self, config: Config) -> Iterator[tuple[str, float]]:
        """(label, test error) of what fits the run."""
        yield "mean image", self.mean_image
        limit = self.limit(config)
        if limit:
            yield limit


def reference_of(config: Config) -> tuple[str, int | None]:
    """("kmeans", K^L) or ("pca", D); None where K^L is too large for k-means to mean anything."""
    options = config.model.options()
    if "latent_dim" in options:
        return "pca", options["latent_dim"]
    codes, latents = options.get("num_classes", options.get("num_codes")), options["num_latents"]
    return "kmeans", codes**latents if codes**latents <= MAX_ENUMERATED_CODES else None


def wanted(config: Config, dataset: Dataset) -> tuple[str, int] | None:
    """("kmeans", K^L) or ("pca", D) where the data can have it: no more centres than images, or axes than pixels."""
    kind, size = reference_of(config)
    most = len(dataset.train) if kind == "kmeans" else min(len(dataset.train), dataset.num_pixels)
    return (kind, size) if size is not None and size <= most else None


def references_path(output_dir: Path, data: str, digest: str) -> Path:
    """Where the references of a data set are kept."""
    return output_dir / FOLDER / f"{data}-{digest[:12]}.json"


def references_of(run: Run) -> References | None:
    """Those of the run's own data, if they were computed; None else."""
    data = run.info["data"]
    return load_references(references_path(run.path.parent, data["name"], data["digest"]), data["digest"])


def load_references(path: Path, digest: str) -> References | None:
    """None if the file is not there, or of other data; raises RunError if it cannot be understood."""
    try:
        references = References(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); remove it and compute it again") from None
    return references if references.digest == digest else None


def save_references(path: Path, references: References) -> None:
    write_json(path, asdict(references))
