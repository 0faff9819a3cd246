"""A disk that is really full, at one write of a run after another: is each refusal one line, and is nothing lost?

    python tests/benchmarks/full_disk.py [--method gumbel] [--step 1]

`vaecli train` into a tmpfs with one page free; each time it is refused, the same command goes on with one page more
free than the time before, until the run fits. Then the same by number of files, where it is the opening of one that is
refused. Prints how often which file was refused. Exits with 1 if a refusal is not one line and exit code 1, leaves the
run in another state than "failed" or "interrupted", or takes back a saved step; and if the run ends with other bits or
rows of metrics.csv (seconds aside) than one that always had room, or with files that nobody needs.

The disk is mounted in a namespace of this process alone: that needs Linux, but no rights, and nobody else sees it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from itertools import count
from pathlib import Path
from typing import NamedTuple

from vaecli.backend.process import import_keras, prepare

prepare()
import_keras()

import vaecli.reports.run.figures  # noqa: E402  # the children would each import it again
from vaecli.cli import main as vaecli  # noqa: E402
from vaecli.errors import FAILED  # noqa: E402
from vaecli.runs import Run  # noqa: E402
from vaecli.runs.files import PART  # noqa: E402

INSIDE = "VAECLI_FULL_DISK_INSIDE"
PAGE = os.sysconf("SC_PAGE_SIZE")
SETTINGS = (
    *("data=digits", "data.validation=200", "network.hidden=[4]", "training.epochs=2"),
    "training.checkpoint_seconds=0",  # a state after every call
)
ROOM = {"size": 2**30, "nr_inodes": 2**20}  # bytes, and files
STEPS = {"size": PAGE, "nr_inodes": 1}
REFUSED = re.compile(r"(?P<path>\S+): cannot be written \(No space left on device\)\n")


class Attempt(NamedTuple):
    code: int
    said: str  # on stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="gumbel")
    parser.add_argument("--step", type=int, default=1, help="pages or files more each time")
    args = parser.parse_args()
    if INSIDE not in os.environ:
        _enter_namespace()
    disk = Path(tempfile.mkdtemp(prefix="vaecli-full-disk-"))
    _mount("-t", "tmpfs", *_options(ROOM), "vaecli", str(disk))
    try:
        right = [_grow(args.method, disk, limit, args.step) for limit in ROOM]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()
    sys.exit(0 if all(right) else 1)


def _grow(method: str, disk: Path, limit: str, step: int) -> bool:
    """Lets the disk grow until the run fits; whether each refusal and the end were as they should be."""
    attempt = _attempt(method, disk, {})
    if attempt.code:
        sys.exit(f"even with room: {attempt.said}")
    expected = _outcome(_run(disk))
    shutil.rmtree(disk / "outputs")
    refused: Counter[str] = Counter()
    saved, wrong = (0, 0), 0
    for free in count(STEPS[limit], step * STEPS[limit]):
        attempt = _attempt(method, disk, {limit: _used(disk)[limit] + free})
        if attempt.code == 0:
            break
        before, saved = saved, _steps_saved(disk)
        status = _run(disk).status
        found = REFUSED.fullmatch(attempt.said)
        refused[Path(found["path"]).name if found else "?"] += 1
        if not found or attempt.code != FAILED or status not in ("failed", "interrupted") or saved < before:
            wrong += 1
            told = f"exit code {attempt.code}, {status}, {before} -> {saved} steps saved: {attempt.said}"
            print(f"{limit} {free} free: {told}", file=sys.stderr, flush=True)
    run = _run(disk)
    tidy = run.failure is None and not list(disk.rglob(f"{PART}*"))
    same = _outcome(run) == expected
    print(
        f"{limit}: refused {refused.total()} times, {wrong} of them wrong, until {free:,} free were enough; the run is "
        f"{'bit for bit equal' if same else 'DIFFERENT'}{'' if tidy else ', and NOT TIDY'}\n"
        f"    {', '.join(f'{name} {times}' for name, times in refused.items())}",
        flush=True,
    )
    return same and tidy and not wrong


def _used(disk: Path) -> dict[str, int]:
    found = os.statvfs(disk)
    return {"size": (found.f_blocks - found.f_bfree) * found.f_frsize, "nr_inodes": found.f_files - found.f_ffree}


def _attempt(method: str, disk: Path, limits: dict[str, int]) -> Attempt:
    """The command, in a fork of this process, which has imported everything and started no thread."""
    _mount(*_options({**ROOM, **limits}, "remount"), str(disk))
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.close(reading)
        sys.argv = ["vaecli", "train", "-c", method, *settings, "--output-dir", str(disk / "outputs"), "--quiet"]
        try:
            vaecli()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)  # vaecli ends the process by itself
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        said = told.read()
    _, status = os.waitpid(child, 0)
    return Attempt(os.waitstatus_to_exitcode(status), said)


def _run(disk: Path) -> Run:
    """The one run of the disk; of a folder that is not there yet where it is refused."""
    return Run(next((disk / "outputs").glob("*-s0"), disk / "none"))


def _steps_saved(disk: Path) -> tuple[int, int]:
    """Epochs and steps of the newest state; a damaged one is a refusal gone wrong."""
    for path, arrays in _run(disk).states():
        if arrays is None:
            sys.exit(f"damaged: {path}")
        return int(arrays["epoch"]), int(arrays["step"])
    return 0, 0


def _outcome(run: Run) -> object:
    weights = {name: array.tobytes() for name, array in run.load_weights().items()}
    return weights, [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics]


def _enter_namespace() -> None:
    if shutil.which("unshare") is None:
        sys.exit("a disk of one's own needs Linux and its command `unshare`")
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, *sys.argv]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _options(limits: dict[str, int], *more: str) -> tuple[str, str]:
    return "-o", ",".join([*more, *(f"{name}={value}" for name, value in limits.items())])


if __name__ == "__main__":
    main()
