"""Encoder and decoder behind the same two calls, whatever lies in them.

encoder(images [B, H, W, C]) -> features [B, P, F], of P positions
decoder(z [B, P, L * D])     -> outputs [B, H, W, C]
"""

import importlib
from collections.abc import Sequence
from typing import Any

import keras

from vaecli.backend.layers import dense
from vaecli.config.schema import NetworkConfig
from vaecli.config.shapes import Layer, Shapes
from vaecli.registry import NETWORKS


class Network:
    """Layers one after another, on tensors and on Keras' symbolic inputs alike."""

    def __init__(self, layers: Sequence[keras.layers.Layer], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        """Takes what `inputs` says into the first layer, and gives what `outputs` says, both without the batch."""
        self.layers = list(layers)
        self.inputs, self.outputs = inputs, outputs

    def __call__(self, x: Any) -> Any:
        x = keras.ops.reshape(x, (-1, *self.inputs))
        for layer in self.layers:
            x = layer(x)
        return keras.ops.reshape(x, (-1, *self.outputs))


def build(network: NetworkConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """The encoder and the decoder of a config, with their first weights."""
    module, _, function = NETWORKS[network.kind].build.partition(":")
    made: tuple[Network, Network] = getattr(importlib.import_module(module), function)(network, shapes, seed=seed)
    return made


def mlp(network: NetworkConfig, shapes: Shapes, *, seed: int) -> tuple[Network, Network]:
    """Dense layers with relu after each but the decoder's last; without hidden layers the features are the pixels."""
    del network  # its sizes are in the shapes

    def layers(sizes: Sequence[Layer]) -> list[keras.layers.Layer]:
        return [
            dense(*size.inputs, *size.outputs, name=size.name, seed=seed, activation="relu" if size.activated else None)
            for size in sizes
        ]

    return (
        Network(layers(shapes.encoder), (shapes.pixels,), (shapes.latent.num_positions, shapes.features)),
        Network(layers(shapes.decoder), (shapes.latent.size,), shapes.image),
    )
