"""A training step of a convolutional vqvae: vaecli's as a graph and by XLA, and Keras `fit` as it chooses and by XLA.

    python tests/benchmarks/convolutions.py [--rounds 3] [--epochs 2] [--images 12800]

MNIST, a grid of 7x7 cells, 128 codes of 16, channels 32 and 64, batch 128, Adam 1e-3, commitment 0.25. Each program is
a process of its own; they take turns, and each is judged by its fastest epoch after the first, which compiles. All do
the same work in the same order of magnitude of loss, which is printed.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

from measure import measure, mnist_npz

BATCH, CODES, WIDTH = 128, 128, 16
PROGRAMS = ("vaecli graph", "vaecli xla", "keras fit", "keras fit xla")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="measured ones, after one that compiles")
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.program:
        name, *options = args.program.split()
        run = ours if name == "vaecli" else keras_fit
        print(json.dumps(run(options[-1], args.images, args.epochs + 1)))
        return
    best: dict[str, float] = {}
    losses: dict[str, float] = {}
    for turn in range(args.rounds):
        for program in PROGRAMS:
            command = [sys.executable, __file__, "--program", program]
            command += ["--images", str(args.images), "--epochs", str(args.epochs)]
            seconds, losses[program] = json.loads(measure(command).stdout.splitlines()[-1])
            per_step = min(seconds[1:]) / (args.images // BATCH)
            best[program] = min(best.get(program, per_step), per_step)
            print(f"round {turn + 1}: {program} {1000 * per_step:.1f} ms a step", file=sys.stderr)
    print(f"{len(os.sched_getaffinity(0))} cores, {args.images:,} images an epoch, {args.epochs + 1} epochs")
    for program, seconds in best.items():
        factor = seconds / best["vaecli graph"]
        print(f"{program:16} {1000 * seconds:7.1f} ms a step  {factor:5.2f}x  mse {losses[program]:.4f}")


def ours(compiler: str, images: int, epochs: int) -> tuple[list[float], float]:
    """Seconds of each epoch, and the mean distortion over the last."""
    from vaecli.backend.process import prepare

    prepare()
    from vaecli.config import config_from_text
    from vaecli.data import Dataset, Split
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config = config_from_text(
        f"model: {{name: vqvae, num_codes: {CODES}, code_dim: {WIDTH}, commitment: 0.25}}\n"
        "network: {kind: conv, channels: [32, 64]}\n"
        f"training: {{epochs: {epochs}, batch_size: {BATCH}, compile: {compiler}}}"
    )
    split = Split(_images(images)[..., None])
    data = Dataset("mnist", split, split, 1 / 255, "measured")
    trainer = Trainer(build(config, data.image_shape), data, config)
    rows = [chunk for chunk in trainer.chunks(trainer.initial_state()) if chunk.metrics]
    assert rows[-1].metrics is not None
    return [chunk.row_seconds for chunk in rows], rows[-1].metrics["distortion"]


def keras_fit(compiler: str, images: int, epochs: int) -> tuple[list[float], float]:
    """The same by an ordinary good user; `jit_compile` is Keras' own choice unless it is xla."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    class Quantizer(keras.layers.Layer):
        def build(self, shape):
            self.codebook = self.add_weight(
                shape=(CODES, shape[-1]), initializer=keras.initializers.RandomNormal(0.0, 0.05)
            )

        def call(self, e):
            ops = keras.ops
            distances = ops.sum(self.codebook**2, -1) - 2 * ops.matmul(e, ops.transpose(self.codebook))
            q = ops.take(self.codebook, ops.argmin(distances, -1), axis=0)
            codebook, commitment = (
                ops.mean((one - two) ** 2) for one, two in ((q, ops.stop_gradient(e)), (e, ops.stop_gradient(q)))
            )
            self.add_loss(codebook + 0.25 * commitment)
            return e + ops.stop_gradient(q - e)

    def conv(channels, **options):
        return keras.layers.Conv2D(channels, 3, padding="same", **options)

    def transposed(channels):
        return keras.layers.Conv2DTranspose(channels, 3, 2, padding="same", activation="relu")

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            conv(32, strides=2, activation="relu"),
            conv(64, strides=2, activation="relu"),
            keras.layers.Conv2D(WIDTH, 1),
            Quantizer(),
            transposed(64),
            transposed(32),
            conv(1),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3), "mse", metrics=["mse"], jit_compile=True if compiler == "xla" else "auto"
    )
    x = _images(images)[..., None].astype(np.float32) / 255
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        history = model.fit(x, x, batch_size=BATCH, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds, history.history["mse"][-1]


def _images(count: int) -> np.ndarray:
    return np.load(mnist_npz())["x_train"][:count]


if __name__ == "__main__":
    main()
