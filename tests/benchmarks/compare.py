"""`vaecli compare` against five plain-Keras scripts of the same protocol, one after another: wall time and peak memory.

    python tests/benchmarks/compare.py [--rounds 3] [--jobs 2]

Imports, compilation, ten epochs on MNIST, evaluation, figures, table and report all count; the reference limits are
cached, as the scripts know none. The two take turns, and the medians of the rounds are compared. Then the same command
again (nothing is missing), and the largest process of all against one that imports TensorFlow and stops.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import Measured, measure, mnist_npz

METHODS = ("vae", "categorical", "gumbel", "straight_through", "vqvae")
SCRIPT = Path(__file__).parent / "rivals" / "keras_script.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    data = mnist_npz()
    ours, theirs, again = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vaecli = [sys.executable, "-m", "vaecli"]
        places = ["--output-dir", str(folder), "--data-dir", str(data.parent)]
        presets = [word for method in METHODS for word in ("--config", method)]
        measure([*vaecli, "data", "references", *presets, *places])
        for _ in range(args.rounds):
            for run in folder.glob("*-s0"):
                shutil.rmtree(run)
            for report in folder.glob("compare-*"):
                shutil.rmtree(report)
            compare = [*vaecli, "compare", *places, "--jobs", str(args.jobs)]
            ours.append(measure(compare))
            again.append(measure(compare))
            if again[-1].stdout != ours[-1].stdout:
                sys.exit("the same command gave another table")
            scripts = [
                measure([sys.executable, str(SCRIPT), "--method", method, "--data", str(data), "--output", f"{name}/k"])
                for method in METHODS
            ]
            theirs.append(sum(script.seconds for script in scripts))
        tensorflow = measure([sys.executable, "-c", "import tensorflow"])
    print(
        f"vaecli compare, {args.jobs} jobs   {typical(ours):7.2f} s   rounds {[round(one.seconds, 1) for one in ours]}"
    )
    print(f"five Keras scripts       {median(theirs):7.2f} s   rounds {[round(seconds, 1) for seconds in theirs]}")
    print(f"the same command again   {typical(again):7.2f} s")
    peak = max(one.peak_mb for one in ours)
    print(f"largest process {peak:,.0f} MB, {peak - tensorflow.peak_mb:,.0f} MB above importing TensorFlow")
    print(f"vaecli takes {typical(ours) / median(theirs):.3f} of the scripts' time, on {os.cpu_count()} cores")


def typical(rounds: list[Measured]) -> float:
    return median(one.seconds for one in rounds)


if __name__ == "__main__":
    main()
