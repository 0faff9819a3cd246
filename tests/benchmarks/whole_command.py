"""`vaecli train --config gumbel.yaml` against the plain-Keras script it replaces: wall time and peak memory.

    python tests/benchmarks/whole_command.py [--rounds 3]

Import, compilation, ten epochs on MNIST, evaluation, figures and model files all count. The two take turns, and the
medians of the rounds are compared. Memory is held against a process that imports TensorFlow and stops.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import Measured, measure, mnist_npz

SCRIPT = Path(__file__).parent / "rivals" / "keras_script.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    data = mnist_npz()
    with tempfile.TemporaryDirectory() as folder:
        vaecli = [sys.executable, "-m", "vaecli", "train", "--config", "gumbel.yaml", "--output-dir", folder]
        commands = {
            "vaecli train": [*vaecli, "--data-dir", str(data.parent), "--fresh"],
            "plain Keras script": [sys.executable, str(SCRIPT), "--data", str(data), "--output", f"{folder}/keras"],
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        }
        found: dict[str, list[Measured]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(measure(command))
    seconds = {name: median(one.seconds for one in runs) for name, runs in found.items()}
    peaks = {name: max(one.peak_mb for one in runs) for name, runs in found.items()}
    for name in commands:
        print(f"{name:20} {seconds[name]:7.2f} s  peak {peaks[name]:6,.0f} MB")
    share = seconds["vaecli train"] / seconds["plain Keras script"]
    above = peaks["vaecli train"] - peaks["import tensorflow"]
    print(f"vaecli takes {share:.2f} of the script's time, and peaks {above:.0f} MB above importing TensorFlow")


if __name__ == "__main__":
    main()
