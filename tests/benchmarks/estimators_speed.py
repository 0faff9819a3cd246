"""Seconds per training step of every method, side by side on this machine.

    python tests/benchmarks/estimators_speed.py [--rounds 5] [--methods straight_through arsm ...]

Every method trains the article's autoencoder on MNIST at its preset, in one process. After compiling, the methods
take turns of about half a second, so that a slow phase of the machine meets all of them, and each is judged by its
fastest turn. `decodings` is how many codes the decoder is asked for per image and step; those of `exact` are the same
for the whole batch and are decoded once. Exits with 1 if a method with at most two decodings is slower than LIMIT
times straight_through.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import mnist_npz
from vaecli.backend.process import prepare
from vaecli.config import read_config
from vaecli.registry import METHODS

LIMIT = 3.0
RULER = "straight_through"
COMPILING = 5  # turns that are not counted: the first compiles, the next find the length of a turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    prepare()
    names = list(dict.fromkeys([RULER, *args.methods]))
    turns = {}
    for name in names:
        turns[name] = seconds_per_step(name, mnist_npz())
        for _ in range(COMPILING):
            next(turns[name])
        print(f"{name}: compiled", file=sys.stderr)
    best = dict.fromkeys(names, float("inf"))
    for _ in range(args.rounds):
        for name in names:
            best[name] = min(best[name], next(turns[name]))

    slow = []
    print(f"{'':18} {'ms/step':>8} {'x ' + RULER:>18} {'decodings':>10}")
    for name in sorted(names, key=lambda name: best[name]):
        ratio = best[name] / best[RULER]
        decodings = METHODS[name].decodings(read_config(name).model.options())
        print(f"{name:18} {1000 * best[name]:8.3f} {ratio:18.2f} {decodings:10}")
        slow += [name] * (ratio > LIMIT and decodings <= 2)
    if slow:
        sys.exit(f"slower than {LIMIT:g} times {RULER}: {', '.join(slow)}")


def seconds_per_step(name: str, data: Path) -> Iterator[float]:
    """Trains for ever; the seconds per step of each compiled call in turn."""
    from vaecli.data.files import npz_dataset
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config = read_config(name, ["training.epochs=1000000"])
    dataset = npz_dataset(data)
    trainer = Trainer(build(config, dataset.image_shape), dataset, config)
    for chunk in trainer.chunks(trainer.initial_state()):
        yield chunk.seconds * config.training.batch_size / chunk.images


if __name__ == "__main__":
    main()
