"""Encoder and decoder: fully connected now, with room for other networks behind the same two calls."""

from collections.abc import Sequence
from typing import Any

import keras

from vaecli.backend.layers import dense


class Network:
    """Layers one after another; called on tensors and on Keras' symbolic inputs alike."""

    def __init__(self, layers: Sequence[keras.layers.Layer], outputs: int) -> None:
        self.layers = list(layers)
        self.outputs = outputs

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


def encoder(num_pixels: int, hidden: Sequence[int], *, seed: int) -> Network:
    """Pixels [B, P] -> features [B, H], relu after each layer; without hidden layers the features are the pixels."""
    sizes = (num_pixels, *hidden)
    layers = [
        dense(sizes[i], sizes[i + 1], name=f"encoder_{i}", seed=seed, activation="relu") for i in range(len(hidden))
    ]
    return Network(layers, outputs=sizes[-1])


def decoder(latent_size: int, hidden: Sequence[int], num_pixels: int, *, seed: int) -> Network:
    """z [B, latent_size] -> [B, P]: the encoder's sizes in reverse, then one linear layer."""
    sizes = (latent_size, *reversed(hidden))
    layers = [
        dense(sizes[i], sizes[i + 1], name=f"decoder_{i}", seed=seed, activation="relu") for i in range(len(hidden))
    ]
    layers.append(dense(sizes[-1], num_pixels, name="decoder_pixels", seed=seed))
    return Network(layers, outputs=num_pixels)
