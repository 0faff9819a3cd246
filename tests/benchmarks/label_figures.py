"""Labels of few and of many values: how large are the figures, and how much memory does it take to make them?

    python tests/benchmarks/label_figures.py [--method vqvae] [--values 2,62,1623,10000] [--keep FOLDER]

Trains one epoch on made-up images, each time with labels of so many distinct values, as many as may be, and once with
two classes called 1990 and 2020; then draws a finished run's figures again. A process each. Prints the peak memory of
both, the seconds, and the pixels of every figure. Exits with 1 if a figure has more than MOST_PIXELS pixels, or if
labels cost more memory than MOST_MORE over two classes called 0 and 1.
"""

import argparse
import os
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np

from measure import Measured, measure
from vaecli.reports.style import MOST_PIXELS
from vaecli.runs import Run

IMAGES = 12_000  # of each split, so that even ten thousand labels have one each
SHAPE = (12, 40)
YEARS = (1990, 2020)
MOST_MORE = 300  # MB
COMMAND = (sys.executable, "-m", "vaecli")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="vqvae")
    parser.add_argument("--values", default="2,62,1623,10000", help="how many labels, each time")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; else they are removed")
    args = parser.parse_args()
    cases = {f"{int(number):,}": np.arange(int(number)) for number in args.values.split(",")}
    cases["1990, 2020"] = np.array(YEARS)
    with tempfile.TemporaryDirectory(prefix="vaecli-labels-") as folder:
        peaks, right = [], True
        print(f"{'labels':>10}  {'train':>18}  {'plot':>18}  figures")
        for name, values in cases.items():
            trained, drawn, sizes = _measured(args.method, values, args.keep or Path(folder))
            pictures = ", ".join(f"{file} {width} x {height}" for file, (width, height) in sizes.items())
            print(f"{name:>10}  {_words(trained)}  {_words(drawn)}  {pictures}", flush=True)
            peaks.append(trained.peak_mb)
            right &= all(width * height <= MOST_PIXELS for width, height in sizes.values())
    sys.exit(0 if right and max(peaks) <= peaks[0] + MOST_MORE else 1)


def _measured(method: str, values: np.ndarray, folder: Path) -> tuple[Measured, Measured, dict[str, tuple[int, int]]]:
    data = folder / f"{len(values)} labels to {values.max()}.npz"
    np.savez(data, **_arrays(values))
    outputs = folder / data.stem
    config = folder / f"{data.stem}.yaml"
    config.write_text(
        f"{{model: {method}, network: {{hidden: [64]}}, data: {{name: npz, path: '{data}'}}, training: {{epochs: 1}}}}"
    )
    where = ["--output-dir", str(outputs)]
    trained = measure([*COMMAND, "train", "--config", str(config), "--quiet", *where])
    run = Run(next(path.parent for path in outputs.glob("*/summary.json")))
    drawn = measure([*COMMAND, "plot", run.name, *where])
    return trained, drawn, {path.name: _pixels(path) for path in sorted(run.figures.iterdir())}


def _arrays(values: np.ndarray) -> dict[str, np.ndarray]:
    """Stripes whose place and slant go with the label, in noise."""
    rng = np.random.default_rng(0)
    height, width = SHAPE
    rows, columns = np.arange(height)[:, None], np.arange(width)
    arrays = {}
    for part in ("train", "test"):
        places = np.concatenate([np.arange(len(values)), rng.integers(0, len(values), IMAGES - len(values))])
        phase = 2 * np.pi * (places % 10)[:, None, None] / 10
        stripes = np.sin(columns / 3 + rows * np.cos(phase) + phase)
        noise = rng.normal(0, 0.3, (IMAGES, height, width))
        arrays |= {f"x_{part}": (127.5 + 90 * np.clip(stripes + noise, -1.4, 1.4)).astype(np.uint8)}
        arrays |= {f"y_{part}": values[places].astype(np.int32)}
    return arrays


def _pixels(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, from its header."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def _words(measured: Measured) -> str:
    return f"{measured.peak_mb:6.0f} MB {measured.seconds:6.1f} s"


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
