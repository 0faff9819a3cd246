"""`vaecli verify`."""

import json as json_format
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.complete import run_names
from vaecli.cli.console import echo
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, JsonOption, OutputDirOption
from vaecli.cli.signals import Stop
from vaecli.errors import FAILED


def verify(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A finished run's name or its beginning.", autocompletion=run_names)
    ],
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    files_only: Annotated[bool, typer.Option("--files", help="Check the files alone, and train nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Prove that a run repeats bit for bit on this machine.

    Reads its files again and compares them with the digests that it recorded; then trains a short copy of it in one go,
    and another one that is killed and resumed, in a temporary folder, and compares every number of the two.
    Exit codes: 0 all is equal, 1 something is not, 2 a mistake in what was asked.
    """
    from vaecli.experiment.verify import changed_here, prove
    from vaecli.runs import find_run

    found = find_run(run, output_dir)
    files, proof = found.examine(), None
    readable = not {found.summary_json.name, found.run_json.name} & {*files.changed, *files.missing}
    changed = changed_here(found) if readable else []
    if not json:
        for line in files.lines:
            echo(line)
        for line in changed:
            echo(f"        {line} since then: trained here again, the run may get other bits")
    if not files_only and readable:
        with Stop("stopped"), tempfile.TemporaryDirectory(prefix="vaecli-verify-") as folder:
            proof = prove(found, Path(folder), data_dir)
    verified = not (files.changed or files.missing or (proof and proof.different))
    if json:
        parts = {"files": files._asdict(), "changed_since": changed, "copy": proof._asdict() if proof else None}
        echo(json_format.dumps({"run": found.name, "verified": verified, **parts}, indent=2))
    elif proof:
        for line in proof.lines:
            echo(line)
    if not verified:
        raise typer.Exit(FAILED)
