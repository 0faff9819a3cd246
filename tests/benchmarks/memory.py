"""How well is the peak memory of a training estimated before it starts?

    python tests/benchmarks/memory.py [--only "cells of"] [--within 0.25]

Trains one epoch of made-up images in settings that differ in what memory goes to, a process each, and prints the
estimate of `vaecli.experiment.memory`, the peak of the process, and their ratio. Exits with 1 where a ratio is further
from 1 than --within.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from measure import measure
from vaecli.config import read_config
from vaecli.data import load
from vaecli.experiment.memory import needed

VECTORS = "model: {name: vqvae, num_codes: 256, code_dim: 16}"
TRAINED = "training: {epochs: 1, batch_size: 128}"
SETTINGS = {  # name: images, image shape, config
    "article": (60_000, (28, 28, 1), f"model: gumbel\n{TRAINED}"),
    "mlp, large": (2_000, (28, 28, 1), f"model: gumbel\nnetwork: {{hidden: [4096, 4096]}}\n{TRAINED}"),
    "conv, a grid": (5_000, (28, 28, 1), f"{VECTORS}\nnetwork: {{kind: conv}}\n{TRAINED}"),
    "conv, one position": (
        5_000,
        (28, 28, 1),
        f"model: gumbel\nnetwork: {{kind: conv, grid: false}}\n{TRAINED}",
    ),
    "conv, residual blocks": (
        5_000,
        (32, 32, 3),
        f"{VECTORS}\nnetwork: {{kind: conv, channels: [128, 128], residual_blocks: 2}}\n{TRAINED}",
    ),
    "conv, cells of 4 x 8": (
        5_000,
        (28, 28, 1),
        f"model: {{name: straight_through, num_latents: 4, num_classes: 8}}\nnetwork: {{kind: conv}}\n{TRAINED}",
    ),
    "conv, several draws": (
        5_000,
        (28, 28, 1),
        f"model: {{name: rloo, num_draws: 4}}\nnetwork: {{kind: conv}}\n{TRAINED}",
    ),
    "conv, every code": (
        5_000,
        (28, 28, 1),
        f"model: {{name: exact, num_classes: 32}}\nnetwork: {{kind: conv, grid: false}}\n{TRAINED}",
    ),
    "conv, 64 x 64": (5_000, (64, 64, 3), f"{VECTORS}\nnetwork: {{kind: conv}}\n{TRAINED}"),
    "conv, 4,096 codes": (
        5_000,
        (64, 64, 1),
        f"model: {{name: vqvae, num_codes: 4096, code_dim: 16}}\nnetwork: {{kind: conv}}\n{TRAINED}",
    ),
    "conv by XLA": (
        2_000,
        (28, 28, 1),
        f"{VECTORS}\nnetwork: {{kind: conv, channels: [16, 32]}}\n{TRAINED.replace('}', ', compile: xla}')}",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="settings whose name contains this")
    parser.add_argument("--within", type=float, default=0.25)
    args = parser.parse_args()
    right = True
    print(f"{'setting':<24}{'estimated':>12}{'peak':>12}{'ratio':>8}")
    for name, (images, shape, text) in SETTINGS.items():
        if args.only not in name:
            continue
        with tempfile.TemporaryDirectory(prefix="vaecli-memory-") as folder:
            data, config = Path(folder) / "made-up.npz", Path(folder) / "config.yaml"
            rng = np.random.default_rng(0)
            test = images // 6
            np.savez(
                data,
                x_train=rng.integers(0, 256, (images, *shape), np.uint8),
                x_test=rng.integers(0, 256, (test, *shape), np.uint8),
            )
            config.write_text(f"{text}\ndata: {{name: npz, path: '{data}'}}\n")
            read = read_config(str(config))
            estimated = needed(read, load(read.data)) / 1e6
            command = [sys.executable, "-m", "vaecli", "train", "--config", str(config), "--quiet"]
            peak = measure([*command, "--output-dir", folder]).peak_mb * 1.048576
        print(f"{name:<24}{estimated:>9.0f} MB{peak:>9.0f} MB{estimated / peak:>8.2f}", flush=True)
        right &= abs(estimated / peak - 1) <= args.within
    sys.exit(not right)


if __name__ == "__main__":
    main()
