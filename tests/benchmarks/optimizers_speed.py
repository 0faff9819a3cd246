"""Our own optimisers against those of Keras: seconds per training step and bits, side by side on this machine.

    python tests/benchmarks/optimizers_speed.py [--rounds 9] [--steps 200]

Ours are adam and sgd with momentum, Keras' are the same two as functions (backend/optimizers.py). Both run in the
training loop of gumbel on made-up images, at the article's size and at a large one. After compiling they take turns of
so many steps, so that a slow phase of the machine meets both; a ratio is of the fastest turns.
"""

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from vaecli.backend.process import prepare
from vaecli.config import config_from_text

SIZES = {
    "article": "model: gumbel",
    "large": "model: {name: gumbel, num_latents: 20}\nnetwork: {hidden: [512, 256]}",
}
PIXELS, BATCH = 784, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    prepare()
    import keras

    from vaecli.backend.optimizers import adam, of_keras, sgd

    rate = 1e-3
    pairs: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "adam": (lambda _: adam(rate), lambda v: of_keras(keras.optimizers.Adam, v, learning_rate=rate)),
        "sgd": (
            lambda _: sgd(rate, 0.9),
            lambda v: of_keras(keras.optimizers.SGD, v, learning_rate=rate, momentum=0.9),
        ),
    }
    print(f"{'':16} {'ours ms/step':>13} {'Keras ms/step':>14} {'Keras / ours':>13} {'same bits':>10}")
    for size, text in SIZES.items():
        for name, makers in pairs.items():
            turns = [turn(text, make, args.steps) for make in makers]
            ours, theirs = (run()[1] for run in turns)
            same = all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
            best = np.full(2, np.inf)
            for _ in range(args.rounds):
                best = np.minimum(best, [run()[0] for run in turns])
            a, b = 1000 * best / args.steps
            print(f"{size + ' ' + name:16} {a:13.3f} {b:14.3f} {b / a:13.3f} {same!s:>10}", flush=True)


def turn(text: str, make: Callable[..., Any], steps: int) -> Callable[[], tuple[float, list[Any]]]:
    """A call that trains from the same start; returns its seconds and the weights."""
    import tensorflow as tf

    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import STEP_METRICS, Loop

    config = config_from_text(text)
    loop = Loop(build(config, (28, 28)), config, steps, SimpleNamespace(scale=1 / 255, binarization="none"))
    loop.optimizer = make(loop.variables)
    compiled = tf.function(loop.__call__, jit_compile=True, autograph=False)
    images = np.random.default_rng(0).integers(0, 256, (steps * BATCH, PIXELS), np.uint8)
    weights = [tf.identity(v.value) for v in loop.variables]
    nest = (weights, loop.optimizer.slots(weights), (), tf.zeros((steps, len(STEP_METRICS))))
    order = tf.reshape(tf.range(steps * BATCH), (steps, BATCH))
    arguments = nest, tf.constant(images), order, tf.constant([0, 1]), *map(tf.constant, (0, 0, steps))

    def run() -> tuple[float, list[Any]]:
        start = time.perf_counter()
        trained = [w.numpy() for w in compiled(*arguments)[0]]
        return time.perf_counter() - start, trained

    return run


if __name__ == "__main__":
    main()
