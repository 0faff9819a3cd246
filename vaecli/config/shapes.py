"""The sizes of every layer of a config for an image shape, known without TensorFlow.

The networks are built from these, and memory, time and the latent are computed from them.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from vaecli.config.latent import Latent
from vaecli.config.schema import Config, MlpConfig
from vaecli.registry import NETWORKS, Codes, named

ImageShape = Sequence[int]  # H, W, C


class Layer(NamedTuple):
    """One layer: its name, input and output shapes, parameters and cost."""

    name: str
    inputs: tuple[int, ...]  # of one image
    outputs: tuple[int, ...]
    weights: int
    products: int  # multiplications for one image
    activated: bool

    @property
    def units(self) -> int:
        """The number of outputs for one image."""
        return math.prod(self.outputs)


class Shapes(NamedTuple):
    """A network around a bottleneck, in the order of computation."""

    image: tuple[int, int, int]
    encoder: tuple[Layer, ...]
    features: int  # F, at each position of the latent
    latent: Latent
    head: Layer  # the bottleneck's, shared by all positions
    decoder: tuple[Layer, ...]

    @property
    def pixels(self) -> int:
        """The numbers of one image, over rows, columns and channels."""
        return math.prod(self.image)

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (*self.encoder, self.head, *self.decoder)

    @property
    def weights(self) -> int:
        """The approximate number of parameters: those of a bottleneck beside its head are not counted."""
        return sum(layer.weights for layer in self.layers)

    @property
    def units(self) -> int:
        """The number of values computed for one image, the image included."""
        return self.pixels + sum(layer.units for layer in self.layers)

    @property
    def products(self) -> int:
        """The number of multiplications for one image, which the time of a step grows with."""
        return sum(layer.products for layer in self.layers)


def shapes(config: Config, image_shape: ImageShape) -> Shapes:
    """The sizes of all layers of a config for images [H, W, C]; [H, W] means one channel."""
    height, width, channels = (*image_shape, 1)[:3]
    sizes = named(NETWORKS[config.network.kind].shapes)
    found: Shapes = sizes(config.network, (height, width, channels), config.model.codes)
    return found


def latent_of(config: Config, image_shape: ImageShape) -> Latent:
    """The latent of a config for images [H, W, C]."""
    return shapes(config, image_shape).latent


def mlp(network: MlpConfig, image: tuple[int, int, int], codes: Codes) -> Shapes:
    """The shapes of dense layers of the sizes `hidden`, and of their mirror; one position."""
    latent = Latent.of(codes)
    pixels = math.prod(image)
    encoder = [pixels, *network.hidden]
    decoder = [latent.size, *reversed(network.hidden)]
    return Shapes(
        image,
        tuple(dense(f"encoder_{i}", *sizes, activated=True) for i, sizes in enumerate(pairwise(encoder))),
        encoder[-1],
        latent,
        dense("head", encoder[-1], latent.size),
        (
            *(dense(f"decoder_{i}", *sizes, activated=True) for i, sizes in enumerate(pairwise(decoder))),
            dense("decoder_pixels", decoder[-1], pixels),
        ),
    )


def dense(name: str, inputs: int, outputs: int, *, activated: bool = False) -> Layer:
    """A fully connected layer with a bias."""
    return Layer(name, (inputs,), (outputs,), (inputs + 1) * outputs, inputs * outputs, activated)
