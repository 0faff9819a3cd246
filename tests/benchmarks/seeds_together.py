"""Would several seeds of one setting train faster in one program than in one process each?

    python tests/benchmarks/seeds_together.py [--seeds 10] [--method gumbel] [--hidden 128] [--rounds 3] [--seconds 4]

MNIST, the article's protocol. Measured by turns, each for --seconds after what compiles:

    two processes    of one thread each, a seed in each: what `vaecli compare` does on two cores
    side by side     one process of all threads, one program whose step is a step of every seed, one after another
    stacked          the same, with the weights of all seeds in one array each: every product is one of all seeds

The figure is the number of steps of one seed that are done in a second, all seeds taken together; a seed trained in
company has other bits than one trained alone, since its sums are of other programs.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from measure import mnist_npz
from vaecli.backend.process import prepare

AT_ONCE = 20  # steps of each seed in one call
ALONE = "two processes"


def loops(method: str, hidden: list[int], seeds: int) -> tuple[Any, list[Any], Any]:
    """The loop of a step, the state of each seed before it, and all images."""
    import tensorflow as tf

    from vaecli.config import config_from_tree
    from vaecli.data import Dataset, Split
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Loop, Trainer

    images = np.load(mnist_npz())["x_train"]
    data = Dataset("mnist", Split(images[..., None]), Split(images[:64, ..., None]), 1 / 255, "measured")
    nests = []
    for seed in range(seeds):
        tree = {"model": method, "network": {"hidden": hidden}, "training": {"epochs": 100, "seed": seed}}
        config = config_from_tree(tree, "measured", [])
        autoencoder = build(config, data.image_shape, data)
        state = Trainer(autoencoder, data, config).initial_state()
        nests.append((state.weights, state.slots, state.estimator, state.log))
    return Loop(autoencoder, config, len(state.log), data), nests, tf.constant(images.reshape(len(images), -1))


def together(method: str, hidden: list[int], seeds: int, *, stacked: bool) -> Callable[[], int]:
    """A function that takes some steps of each seed, and returns how many that are in all."""
    import tensorflow as tf

    loop, nests, images = loops(method, hidden, seeds)
    rng, batch = np.random.default_rng(0), 64
    order = tf.constant(np.stack([rng.permutation(len(images))[: AT_ONCE * batch] for _ in nests]).astype(np.int32))
    order = tf.reshape(order, (seeds, AT_ONCE, batch))
    own = tf.constant([[seed, 1] for seed in range(seeds)])
    zero, one = tf.constant(0), tf.constant(1)

    def steps_of(nest: Any, order: tf.Tensor, seed: tf.Tensor, step: tf.Tensor) -> Any:
        return loop(nest, images, order[step : step + 1], seed, step, zero, one)

    def every(nests: Any) -> Any:
        def of_all(step: tf.Tensor, nests: Any) -> Any:
            if stacked:
                return step + 1, tf.vectorized_map(lambda x: steps_of(*x, step), (nests, order, own))
            return step + 1, [steps_of(nest, order[s], own[s], step) for s, nest in enumerate(nests)]

        return tf.while_loop(lambda step, _: step < AT_ONCE, of_all, (zero, nests))[1]

    program = tf.function(every, jit_compile=True, autograph=False)
    kept = tf.nest.map_structure(lambda *parts: tf.stack(parts), *nests) if stacked else nests

    def go() -> int:
        nonlocal kept
        kept = program(kept)
        tf.nest.flatten(kept)[0].numpy()
        return AT_ONCE * seeds

    return go


def pace(go: Callable[[], int], seconds: float) -> float:
    """Steps a second."""
    start, steps = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        steps += go()
    return steps / (time.perf_counter() - start)


def alone(arguments: list[str]) -> float:
    """The steps a second of two processes of one thread, begun together once both have compiled."""
    command = [sys.executable, __file__, "--alone", *arguments]
    pair = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in pair:
        assert process.stdout is not None
        process.stdout.readline()
    for process in pair:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in pair)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--method", default="gumbel")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    prepare(1 if args.alone else None)
    if args.alone:
        go = together(args.method, args.hidden, 1, stacked=False)
        go()
        print("ready", flush=True)
        sys.stdin.readline()
        print(pace(go, args.seconds))
        return
    ways = {
        "side by side": together(args.method, args.hidden, args.seeds, stacked=False),
        "stacked": together(args.method, args.hidden, args.seeds, stacked=True),
    }
    for go in ways.values():
        go()
    found: dict[str, list[float]] = {ALONE: [], **{way: [] for way in ways}}
    for _ in range(args.rounds):
        found[ALONE].append(alone(sys.argv[1:]))
        for way, go in ways.items():
            found[way].append(pace(go, args.seconds))
    print(f"{len(os.sched_getaffinity(0))} cores, {args.seeds} seeds of {args.method}, medians of {args.rounds} rounds")
    for way, paces in found.items():
        print(f"{way:14} {median(paces):8.0f} steps a second  ({median(paces) / median(found[ALONE]):.2f})")


if __name__ == "__main__":
    main()
