"""The polynomial toy of Liu et al. 2023 (arXiv 2304.08612): every estimator beside the known optimum.

    python tests/benchmarks/polynomial.py [--steps 8000] [--powers 1.5 2 3] [--estimators reinmax rloo ...]

128 latents X_i in {0, 1} with logits of their own, begun at U(-0.01, 0.01), minimise E mean_i |X_i - 0.45|^q with Adam
1e-3 on batches of 64 draws. The optimum has all X = 0 and is 0.45^q. Printed is the expected loss at the end, in
closed form from the probabilities, at the default options of each estimator. `exact` would decode 2^128 codes and is
left out; its place is taken by the gradient of the closed form.
"""

import argparse
from typing import Any

import numpy as np

from vaecli.backend.process import prepare
from vaecli.config.options import OPTIONS
from vaecli.registry import METHODS

LATENTS, CLASSES, BATCH, TARGET, LEARNING_RATE = 128, 2, 64, 0.45, 1e-3
CLOSED_FORM = "exact (closed form)"
ESTIMATORS = [name for name, method in METHODS.items() if method.estimator and not method.enumerates]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--powers", nargs="+", type=float, default=[1.5, 2.0, 3.0])
    parser.add_argument("--estimators", nargs="+", default=ESTIMATORS, choices=ESTIMATORS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    prepare()
    print(f"{'':20}" + "".join(f"{f'q = {power:g}':>12}" for power in args.powers))
    print(f"{'optimum':20}" + "".join(f"{TARGET**power:12.4f}" for power in args.powers))
    for name in [CLOSED_FORM, *args.estimators]:
        ends = [minimised(name, power, args.steps, args.seed) for power in args.powers]
        print(f"{name:20}" + "".join(f"{end:12.4f}" for end in ends), flush=True)


def minimised(name: str, power: float, steps: int, seed: int) -> float:
    """The expected loss after a number of steps."""
    import tensorflow as tf

    from vaecli.backend.optimizers import adam
    from vaecli.backend.random import fold_in

    def loss_of(z: Any) -> Any:
        return tf.reduce_mean(tf.pow(tf.abs(z[..., 1] - TARGET), power), -1)

    def expected(logits: Any) -> Any:
        p = tf.nn.softmax(logits)
        return tf.reduce_mean(p[:, 0] * TARGET**power + p[:, 1] * (1 - TARGET) ** power)

    def surrogate(logits: Any, state: Any, noise: Any) -> tuple[Any, Any]:
        if name == CLOSED_FORM:
            return expected(logits), state
        estimator = METHODS[name].estimator.load()
        options = {key: OPTIONS[key].default for key in estimator.options}
        copies = tf.tile(logits[None], (BATCH, 1, 1))
        estimate = estimator(loss_of, copies, state=state, seed=noise, **options)
        return tf.reduce_mean(estimate.surrogate), estimate.state

    optimizer = adam(LEARNING_RATE)

    @tf.function(jit_compile=True, autograph=False)
    def descend(start: Any) -> Any:
        base = tf.constant([seed, 1], tf.int32)
        memory = () if name == CLOSED_FORM else METHODS[name].estimator.load().initial_state(LATENTS, CLASSES, base)

        def one_step(step: Any, logits: Any, slots: Any, state: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(logits)
                loss, state = surrogate(logits, state, fold_in(base, step))
            gradient = tape.gradient(loss, logits, unconnected_gradients="zero")
            (logits,), slots = optimizer.update([logits], [gradient], slots, step + 1)
            return step + 1, logits, slots, state

        first = (tf.constant(0), start, optimizer.slots([start]), memory)
        return expected(tf.while_loop(lambda step, *_: step < steps, one_step, first)[1])

    start = np.random.default_rng(seed).uniform(-0.01, 0.01, (LATENTS, CLASSES)).astype(np.float32)
    return float(descend(tf.constant(start)))


if __name__ == "__main__":
    main()
