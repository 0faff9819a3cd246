"""kill -9 at random moments: does every run resume, and end with the bits of one that was never killed?

    python tests/benchmarks/kills.py [--kills 50] [--seed 0]

`vaecli train` on the bundled digits, the five methods of the article in turn. Each run is killed again and again at a
random moment of its life, imports and writing of figures included, and started again with the same command; then it
finishes. Prints the tally; exits with 1 if a weight or a row of metrics.csv differs (seconds aside).
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vaecli.runs import Run, all_runs

METHODS = ("vae", "categorical", "gumbel", "straight_through", "vqvae")
SETTINGS = ("data=digits", "network.hidden=[32]", "training.epochs=200", "training.checkpoint_seconds=0.2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    moments = random.Random(args.seed)
    equal = total = resumed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, method in enumerate(METHODS):
            kills = args.kills // len(METHODS) + (number < args.kills % len(METHODS))
            start = time.perf_counter()
            expected = _finish(method, Path(folder) / "whole")
            seconds = time.perf_counter() - start
            for _ in range(kills):
                _kill(method, Path(folder) / "killed", moments.uniform(0, seconds))
            run = _finish(method, Path(folder) / "killed")
            history = run.info["history"]
            same = _weights(run) == _weights(expected) and _rows(run) == _rows(expected)
            print(
                f"{method:18} killed {kills:3} times in {seconds:.1f} s of life, {len(history):3} resumes, "
                f"{'bit for bit equal' if same else 'DIFFERENT'}",
                flush=True,
            )
            equal, total, resumed = equal + same, total + kills, resumed + len(history)
    print(
        f"{total} kills, {total} restarts ({resumed} found a run that had begun), {equal} of {len(METHODS)} runs "
        "bit for bit equal, metrics.csv too"
    )
    sys.exit(0 if equal == len(METHODS) else 1)


def _command(method: str, folder: Path) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return [sys.executable, "-m", "vaecli", "train", "-c", method, *settings, "--output-dir", str(folder), "--quiet"]


def _kill(method: str, folder: Path, after: float) -> None:
    """Starts the command and kills it; one that was quicker has its end taken back, so that the next finds work."""
    with subprocess.Popen(_command(method, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, said = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return
    if process.returncode:
        sys.exit(f"{method}: ended with {process.returncode}: {said.decode()}")
    _run(method, folder).summary_json.unlink()


def _finish(method: str, folder: Path) -> Run:
    done = subprocess.run(_command(method, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{method}: ended with {done.returncode}: {done.stderr}")
    return _run(method, folder)


def _run(method: str, folder: Path) -> Run:
    (run,) = [run for run in all_runs(folder) if run.name.startswith(f"{method}-digits-")]
    return run


def _weights(run: Run) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def _rows(run: Run) -> list[dict[str, float | None]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics]


if __name__ == "__main__":
    main()
