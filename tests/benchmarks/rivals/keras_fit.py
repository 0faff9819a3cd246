"""Plain Keras 3 `model.fit` on TensorFlow, the way an ordinary good user trains this model."""

import os
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from sizes import LEARNING_RATE, PIXELS, SIZES, Size, parse_arguments, print_result


@keras.saving.register_keras_serializable("rivals")
class GumbelSoftmax(keras.layers.Layer):
    """A relaxed sample of every latent at temperature 1, flattened."""

    def __init__(self, latents: int, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.latents = latents
        self.classes = classes
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, logits):
        logits = keras.ops.reshape(logits, (-1, self.latents, self.classes))
        uniform = keras.random.uniform(keras.ops.shape(logits), minval=keras.config.epsilon(), seed=self.seed_generator)
        gumbel = -keras.ops.log(-keras.ops.log(uniform))
        sample = keras.ops.softmax(logits + gumbel)
        return keras.ops.reshape(sample, (-1, self.latents * self.classes))


class EpochTimer(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def build_model(
    size: Size, features: int | None = None, bottleneck: Callable[[], keras.layers.Layer] | None = None
) -> keras.Model:
    """The compiled autoencoder; Keras' defaults are glorot uniform kernels and zero biases.

    Its bottleneck is Gumbel-softmax, unless another one is given with the number of features it reads.
    """
    inputs = x = keras.Input((PIXELS,))
    for width in size.hidden:
        x = keras.layers.Dense(width, activation="relu")(x)
    x = keras.layers.Dense(features or size.latents * size.classes)(x)
    x = bottleneck()(x) if bottleneck else GumbelSoftmax(size.latents, size.classes)(x)
    for width in reversed(size.hidden):
        x = keras.layers.Dense(width, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(PIXELS)(x))
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mse")
    return model


def to_float(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, PIXELS).astype("float32") / 255.0


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    keras.utils.set_random_seed(0)
    size = SIZES[args.size]
    images = to_float(np.load(args.data)["x_train"])
    steps = len(images) // size.batch
    images = images[: steps * size.batch]

    timer = EpochTimer()
    history = build_model(size).fit(
        images,
        images,
        batch_size=size.batch,
        epochs=args.epochs,
        shuffle=True,
        verbose=0,
        callbacks=[timer],
    )
    print_result("Keras model.fit", timer.seconds, history.history["loss"][-1], steps, size.batch)


if __name__ == "__main__":
    main()
