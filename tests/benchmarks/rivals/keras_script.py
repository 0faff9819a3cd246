"""A whole plain-Keras training script: what one writes by hand instead of one training command.

Trains one of the article's methods at its size with a validation pass and a weights file each epoch, then draws the
loss curve and ten reconstructions and saves the model. Its time is the age of the process: imports count (Linux only).
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import matplotlib

import keras_fit  # sets the backend before Keras is imported
from keras_bottlenecks import Categorical, Gaussian, VectorQuantizer

matplotlib.use("Agg")

import keras
import matplotlib.pyplot as plt
import numpy as np

from sizes import SIZES

# method -> (width of the layer before it, the bottleneck)
BOTTLENECKS = {
    "vae": (20, Gaussian),
    "categorical": (10, Categorical),
    "gumbel": (10, lambda: keras_fit.GumbelSoftmax(1, 10)),
    "straight_through": (10, lambda: Categorical(straight_through=True)),
    "vqvae": (10, VectorQuantizer),
}


def process_age() -> float:
    """Seconds since the process started, from the start time that the kernel keeps in clock ticks."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def draw_losses(history: dict[str, list[float]], path: Path) -> None:
    figure, axes = plt.subplots()
    axes.plot(history["loss"], label="training")
    axes.plot(history["val_loss"], label="validation")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean squared error")
    axes.legend()
    figure.savefig(path)
    plt.close(figure)


def draw_reconstructions(images: np.ndarray, reconstructions: np.ndarray, path: Path) -> None:
    figure, rows = plt.subplots(2, len(images), figsize=(len(images), 2))
    for row, pictures in zip(rows, (images, reconstructions), strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            axes.imshow(picture.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
            axes.axis("off")
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=BOTTLENECKS, default="gumbel")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", required=True, help="the MNIST archive (mnist.npz)")
    parser.add_argument("--output", type=Path, required=True, help="directory for what the run writes")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    size = SIZES["article"]
    with np.load(args.data) as data:
        training = keras_fit.to_float(data["x_train"])
        test = keras_fit.to_float(data["x_test"])
    training = training[: len(training) // size.batch * size.batch]

    model = keras_fit.build_model(size, *BOTTLENECKS[args.method])
    history = model.fit(
        training,
        training,
        batch_size=size.batch,
        epochs=args.epochs,
        validation_data=(test, test),
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(str(args.output / "epoch-{epoch:03d}.weights.h5"), save_weights_only=True)
        ],
    ).history
    draw_losses(history, args.output / "loss.png")
    draw_reconstructions(test[:10], model.predict(test[:10], verbose=0), args.output / "reconstructions.png")
    model.save(args.output / "model.keras")

    result = {
        "name": "plain Keras script",
        "seconds": process_age(),
        "loss": history["loss"][-1],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
