"""Whether a run repeats bit for bit."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import stop_on
from vaecli.config.arguments import Name, path_of, runs_folder

if TYPE_CHECKING:
    from vaecli.experiment.verify import Proof
    from vaecli.runs import Run
    from vaecli.runs.run import Files


@dataclass(frozen=True)
class Verification:
    """Whether a run's files are unchanged, and whether a short copy of it repeats bit for bit."""

    run: "Run"
    files: "Files"
    changed_since: Sequence[str]  # what may change bits here compared with when the run was made
    proof: "Proof | None"  # result of the copy; None if none was trained

    @property
    def verified(self) -> bool:
        return not (self.files.changed or self.files.missing or (self.proof and self.proof.different))

    def to_dict(self) -> dict[str, Any]:
        parts = {
            "files": self.files._asdict(),
            "changed_since": list(self.changed_since),
            "copy": self.proof._asdict() if self.proof else None,
        }
        return {"run": self.run.name, "verified": self.verified, **parts}


def verify(
    run: Name,
    *,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    files_only: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Proves that a run repeats bit for bit on this machine.

    Reads its files again and compares them with the recorded digests; then trains a short copy of it without
    interruption and another one that is killed and resumed, each in its own process, and compares every number.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        files_only: check the files alone, and train nothing.
        told: called with each line that the command prints, as soon as it is known.

    Raises:
        RunError: there is no such run, or it is not finished.
        RunFailed: a copy did not end as it should.
        DataError: its data is not available, or differs from what it was trained on.
        Interrupted: Ctrl-C or SIGTERM.
    """
    import tempfile

    from vaecli.experiment.verify import changed_here, prove
    from vaecli.runs import find_run

    found = find_run(os.fspath(run), runs_folder(output_dir))
    files, proof = found.examine(), None
    readable = {found.summary_json.name, found.run_json.name}.isdisjoint([*files.changed, *files.missing])
    changed = changed_here(found) if readable else []
    for line in files.lines:
        told(line)
    for line in changed:
        told(f"        {line} since then: trained here again, the run may get other bits")
    if not files_only and readable:
        with stop_on("stopped"), tempfile.TemporaryDirectory(prefix="vaecli-verify-") as folder:
            proof = prove(found, Path(folder), path_of(data_dir))
        for line in proof.lines:
            told(line)
    return Verification(found, files, changed, proof)
