"""A training step in each of the modes of `training.compile`, and in bfloat16, by turns in one process.

    python tests/benchmarks/modes.py [--networks 128 512-256 1024-512 conv] [--methods gumbel vqvae rebar] [--rounds 5]

MNIST. An `mlp` of hidden layers 128 has one latent of ten values and batches of 64, a larger one 20 latents and batches
of 100; `conv` is the 7x7 grid of speed.py, with batches of 128. Every mode trains for --seconds, then the next
one does, so that a slow phase of the machine meets all of them. A mode is judged by its fastest turn; beside it stands
the median over the rounds of how much faster it was than the first.
"""

import argparse
import os
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

from measure import mnist_npz
from vaecli.backend.process import prepare

MODES = {
    "xla": "compile: xla",
    "graph": "compile: graph",
    "bfloat16": "compile: graph, precision: mixed_bfloat16, force_precision: true",
}
IMAGES = 12_800


def config_text(network: str, method: str, mode: str, size: int | None) -> str:
    """The config of a step, which never ends by itself."""
    if network == "conv":
        codes = "num_codes: 128, code_dim: 16" if method == "vqvae" else "num_latents: 1, num_classes: 16"
        layers, batch = "{kind: conv, channels: [32, 64]}", 128
    else:
        hidden = [int(width) for width in network.split("-")]
        latents, batch = (20, 100) if len(hidden) > 1 else (1, 64)
        codes = f"num_latents: {latents}, {'num_codes' if method == 'vqvae' else 'num_classes'}: 10"
        layers = f"{{hidden: {hidden}}}"
    return (
        f"model: {{name: {method}, {codes}}}\nnetwork: {layers}\n"
        f"training: {{epochs: 100000, batch_size: {size or batch}, {MODES[mode]}}}"
    )


def trained(network: str, method: str, mode: str, size: int | None, images: np.ndarray) -> Iterator[Any]:
    """The chunks of a training."""
    from vaecli.config import config_from_text
    from vaecli.data import Dataset, Split
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config = config_from_text(config_text(network, method, mode, size))
    split = Split(images[..., None])
    data = Dataset("mnist", split, split, 1 / 255, "measured")
    trainer = Trainer(build(config, data.image_shape), data, config)
    for chunk in trainer.chunks(trainer.initial_state()):
        yield chunk.seconds, chunk.images // config.training.batch_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["128", "512-256", "1024-512", "conv"])
    parser.add_argument("--methods", nargs="+", default=["gumbel", "vqvae", "rebar"])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="factors are of the first")
    parser.add_argument("--batch", type=int, help="images per step, instead of the network's own number")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    args = parser.parse_args()
    prepare()
    images = np.load(mnist_npz())["x_train"][:IMAGES]
    print(f"{len(os.sched_getaffinity(0))} cores, milliseconds of a step, and its speed over that of {args.modes[0]}")
    for network in args.networks:
        for method in args.methods:
            trainings = {mode: trained(network, method, mode, args.batch, images) for mode in args.modes}
            for training in trainings.values():
                turn(training, args.seconds)  # it compiles
            rounds = [{m: turn(t, args.seconds) for m, t in trainings.items()} for _ in range(args.rounds)]
            found = (
                f"{mode} {1000 * min(r[mode] for r in rounds):8.3f} "
                f"({median(r[args.modes[0]] / r[mode] for r in rounds):.2f})"
                for mode in args.modes
            )
            print(f"{network:10} {method:16} {'   '.join(found)}", flush=True)


def turn(training: Iterator[Any], least: float) -> float:
    """The seconds of a step, over chunks that take at least so many seconds."""
    seconds, steps = 0.0, 0
    while seconds < least:
        of_chunk, in_chunk = next(training)
        seconds, steps = seconds + of_chunk, steps + in_chunk
    return seconds / steps


if __name__ == "__main__":
    main()
