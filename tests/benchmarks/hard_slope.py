"""Does the straight-through gradient of a quantiser point where its hard loss falls?

    python tests/benchmarks/hard_slope.py RUN ... [--weights last epoch-00001] [--crossing 0.002 0.01 0.05]

The hard loss of one image is a step function of the encoder: its derivative is 0 wherever it has one. Its mean over
images is not, since a small move of the encoder takes some images across a border between codes. So the loss of all
training images is measured at two points, forward and backward along the straight-through gradient of the encoder and
its head, at steps that change the codes of so many images (--crossing, shares), and its slope is held against the one
that the gradient predicts, its length. The ratio is 1 for a gradient that is right in its own direction, 0 for one that
knows nothing, and below 0 where the loss rises; after it stands its 95 % interval over images.
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf

from vaecli.backend.process import prepare
from vaecli.experiment.apply import Applied
from vaecli.runs import find_run

BATCH = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--weights", nargs="+", default=["last"])
    parser.add_argument("--crossing", nargs="+", type=float, default=[0.002, 0.01, 0.05])
    args = parser.parse_args()
    prepare()
    print(f"{'run':24} {'weights':12} {'crossing':>9} {'predicted':>11} {'measured':>11} {'ratio':>16}")
    for name in args.runs:
        for weights in args.weights:
            measure(name, weights, args.crossing)


def measure(name: str, weights: str, shares: list[float]) -> None:
    used = Applied(find_run(name, Path("outputs")), weights)
    model = used.trained.autoencoder
    images, _ = used.images("train", None, lambda *_: None)
    images = images.reshape(-1, *model.image_shape).astype(np.float32)
    variables = [v for layer in (*model.encoder.layers, model.bottleneck.head) for v in layer.trainable_variables]
    start = [v.numpy() for v in variables]
    gradient = straight_through(model, images, variables)
    length = np.sqrt(sum(float((g**2).sum()) for g in gradient))

    def at(step: float) -> tuple[np.ndarray, np.ndarray]:
        for v, x, g in zip(variables, start, gradient, strict=True):
            v.assign(x + step * g / length)
        losses, codes = zip(*(hard(model, images[i : i + BATCH]) for i in range(0, len(images), BATCH)), strict=True)
        return np.concatenate(losses), np.concatenate(codes)

    _, here = at(0.0)
    for share in shares:
        step = 1e-4
        while np.mean((at(step)[1] != here).any(-1)) < share and step < 10:
            step *= 1.5
        (ahead, codes), (behind, _) = at(step), at(-step)
        slopes = (ahead - behind) / (2 * step)
        mean, error = slopes.mean(), 1.96 * slopes.std() / np.sqrt(len(slopes))
        crossing = np.mean((codes != here).any(-1))
        print(
            f"{name:24} {weights:12} {crossing:9.3%} {length:11.3g} {mean:11.3g} "
            f"{mean / length:8.2f} ± {error / length:.2f}",
            flush=True,
        )


def straight_through(model, images, variables):
    """The mean gradient of the distortion in the encoder, handed straight through the quantisation."""
    total = [np.zeros(v.shape, np.float64) for v in variables]
    for i in range(0, len(images), BATCH):
        part = tf.constant(images[i : i + BATCH])
        with tf.GradientTape() as tape:
            e = model.bottleneck.embed(model.encoder(part))
            z = e + tf.stop_gradient(model.bottleneck.lookup(model.bottleneck.nearest(e)) - e)
            loss = tf.reduce_sum(model.distortion(model._flat(part), z))
        found = tape.gradient(loss, [v.value for v in variables])
        total = [t + g.numpy() for t, g in zip(total, found, strict=True)]
    return [t / len(images) for t in total]


def hard(model, images):
    """The distortion of each image by its code, and the codes."""
    latents = model.bottleneck.encode(model.encoder(tf.constant(images)))
    return model.distortion(model._flat(images), latents.z).numpy().astype(np.float64), latents.codes.numpy()


if __name__ == "__main__":
    main()
