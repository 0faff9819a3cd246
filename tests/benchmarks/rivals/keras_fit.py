"""Plain Keras 3 `model.fit` on TensorFlow, the way an ordinary good user trains this model.

Its modes are xla and graph, what Keras' `jit_compile` means; without one it is Keras' own choice.
"""

import os
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from sizes import GRID, LEARNING_RATE, PIXELS, SIDE, SIZES, Size, batch_size, parse_arguments, print_result, read_images

JIT: dict[str | None, str | bool] = {None: "auto", "xla": True, "graph": False}


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


class Quantizer(keras.layers.Layer):
    """The nearest code of each vector, straight-through, with the losses of codebook and commitment."""

    def build(self, shape):
        self.codebook = self.add_weight(
            shape=(GRID.codes, shape[-1]), initializer=keras.initializers.RandomNormal(0.0, 0.05)
        )

    def call(self, e):
        ops = keras.ops
        distances = ops.sum(self.codebook**2, -1) - 2 * ops.matmul(e, ops.transpose(self.codebook))
        q = ops.take(self.codebook, ops.argmin(distances, -1), axis=0)
        codebook, commitment = (
            ops.mean((one - two) ** 2) for one, two in ((q, ops.stop_gradient(e)), (e, ops.stop_gradient(q)))
        )
        self.add_loss(codebook + GRID.commitment * commitment)
        return e + ops.stop_gradient(q - e)


class EpochTimer(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def build_model(
    size: Size,
    features: int | None = None,
    bottleneck: Callable[[], keras.layers.Layer] | None = None,
    jit_compile: str | bool = "auto",
) -> keras.Model:
    """The compiled autoencoder; Keras' defaults are glorot uniform kernels and zero biases.

    Its bottleneck is Gumbel-softmax, unless another one is given with the number of features it reads. What it gives,
    and what is drawn, is float32 in bfloat16 too.
    """
    inputs = x = keras.Input((PIXELS,))
    for width in size.hidden:
        x = keras.layers.Dense(width, activation="relu")(x)
    x = keras.layers.Dense(features or size.latents * size.classes)(x)
    x = bottleneck()(x) if bottleneck else GumbelSoftmax(size.latents, size.classes, dtype="float32")(x)
    for width in reversed(size.hidden):
        x = keras.layers.Dense(width, activation="relu")(x)
    outputs = keras.layers.Activation("linear", dtype="float32")(keras.layers.Dense(PIXELS)(x))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mse", jit_compile=jit_compile)
    return model


def build_grid(jit_compile: str | bool) -> keras.Model:
    """The compiled vqvae of a grid."""

    def conv(channels, **options):
        return keras.layers.Conv2D(channels, 3, padding="same", **options)

    def transposed(channels):
        return keras.layers.Conv2DTranspose(channels, 3, 2, padding="same", activation="relu")

    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            *(conv(channels, strides=2, activation="relu") for channels in GRID.channels),
            keras.layers.Conv2D(GRID.width, 1),
            Quantizer(dtype="float32"),
            *(transposed(channels) for channels in reversed(GRID.channels)),
            conv(1),
            keras.layers.Activation("linear", dtype="float32"),
        ]
    )
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse", metrics=["mse"], jit_compile=jit_compile)
    return model


def to_float(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, PIXELS).astype("float32") / 255.0


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    keras.utils.set_random_seed(0)
    if args.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    images, batch = to_float(read_images(args)), batch_size(args.size)
    steps = len(images) // batch
    images = images[: steps * batch]
    if args.size == "conv":
        images = images.reshape(-1, SIDE, SIDE, 1)
        model, reported = build_grid(JIT[args.mode]), "mse"
    else:
        model, reported = build_model(SIZES[args.size], jit_compile=JIT[args.mode]), "loss"

    timer = EpochTimer()
    history = model.fit(
        images,
        images,
        batch_size=batch,
        epochs=args.epochs,
        shuffle=True,
        verbose=0,
        callbacks=[timer],
    )
    print_result(timer.seconds, history.history[reported][-1], steps, batch)


if __name__ == "__main__":
    main()
