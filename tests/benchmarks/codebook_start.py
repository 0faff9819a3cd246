"""Why k-means is no start for ten codes: codebooks that begin elsewhere and otherwise train alike.

    python tests/benchmarks/codebook_start.py FOLDER [--seeds 0 1 2 3 4] [--epochs 10]

k-means of the untrained encoder's encodings has two things that N(0, 0.05^2) has not: its rows lie around the mean of
the encodings, and as far apart as they do. Each row of the table changes one of them. Trains, on MNIST in the article's
protocol, whatever is not finished in FOLDER, and prints the share of codes in use on the test set, their perplexity
and the squared error per pixel: means with 95 % intervals.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import vaecli
from quantizers import COLUMNS, said
from vaecli.bottlenecks import codebook
from vaecli.metrics.intervals import interval

Rows = NDArray[np.float32]
# Of encodings e [M, D] and their k-means c [K, D]: the rows that the codebook begins with.
STARTS: Mapping[str, Callable[[Rows, Rows, np.random.Generator], Rows]] = {
    "N(0, 0.05²)": lambda e, c, rng: rng.normal(0, 0.05, c.shape),
    "N(mean, 0.05²)": lambda e, c, rng: e.mean(0) + rng.normal(0, 0.05, c.shape),
    "k-means, a quarter as far apart": lambda e, c, rng: e.mean(0) + (c - e.mean(0)) / 4,
    "k-means": lambda e, c, rng: c,
    "k-means around 0": lambda e, c, rng: c - e.mean(0),
    "k-means, four times as far apart": lambda e, c, rng: e.mean(0) + (c - e.mean(0)) * 4,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    model = {"name": "vqvae", "commitment": 1.0, "init": "kmeans"}
    print(f"| {'rows begin at':34} | {' | '.join(f'{column:>18}' for column in COLUMNS)} |")
    for number, (start, placed) in enumerate(STARTS.items()):
        tests = []
        for seed in args.seeds:
            with mock.patch.object(codebook, "kmeans", beginning(placed)):
                config = {"model": model, "data": "mnist", "training": {"epochs": args.epochs, "seed": seed}}
                tests.append(vaecli.train(config, output_dir=args.folder / str(number), quiet=True).summary["test"])
        cells = [said(interval([of(test) for test in tests]), form) for of, form in COLUMNS.values()]
        print(f"| {start:34} | {' | '.join(f'{cell:>18}' for cell in cells)} |", flush=True)


def beginning(placed: Callable[[Rows, Rows, np.random.Generator], Rows]) -> Callable[..., Rows]:
    """k-means, moved to where a row of the table has it."""
    kmeans = codebook.kmeans

    def begun(e: Rows, k: int, *, seed: int) -> Rows:
        return placed(e, kmeans(e, k, seed=seed), np.random.default_rng(seed)).astype(np.float32)

    return begun


if __name__ == "__main__":
    main()
