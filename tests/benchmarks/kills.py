"""kill -9 at random moments: does every run resume, and end with the bits of one that was never killed?

    python tests/benchmarks/kills.py [--kills 50] [--seed 0] [--only conv]

`vaecli train` on the bundled digits: the five methods of the article, hard EM, quantisers with and without what keeps
their codes alive, and convolutions with a grid of codes and with one position, in turn; and `vaecli prior` of a
finished grid of codes. Each is killed again and again at a random moment of its life, imports and writing of figures
included, and started again with the same command; then it finishes. Prints the tally; exits with 1 if a weight or a
row of metrics.csv differs (seconds aside), or a page or a figure is missing.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vaecli.runs import Run, all_runs

ALIVE = ("model.codebook=ema", "model.init=kmeans", "model.restart=1.0", "model.unquantized_steps=50")
MLP = ("network.hidden=[32]", "training.epochs=200")
CONV = ("network={kind: conv, channels: [8]}", "training.epochs=40")
FLAT = (*CONV, "network.grid=false")
MIXED = ("training.precision=mixed_bfloat16", "training.force_precision=true")
SETTINGS = ("data=digits", "training.checkpoint_seconds=0.2")
PRIOR = "prior of vqvae conv, a grid"  # the run itself is not killed
CASES = {  # method and settings
    **{f"{method} mlp": (method, MLP) for method in ("vae", "categorical", "gumbel", "straight_through", "vqvae")},
    "hard_em mlp": ("hard_em", MLP),
    **{f"{method} conv, a grid": (method, CONV) for method in ("simvq", "diveq", "fsq", "lfq")},
    "vqvae mlp, kept alive": ("vqvae", (*MLP, *ALIVE)),
    "residual conv, kept alive": ("residual", (*CONV, *ALIVE)),
    "vqvae conv, restart": ("vqvae", (*CONV, "model.restart=1.0", "model.init=kmeans", "model.gradient=rotation")),
    "vae conv, a grid": ("vae", CONV),
    "vqvae conv, a grid": ("vqvae", CONV),
    "straight_through conv, a grid": ("straight_through", CONV),
    "gumbel conv, one position": ("gumbel", FLAT),
    "vqvae conv, one position": ("vqvae", FLAT),
    "gumbel mlp, as a graph": ("gumbel", (*MLP, "training.compile=graph")),
    "vqvae conv, by XLA": ("vqvae", (*CONV, "training.compile=xla")),
    "vqvae conv, mixed": ("vqvae", (*CONV, *MIXED)),
    PRIOR: ("vqvae", (CONV[0], "training.epochs=2")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    cases = [name for name in CASES if args.only in name]
    moments = random.Random(args.seed)
    equal = total = resumed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            kills = args.kills // len(cases) + (number < args.kills % len(cases))
            whole, killed = Path(folder) / case / "whole", Path(folder) / case / "killed"
            if case == PRIOR:
                _finish(case, whole, _training)
                shutil.copytree(whole, killed)
            start = time.perf_counter()
            expected = _finish(case, whole)
            seconds = time.perf_counter() - start
            for _ in range(kills):
                _kill(case, killed, moments.uniform(0, seconds))
            run = _finish(case, killed)
            history = run.info.get("history", [])
            same = (
                _weights(run) == _weights(expected) and _rows(run) == _rows(expected) and run.priors == expected.priors
            )
            drawn = run.drawn and _figures(run) == _figures(expected)
            print(
                f"{case:29} killed {kills:3} times in {seconds:.1f} s of life, {len(history):3} resumes, "
                f"{'bit for bit equal' if same else 'DIFFERENT'}{'' if drawn else ', NOT DRAWN'}",
                flush=True,
            )
            same &= drawn
            equal, total, resumed = equal + same, total + kills, resumed + len(history)
    print(
        f"{total} kills, {total} restarts ({resumed} found a run that had begun), {equal} of {len(cases)} runs "
        "bit for bit equal, metrics.csv too"
    )
    sys.exit(0 if equal == len(cases) else 1)


def _command(case: str, folder: Path) -> list[str]:
    """The command that is killed and started again."""
    if case == PRIOR:
        asked = ["--epochs", "8", "--output-dir", str(folder), "--quiet"]
        return [sys.executable, "-m", "vaecli", "prior", _run(folder).name, *asked]
    return _training(case, folder)


def _training(case: str, folder: Path) -> list[str]:
    method, settings = CASES[case]
    options = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    return [sys.executable, "-m", "vaecli", "train", "-c", method, *options, "--output-dir", str(folder), "--quiet"]


def _kill(case: str, folder: Path, after: float) -> None:
    """Starts the command and kills it; one that was quicker has its end taken back, so that the next finds work."""
    with subprocess.Popen(_command(case, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, said = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return
    if process.returncode:
        sys.exit(f"{case}: ended with {process.returncode}: {said.decode()}")
    (_run(folder).prior_json if case == PRIOR else _run(folder).summary_json).unlink()


def _finish(case: str, folder: Path, command: Callable[[str, Path], list[str]] = _command) -> Run:
    done = subprocess.run(command(case, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{case}: ended with {done.returncode}: {done.stderr}")
    return _run(folder)


def _run(folder: Path) -> Run:
    (run,) = all_runs(folder)
    return run


def _weights(run: Run) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def _figures(run: Run) -> set[str]:
    return {path.name for path in run.figures.glob("*.png")}


def _rows(run: Run) -> list[dict[str, float | None]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics]


if __name__ == "__main__":
    main()
