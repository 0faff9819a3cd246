"""The training loop of this checkout against that of another one, side by side on this machine.

    git worktree add /tmp/before v0.1.0
    python tests/benchmarks/versions.py /tmp/before [--rounds 5] [--epochs 4] [--sizes article large]

Both train the same Gumbel-softmax autoencoder on MNIST (rivals/ours.py of each checkout) in processes of their own that
take turns, so that a slow phase of the machine meets both; each is judged by its fastest epoch after the first, which
compiles. The losses must agree to the last digit unless NUMERICS has changed between the two.
"""

import argparse
import json
import sys
from pathlib import Path

from measure import measure, mnist_npz

HERE = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sizes", nargs="+", default=["article", "large"])
    args = parser.parse_args()
    for size in args.sizes:
        seconds: dict[str, list[float]] = {"other": [], "here": []}
        losses: dict[str, float] = {}
        for turn in range(args.rounds):
            order = list(seconds) if turn % 2 else list(seconds)[::-1]
            for name in order:
                root = args.other.resolve() if name == "other" else HERE
                script = root / "tests" / "benchmarks" / "rivals" / "ours.py"
                command = [sys.executable, str(script), "--size", size, "--epochs", str(args.epochs)]
                result = json.loads(measure([*command, "--data", str(mnist_npz())], PYTHONPATH=str(root)).stdout)
                seconds[name].append(min(result["epoch_seconds"][1:]))
                losses[name] = result["loss"]
        best = {name: min(values) for name, values in seconds.items()}
        ratios = sorted(one / two for one, two in zip(seconds["here"], seconds["other"], strict=True))
        was, now = best["other"], best["here"]
        print(f"{size}: here {now:.3f} s per epoch, other {was:.3f}: {now / was:.3f}")
        by_round = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"  by round {by_round}; losses {losses['here']!r}, {losses['other']!r}")


if __name__ == "__main__":
    main()
