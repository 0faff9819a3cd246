"""Encoder and decoder behind the same two calls, whatever their layers.

encoder(images [B, H, W, C]) -> features [B, P, F], of P positions
decoder(z [B, P, L * D])     -> outputs [B, H, W, C]
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from vaecli.backend.layers import dense
from vaecli.config.schema import MlpConfig, NetworkConfig
from vaecli.config.shapes import Layer, Shapes
from vaecli.registry import NETWORKS, named


class Network:
    """A sequence of layers, for tensors and Keras' symbolic inputs alike."""

    def __init__(self, layers: Iterable[keras.layers.Layer], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        """`inputs` is the shape that the first layer takes, `outputs` the resulting shape, both without the batch."""
        self.layers = list(layers)
        self.inputs, self.outputs = inputs, outputs

    def __call__(self, x: Any) -> Any:
        x = keras.ops.reshape(x, (-1, *self.inputs))
        for layer in self.layers:
            x = layer(x)
        return keras.ops.reshape(x, (-1, *self.outputs))


def build(network: NetworkConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """The encoder and the decoder of a config, with their initial weights."""
    made: tuple[Network, Network] = named(NETWORKS[network.kind].build)(network, shapes, seed=seed)
    return made


def mlp(network: MlpConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """Dense layers, all but the decoder's last activated; without hidden layers the features are the pixels."""

    def layers(sizes: Sequence[Layer]) -> Iterator[keras.layers.Layer]:
        for size in sizes:
            leaky = size.activated and network.activation == "leaky_relu"
            activation = network.activation if size.activated and not leaky else None
            yield dense(*size.inputs, *size.outputs, name=size.name, seed=seed, activation=activation)
            if leaky:
                yield keras.layers.LeakyReLU(network.slope, name=f"{size.name}_activation")

    return (
        Network(layers(shapes.encoder), (shapes.pixels,), (shapes.latent.num_positions, shapes.features)),
        Network(layers(shapes.decoder), (shapes.latent.size,), shapes.image),
    )
