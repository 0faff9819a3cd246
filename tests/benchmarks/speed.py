"""vaecli's loop against Keras `fit`, JAX and PyTorch, side by side on this machine.

    python tests/benchmarks/speed.py [--rounds 3] [--epochs 4] [--sizes article large]

Every program trains the same Gumbel-softmax autoencoder on MNIST in a process of its own. The programs take turns,
so that a slow phase of the machine meets all of them, and each is judged by its fastest epoch after the first, which
compiles. JAX and PyTorch are in the extra `bench`; what is not installed is left out, aloud. Exits with 1 if the
losses after the same epochs differ by more than TOLERANCE: then the programs would not have done the same work.
"""

import argparse
import importlib.util
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

from measure import measure, mnist_npz

RIVALS = Path(__file__).parent / "rivals"
PROGRAMS = {  # file -> the library it needs
    "ours": "tensorflow",
    "keras_fit": "tensorflow",
    "jax_scan": "jax",
    "torch_eager": "torch",
    "matmul_limit": "numpy",
}
TOLERANCE = 0.05  # of the loss; seeds differ by about 0.02 after four epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sizes", nargs="+", default=["article", "large"])
    args = parser.parse_args()
    programs = [name for name, library in PROGRAMS.items() if importlib.util.find_spec(library)]
    for name in PROGRAMS.keys() - programs:
        print(f"{name}: {PROGRAMS[name]} is not installed; pip install -e '.[bench]'", file=sys.stderr)

    equal = True
    for size in args.sizes:
        best: dict[str, float] = {}
        losses: dict[str, list[float]] = defaultdict(list)
        titles: dict[str, str] = {}
        for turn in range(args.rounds):
            for program in programs:
                result = _run(program, size, args.epochs)
                titles[program] = result["name"]
                seconds = min(result["epoch_seconds"][1:])
                best[program] = min(best.get(program, seconds), seconds)
                if result["loss"] is not None:
                    losses[program].append(result["loss"])
                print(f"round {turn + 1}, {size}: {result['name']} {seconds:.3f} s per epoch", file=sys.stderr)
        images = result["steps"] * result["batch_size"]
        print(f"\n{size}: {images:,} images per epoch, {len(os.sched_getaffinity(0))} cores")
        print(f"{'':26} {'s/epoch':>8} {'images/s':>10} {'vaecli is':>10} {'loss':>8}")
        for program, seconds in best.items():
            ratio = f"{seconds / best['ours']:.2f}x"
            loss = f"{sum(losses[program]) / len(losses[program]):.4f}" if losses[program] else ""
            print(f"{titles[program]:26} {seconds:8.3f} {images / seconds:10,.0f} {ratio:>10} {loss:>8}")
        every = [loss for found in losses.values() for loss in found]
        spread = max(every) / min(every) - 1
        equal &= spread <= TOLERANCE
        print(f"losses agree within {100 * spread:.1f}%" + ("" if spread <= TOLERANCE else ": NOT the same work"))
    sys.exit(0 if equal else 1)


def _run(program: str, size: str, epochs: int) -> dict:
    file = str(RIVALS / f"{program}.py")
    arguments = ["--size", size, "--epochs", str(epochs), "--data", str(mnist_npz())]
    return json.loads(measure([sys.executable, file, *arguments]).stdout)


if __name__ == "__main__":
    main()
