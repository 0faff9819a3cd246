"""What the rivals share, to do the same work: the networks, the command line and the result line."""

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SIDE, PIXELS = 28, 784
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Size:
    """A dense autoencoder with a latent of `latents` variables of `classes` classes, and its batch size."""

    hidden: tuple[int, ...]
    latents: int
    classes: int
    batch: int

    @property
    def encoder(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each dense layer up to the logits."""
        widths = (PIXELS, *self.hidden, self.latents * self.classes)
        return list(pairwise(widths))

    @property
    def decoder(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each dense layer from the sample to the pixels: the encoder mirrored."""
        return [(outputs, inputs) for inputs, outputs in reversed(self.encoder)]


@dataclass(frozen=True)
class Grid:
    """A convolutional vqvae with one of `codes` codes [width] in each cell of a 7x7 grid, and its batch size."""

    channels: tuple[int, int]
    codes: int
    width: int
    commitment: float
    batch: int


SIZES = {
    "article": Size(hidden=(128,), latents=1, classes=10, batch=64),
    "large": Size(hidden=(512, 256), latents=20, classes=10, batch=100),
}
GRID = Grid(channels=(32, 64), codes=128, width=16, commitment=0.25, batch=128)
NETWORKS = (*SIZES, "conv")


def parse_arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=NETWORKS, default="article", help="conv is the grid, the others are dense")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, help="of an epoch; default: as many as there are whole batches")
    parser.add_argument("--data", required=True, help="the MNIST archive (mnist.npz)")
    parser.add_argument("--threads", type=int, help="default: what the framework chooses")
    parser.add_argument("--bfloat16", action="store_true", help="products in bfloat16, weights in float32")
    parser.add_argument("--mode", help="one of the program's own")
    return parser.parse_args()


def batch_size(size: str) -> int:
    """Images in a step."""
    return GRID.batch if size == "conv" else SIZES[size].batch


def read_images(args: argparse.Namespace) -> np.ndarray:
    """The training images [N, 784] of 0..255: all, or those of an epoch of --steps."""
    with np.load(args.data) as data:
        images = data["x_train"].reshape(-1, PIXELS)
    return images[: args.steps * batch_size(args.size)] if args.steps else images


def print_result(epoch_seconds: list[float], loss: float | None, steps: int, batch: int) -> None:
    """The one line on stdout that the benchmark reads; `loss` is the mean of the last epoch, of `conv` its error."""
    print(json.dumps({"epoch_seconds": epoch_seconds, "loss": loss, "steps": steps, "batch_size": batch}))
