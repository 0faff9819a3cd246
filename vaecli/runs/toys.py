"""Trained toys in the output folder, readable without TensorFlow."""

import hashlib
import json
from pathlib import Path

from vaecli.config.toys import Polynomial
from vaecli.runs.files import writing
from vaecli.runs.schema import TOY
from vaecli.runs.sealed import read_sealed, write_sealed

PREFIX = "toy-"
FORMAT = 2  # of the first, as a file of format 1 has no seal
AGAIN = "remove it and train the toy again"
# Raise it when the same toy would give different numbers.
NUMERICS = 2


class ToyRun:
    """One trained toy is one folder, named by a hash of everything that decides its numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.toy_json = path / "toy.json"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def finished(self) -> bool:
        return self.toy_json.exists()

    @property
    def losses(self) -> list[float]:
        """The mean loss of each epoch's steps; raises Damaged if the file is not what was written."""
        return list(read_sealed(self.toy_json, TOY, newest=FORMAT, way_out=AGAIN)["losses"])

    @property
    def expected(self) -> list[float] | None:
        """The expected loss of a code after each epoch; None in older files. Raises Damaged as `losses`."""
        found = read_sealed(self.toy_json, TOY, newest=FORMAT, way_out=AGAIN).get("expected")
        return None if found is None else list(found)

    def write(self, toy: Polynomial, losses: list[float], expected: list[float]) -> None:
        """Writes toy.json; raises RunFailed if the folder cannot be written."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        tree = {"format": FORMAT, "toy": toy.model_dump(mode="json"), "optimum": toy.optimum, "losses": losses}
        tree["expected"] = expected
        write_sealed(self.toy_json, tree, within=self.path)


def toy_run(toy: Polynomial, output_dir: Path) -> ToyRun:
    """The folder <output_dir>/toy-<hash>."""
    text = json.dumps({"toy": toy.model_dump(mode="json"), "numerics": NUMERICS}, sort_keys=True)
    return ToyRun(output_dir / f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:8]}")
