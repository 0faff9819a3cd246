"""Classifiers of data sets, kept beside the runs that they measure; evaluation/classifier.py trains them."""

import hashlib
import io
from pathlib import Path

from vaecli.errors import Damaged
from vaecli.runs.files import Arrays, read, read_npz, to_npz, write
from vaecli.runs.references import FOLDER
from vaecli.runs.schema import CLASSIFIER, ClassifierFile
from vaecli.runs.sealed import read_sealed, write_sealed

FORMAT = 2
WAY_OUT = "it is trained again"


def classifier_path(output_dir: Path, data: str, digest: str) -> Path:
    """The description of the classifier of a data set; its arrays are beside it."""
    return output_dir / FOLDER / f"{data}-{digest[:12]}.classifier.json"


def load_classifier(path: Path, digest: str, version: int) -> tuple[ClassifierFile, Arrays] | None:
    """A classifier and its arrays; None if there is none, or it is of other data or another version.

    Raises:
        Damaged: it is not what was written.
    """
    if not path.exists():
        return None
    found = read_sealed(path, CLASSIFIER, newest=FORMAT, way_out=WAY_OUT)
    if (found["digest"], found["version"]) != (digest, version):
        return None
    arrays = path.with_suffix(".npz")
    try:
        raw = read(arrays)
        if hashlib.sha256(raw).hexdigest() != found["file"]:
            raise ValueError("it was changed, or is of another classifier")
        return found, read_npz(io.BytesIO(raw))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Damaged(f"{arrays}: cannot be used ({reason}); {WAY_OUT}") from None


def save_classifier(path: Path, found: ClassifierFile, arrays: Arrays) -> ClassifierFile:
    """Writes both files, and returns the description with the digest of the arrays; raises RunFailed."""
    raw = to_npz(arrays)
    write(path.with_suffix(".npz"), raw)
    kept: ClassifierFile = {**found, "file": hashlib.sha256(raw).hexdigest()}
    write_sealed(path, {**kept, "format": FORMAT})
    return kept
