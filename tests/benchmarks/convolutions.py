"""A training step of a convolutional vqvae, by vaecli, Keras `fit`, PyTorch (NCHW and channels_last) and a JAX scan.

    python tests/benchmarks/convolutions.py [--rounds 3] [--epochs 2] [--steps 100] [--programs "vaecli graph" ...]

MNIST, a grid of 7x7 cells, 128 codes of 16, channels 32 and 64, batch 128, Adam 1e-3, commitment 0.25. Each program is
a process of its own; they take turns, and each is judged by its fastest epoch after the first, which compiles. All
have the same network and kinds of first weights, and the error over the last epoch is printed. It is alike but for two
reasons: what XLA compiles in a loop (vaecli's own and JAX's) is so much slower on a processor that it takes
--slow-steps an epoch, so its errors are of an earlier step; and Keras treats the gradient of the rows that a batch
takes as sparse: its Adam goes on moving the other rows by their last moments, which keeps more of them alive (0.0082
after 300 steps; with a dense gradient, by a product with one-hot codes, 0.0166, where vaecli has 0.0140 to 0.0157).
"""

import argparse
import json
import os
import sys
from functools import partial

import numpy as np

from measure import measure, mnist_npz
from rivals.convolutional import (
    BATCH,
    CHANNELS,
    CODES,
    COMMITMENT,
    LEARNING_RATE,
    WIDTH,
    Measured,
    jax_scan,
    keras_fit,
    torch_loop,
)


def ours(compiler: str, images: np.ndarray, epochs: int) -> Measured:
    """The training loop of `vaecli train`, without what a run writes."""
    from vaecli.backend.process import prepare

    prepare()
    from vaecli.config import config_from_text
    from vaecli.data import Dataset, Split
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config = config_from_text(
        f"model: {{name: vqvae, num_codes: {CODES}, code_dim: {WIDTH}, commitment: {COMMITMENT}}}\n"
        f"network: {{kind: conv, channels: {list(CHANNELS)}}}\n"
        f"training: {{epochs: {epochs}, batch_size: {BATCH}, learning_rate: {LEARNING_RATE}, compile: {compiler}}}"
    )
    split = Split(images[..., None])
    data = Dataset("mnist", split, split, 1 / 255, "measured")
    trainer = Trainer(build(config, data.image_shape), data, config)
    rows = [chunk for chunk in trainer.chunks(trainer.initial_state()) if chunk.metrics]
    assert rows[-1].metrics is not None
    return [chunk.row_seconds for chunk in rows], rows[-1].metrics["distortion"]


PROGRAMS = {
    "vaecli graph": partial(ours, "graph"),
    "keras fit": partial(keras_fit, "auto"),
    "keras fit xla": partial(keras_fit, True),
    "torch": partial(torch_loop, "contiguous_format"),
    "torch channels_last": partial(torch_loop, "channels_last"),
    "vaecli xla": partial(ours, "xla"),
    "jax scan": jax_scan,
}
SLOW = ("vaecli xla", "jax scan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="measured ones, after one that compiles")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--slow-steps", type=int, default=10, help=f"of an epoch of {' and '.join(SLOW)}")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        images = np.load(mnist_npz())["x_train"][: args.steps * BATCH]
        print(json.dumps(PROGRAMS[args.programs[0]](images, args.epochs + 1)))
        return
    best: dict[str, float] = {}
    errors: dict[str, float] = {}
    for turn in range(args.rounds):
        for program in args.programs:
            steps = args.slow_steps if program in SLOW else args.steps
            command = [sys.executable, __file__, "--measure", "--programs", program]
            command += ["--steps", str(steps), "--epochs", str(args.epochs)]
            seconds, errors[program] = json.loads(measure(command).stdout.splitlines()[-1])
            per_step = min(seconds[1:]) / steps
            best[program] = min(best.get(program, per_step), per_step)
            print(f"round {turn + 1}: {program} {1000 * per_step:.1f} ms a step", file=sys.stderr)
    print(f"{len(os.sched_getaffinity(0))} cores, {args.steps} steps an epoch, {args.epochs + 1} epochs")
    for program, seconds in best.items():
        factor = seconds / best[args.programs[0]]
        print(f"{program:20} {1000 * seconds:8.1f} ms a step  {factor:6.2f}x  mse {errors[program]:.4f}")


if __name__ == "__main__":
    main()
