"""Lists and compares folders of many runs, each command in a process of its own: seconds and peak memory.

    python tests/benchmarks/many_runs.py [--listed 10000] [--compared 2000] [--folder DIR]

The runs are copies of one small run under other seeds and learning rates, so that every file is whole; a folder that
is there already is used again.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from vaecli.config import config_from_text
from vaecli.runs import Run
from vaecli.runs.files import to_npz

FACTS = {
    "name": "digits",
    "fallback_for": None,
    "source": "made up",
    "digest": hashlib.sha256(b"digits").hexdigest(),
    "scale": 1 / 16,
    "image_shape": [8, 8],
    "train": 1437,
    "validation": 0,
    "test": 360,
}
SESSION = {
    "argv": ["vaecli", "train"],
    "started": "2026-01-01T00:00:00Z",
    "data": FACTS,
    "git_commit": None,
    "versions": {"keras": "3.15"},
    "host": "here",
    "platform": "Linux",
    "cpu": "a cpu",
    "cpus": 2,
    "threads": "1",
    "extends": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listed", type=int, default=10_000, help="runs of `vaecli list`")
    parser.add_argument("--compared", type=int, default=2_000, help="settings of `vaecli compare --no-train`")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "vaecli-many-runs"))
    asked = parser.parse_args()
    fill(asked.folder / "listed", asked.listed, settings=1)
    fill(asked.folder / "compared", asked.compared, settings=asked.compared)
    report(f"list of {asked.listed:,} runs", "list", "--output-dir", str(asked.folder / "listed"))
    compare = (
        "compare",
        str(asked.folder / "compared"),
        "--no-train",
        "-q",
        "--output-dir",
        str(asked.folder / "compared"),
    )
    for pictures in (asked.folder / "compared").glob("compare-*/report.html"):
        pictures.unlink()
    report(f"compare of {asked.compared:,} settings", *compare)
    report("the same command again", *compare)


def fill(folder: Path, count: int, *, settings: int) -> None:
    """Makes `count` finished runs of `settings` learning rates."""
    images = np.random.default_rng(0).random((10, 8, 8), np.float32)
    arrays = {"images": images, "index": np.arange(10), "mode": images, "sampled": images}
    arrays |= {"codes": np.zeros((10, 1), np.int32), "code_counts": np.full((1, 10), 36)}
    arrays |= {"prototypes": images, "contingency": np.full((10, 10), 3)}
    pictures = to_npz(arrays)
    for number in range(count):
        config = config_from_text(
            "model: straight_through\ndata: digits\n"
            f"training: {{seed: {number // settings}, learning_rate: {1e-5 * (1 + number % settings)}}}\n"
        )
        run = Run(folder / f"straight_through-digits-{number % settings:08x}-s{number // settings}")
        if run.finished:
            continue
        run.begin(config, SESSION)
        mse = 0.05 + 0.01 * (number * 7919 % 1000) / 1000
        rows = [dict.fromkeys(("loss", "test_mse_sampled", "test_mse_mode", "seconds"), mse) for _ in range(10)]
        text = "".join(run.append_metrics({"epoch": epoch, **row}) for epoch, row in enumerate(rows, 1))
        run._write(run.reconstructions_npz, pictures)
        test = {"mse": {"sampled": mse, "mode": mse, "relaxed": None}, "distortion": None, "rate": 1.0, "elbo": None}
        test |= {"bits": 1.4, "capacity_bits": 3.3, "perplexity": 9.0, "codes_used": 1.0, "nmi": 0.5, "accuracy": 0.5}
        about = {key: FACTS[key] for key in ("name", "fallback_for", "digest")}
        summary = {"test": test, "gradient_norm": {"encoder": 0.1}, "without_gradient": [], "parameters": 1000}
        run.finish({**summary, "seconds": 1.0, "data": about}, text)


def report(what: str, *arguments: str) -> None:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "vaecli", *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    print(f"{what:<32} {seconds:6.1f} s ({used.ru_utime + used.ru_stime:5.1f} s of a processor)", end="  ")
    print(f"{used.ru_maxrss / 1e6:5.2f} GB  exit code {code}", flush=True)


if __name__ == "__main__":
    main()
