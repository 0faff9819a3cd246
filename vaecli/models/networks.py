"""Encoder and decoder behind the same two calls, whatever their layers.

encoder(images [B, H, W, C]) -> features [B, P, F], of P positions
decoder(z [B, P, L * D])     -> outputs [B, H, W, C]
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from vaecli.backend.convolutions import applied
from vaecli.backend.layers import convolution, dense
from vaecli.config.schema import ConvConfig, MlpConfig, NetworkConfig
from vaecli.config.shapes import KERNEL, Layer, Shapes
from vaecli.registry import NETWORKS, named


class Residual:
    """x + f(x), f a sequence of layers."""

    def __init__(self, layers: Iterable[keras.layers.Layer]) -> None:
        self.layers = list(layers)

    def __call__(self, x: Any) -> Any:
        y = x
        for layer in self.layers:
            y = layer(y)
        return keras.ops.add(x, y)


class Network:
    """A sequence of layers, for tensors and Keras' symbolic inputs alike."""

    def __init__(
        self, steps: Iterable[keras.layers.Layer | Residual], inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> None:
        """`inputs` is the shape that the first layer takes, `outputs` the resulting shape, both without the batch."""
        self.steps = list(steps)
        self.inputs, self.outputs = inputs, outputs

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """Every layer, in the order of computation."""
        return [layer for step in self.steps for layer in (step.layers if isinstance(step, Residual) else (step,))]

    def __call__(self, x: Any) -> Any:
        x = keras.ops.reshape(x, (-1, *self.inputs))
        for step in self.steps:
            x = applied(step, x)
        if keras.backend.standardize_dtype(x.dtype) != "float32":  # of layers computed in bfloat16
            x = keras.ops.cast(x, "float32")
        return keras.ops.reshape(x, (-1, *self.outputs))


def build(network: NetworkConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """The encoder and the decoder of a config, with their initial weights."""
    made: tuple[Network, Network] = named(NETWORKS[network.kind].build)(network, shapes, seed=seed)
    return made


def mlp(network: MlpConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """Dense layers, all but the decoder's last activated; without hidden layers the features are the pixels."""
    return (
        Network(
            _steps(shapes.encoder, network, seed), (shapes.pixels,), (shapes.latent.num_positions, shapes.features)
        ),
        Network(_steps(shapes.decoder, network, seed), (shapes.latent.size,), shapes.image),
    )


def conv(network: ConvConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """Strided convolutions and their mirror, with residual blocks where the image is smallest."""
    latent = shapes.latent
    read = (*latent.positions, latent.size // latent.num_positions) if network.grid else (latent.size,)
    return (
        Network(_steps(shapes.encoder, network, seed), shapes.image, (latent.num_positions, shapes.features)),
        Network(_steps(shapes.decoder, network, seed), read, shapes.image),
    )


def _steps(layers: Sequence[Layer], network: NetworkConfig, seed: int) -> Iterator[keras.layers.Layer | Residual]:
    """Each layer, and what follows it: its activation, or the cut of a transposed convolution to its size."""
    for before, layer in zip((None, *layers), layers, strict=False):
        leaky = layer.activated and network.activation == "leaky_relu"
        activation = network.activation if layer.activated and not leaky else None
        if layer.kind == "dense":
            (inputs,) = layer.inputs
            if before and len(before.outputs) > 1:
                yield keras.layers.Reshape(layer.inputs, name=f"{layer.name}_flat")
            yield dense(inputs, layer.units, name=layer.name, seed=seed, activation=activation)
            if len(layer.outputs) > 1:
                yield keras.layers.Reshape(layer.outputs, name=f"{layer.name}_grid")
        elif layer.kind == "residual":
            yield _residual(layer, network, seed)
            if activation:
                yield _activation(network, f"{layer.name}_activation")
        else:
            yield _convolution(layer, layer.name, seed, activation)
            if layer.kind == "transposed":
                over = [(0, layer.stride * i - o) for i, o in zip(layer.inputs, layer.outputs[:2], strict=False)]
                if any(map(any, over)):
                    yield keras.layers.Cropping2D(over, name=f"{layer.name}_cut")
        if leaky:
            yield _activation(network, f"{layer.name}_activation")


def _residual(layer: Layer, network: NetworkConfig, seed: int) -> Residual:
    """x + f(x), f of an activation, a convolution, an activation and a convolution (arXiv 1603.05027)."""
    found = []
    for half in ("in", "out"):
        name = f"{layer.name}_{half}"
        found += [_activation(network, f"{name}_activation"), _convolution(layer, name, seed, None)]
    return Residual(found)


def _convolution(layer: Layer, name: str, seed: int, activation: str | None) -> keras.layers.Layer:
    height, width, channels = layer.inputs
    return convolution(
        (height, width, channels),
        layer.outputs[-1],
        kernel=KERNEL,
        stride=layer.stride,
        transposed=layer.kind == "transposed",
        name=name,
        seed=seed,
        activation=activation,
    )


def _activation(network: NetworkConfig, name: str) -> keras.layers.Layer:
    if network.activation == "leaky_relu":
        return keras.layers.LeakyReLU(network.slope, name=name)
    return keras.layers.Activation(network.activation, name=name)
