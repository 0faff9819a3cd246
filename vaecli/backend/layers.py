"""Dense layers whose first weights depend on the run's seed and the layer's name alone."""

import hashlib

import keras

from vaecli.errors import VaecliError


def check_backend() -> None:
    """Raises VaecliError unless Keras computes in float32 on TensorFlow."""
    if keras.backend.backend() != "tensorflow" or keras.config.floatx() != "float32":
        raise VaecliError(
            f"Keras is set to {keras.backend.backend()} and {keras.config.floatx()}; vaecli needs tensorflow and "
            "float32: see KERAS_BACKEND, and floatx in keras.json"
        )


def layer_seed(seed: int, name: str) -> int:
    """31 bits for one layer; equal layers of different methods start equal, so that seeds pair."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big") >> 1


def dense(inputs: int, units: int, *, name: str, seed: int, activation: str | None = None) -> keras.layers.Dense:
    """A built Dense layer: Glorot-uniform kernel, zero bias."""
    initializer = keras.initializers.GlorotUniform(layer_seed(seed, name))
    layer = keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)
    layer.build((None, inputs))
    return layer
