"""The sizes of every layer of a config for an image shape, known without TensorFlow.

The networks are built from these, and memory, time and the latent are computed from them.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from vaecli.config.latent import Latent
from vaecli.config.schema import Config, ConvConfig, MlpConfig
from vaecli.errors import ConfigError
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
    kind: Literal["dense", "conv", "transposed", "residual"] = "dense"
    stride: int = 1

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


KERNEL = 3  # the side of a convolution's kernel


def conv(network: ConvConfig, image: tuple[int, int, int], codes: Codes) -> Shapes:
    """The shapes of strided convolutions of these channels, of residual blocks, and of their mirror; dense layers that
    follow in the encoder have none.

    Raises:
        ConfigError: an image that is halved until nothing is left to halve.
    """
    grids = [image[:2]]
    for _ in network.channels:
        if min(grids[-1]) < 2:
            sides = " × ".join(map(str, image[:2]))
            most = len(grids) - 1
            raise ConfigError([f"network.channels: images of {sides} pixels can be halved {most} times, not more"])
        grids.append((math.ceil(grids[-1][0] / 2), math.ceil(grids[-1][1] / 2)))
    cells, deep = grids[-1], network.channels[-1]
    latent = Latent.of(codes, cells if network.grid else (1, 1))
    read = latent.size // latent.num_positions
    flat = [deep * math.prod(cells), *network.dense]  # without a grid
    features = deep if network.grid else flat[-1]
    down = [(*grid, width) for grid, width in zip(grids, (image[2], *network.channels), strict=True)]
    up = [(*cells, deep if network.residual_blocks or not network.grid else read)]
    up += [(*grid, width) for grid, width in zip(grids[-2::-1], network.channels[::-1], strict=True)]
    first: tuple[Layer, ...] = ()  # of the decoder: from the codes to as many channels as the encoder's last
    if not network.grid:
        first = (dense("decoder_cells", latent.size, up[0], activated=True),)
    elif network.residual_blocks:
        first = (convolution("decoder_cells", (*cells, read), up[0]),)
    return Shapes(
        image,
        (
            *(convolution(f"encoder_{i}", *sizes, activated=True, stride=2) for i, sizes in enumerate(pairwise(down))),
            *_blocks("encoder", network, down[-1]),
            *(dense(f"encoder_dense_{i}", *sizes, activated=True) for i, sizes in enumerate(pairwise(flat))),
        ),
        features,
        latent,
        Layer(
            "head",
            (features,),
            (latent.num_positions, read),
            (features + 1) * read,
            latent.num_positions * features * read,
            activated=False,
        ),
        (
            *first,
            *_blocks("decoder", network, up[0]),
            *(
                convolution(f"decoder_{i}", *sizes, activated=True, kind="transposed", stride=2)
                for i, sizes in enumerate(pairwise(up))
            ),
            convolution("decoder_pixels", up[-1], image),
        ),
    )


def _blocks(side: str, network: ConvConfig, shape: tuple[int, int, int]) -> Iterator[Layer]:
    """Residual blocks of two convolutions each; after the last one stands an activation."""
    one = convolution("", shape, shape)
    for i in range(network.residual_blocks):
        last = i == network.residual_blocks - 1
        yield Layer(f"{side}_block_{i}", shape, shape, 2 * one.weights, 2 * one.products, last, "residual")


def convolution(
    name: str,
    inputs: tuple[int, int, int],
    outputs: tuple[int, int, int],
    *,
    activated: bool = False,
    kind: Literal["conv", "transposed"] = "conv",
    stride: int = 1,
) -> Layer:
    """A convolution of KERNEL x KERNEL with a bias, from [H, W, C] to [H', W', C']."""
    weights = KERNEL**2 * inputs[2] * outputs[2]
    smaller = min(math.prod(inputs[:2]), math.prod(outputs[:2]))
    return Layer(name, inputs, outputs, weights + outputs[2], weights * smaller, activated, kind, stride)


def dense(name: str, inputs: int, outputs: int | tuple[int, ...], *, activated: bool = False) -> Layer:
    """A fully connected layer with a bias."""
    shape = (outputs,) if isinstance(outputs, int) else outputs
    units = math.prod(shape)
    return Layer(name, (inputs,), shape, (inputs + 1) * units, inputs * units, activated)
