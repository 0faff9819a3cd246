"""What the rivals share, to do the same work: the two sizes, the command line and the result line."""

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise

PIXELS = 784
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Size:
    """An autoencoder with a latent of `latents` variables of `classes` classes, and its batch size."""

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


SIZES = {
    "article": Size(hidden=(128,), latents=1, classes=10, batch=64),
    "large": Size(hidden=(512, 256), latents=20, classes=10, batch=100),
}


def parse_arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=SIZES, default="article")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--data", required=True, help="the MNIST archive (mnist.npz)")
    parser.add_argument("--threads", type=int, help="default: what the framework chooses")
    return parser.parse_args()


def print_result(name: str, epoch_seconds: list[float], loss: float | None, steps: int, batch: int) -> None:
    """The one line on stdout that the benchmark reads; `loss` is the mean of the last epoch."""
    result = {
        "name": name,
        "epoch_seconds": epoch_seconds,
        "loss": loss,
        "steps": steps,
        "batch_size": batch,
    }
    print(json.dumps(result))
