"""A training in a process of its own that a real SIGKILL ends between two writes; run by test_faults.py.

    python tests/crash.py OUTPUT_DIR METHOD [EVERY]

Imports TensorFlow once, then forks one process after another, before any of TensorFlow's threads exist. Each trains
the same run and dies at the first place that none before it has reached (or at the EVERY-th such): a file written
but not renamed, renamed but not synced, or an appended line half written. The one that finds no new place finishes
the run. Prints the places of death.
"""

import os
import signal
import sys
from pathlib import Path

from vaecli.backend.process import import_keras, prepare, reset_warnings

reset_warnings()
prepare()
import_keras()
sys.path.insert(0, str(Path(__file__).parent))  # python -P leaves it out

from helpers import place_of, small_config, train  # noqa: E402
from vaecli.training import trainer  # noqa: E402

trainer.SECONDS_PER_CALL = 0.0  # one step a call: as many places to die at on every machine

Place = tuple[str, str]  # what was called, and for which file


def arm(reached: set[Place], every: int, report: int) -> None:
    """Makes this process die at the `every`-th call that is at a place not in `reached`."""
    fsync, replace, write = os.fsync, os.replace, os.write
    new: list[Place] = []

    def die_at(place: Place) -> None:
        if place in reached or place in new:
            return
        new.append(place)
        write(report, ("\t".join(place) + "\n").encode())
        if len(new) == every:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_fsync(handle: int) -> None:
        die_at(place_of("fsync", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def dying_replace(source: str, target: str) -> None:
        replace(source, target)
        die_at(place_of("replace", os.fspath(target)))

    def dying_write(handle: int, raw: bytes) -> int:
        half = write(handle, raw[: len(raw) // 2])
        die_at(place_of("write", os.readlink(f"/proc/self/fd/{handle}")))
        return half + write(handle, raw[half:])

    os.fsync, os.replace, os.write = dying_fsync, dying_replace, dying_write  # type: ignore[assignment]


def attempt(output_dir: Path, method: str, reached: set[Place], every: int) -> tuple[list[Place], bool]:
    """The new places that a child process reached, and whether it died at the last of them or finished."""
    reading, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        arm(reached, every, report)
        train(small_config(method, extra_training=", checkpoint_seconds: 0"), output_dir)
        os._exit(0)
    os.close(report)
    with os.fdopen(reading, encoding="utf-8") as told:
        places = [(call, name) for call, name in (line.rstrip("\n").split("\t") for line in told)]
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"a child ended with {code} after {places}")
    return places, code != 0


def main(output_dir: str, method: str, every: str = "1") -> None:
    reached: set[Place] = set()
    died = True
    while died:
        places, died = attempt(Path(output_dir), method, reached, int(every))
        reached.update(places)
        if died:
            print(*places[-1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
