"""keras.io's convolutional variational autoencoder as a plain script: the mean losses of each epoch.

    python tests/benchmarks/rivals/keras_vae.py [--seed 1] [--epochs 3] [--threads 1]

The protocol of vaecli/papers/sources/keras_io_vae.yaml; its published log begins faster than this script and vaecli do.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import mnist_npz

PIXELS, LATENTS, BATCH = (28, 28, 1), 2, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    data = np.load(mnist_npz())
    images = np.concatenate([data["x_train"], data["x_test"]]).reshape(-1, *PIXELS).astype(np.float32) / 255
    encoder, decoder = networks()
    weights = [*encoder.trainable_variables, *decoder.trainable_variables]
    optimizer = keras.optimizers.Adam()
    optimizer.build(weights)

    @tf.function
    def step(batch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            mean, log_variance = encoder(batch)
            z = mean + tf.exp(log_variance / 2) * tf.random.normal(tf.shape(mean))
            distortion = tf.reduce_sum(keras.losses.binary_crossentropy(batch, decoder(z)), (1, 2))
            rate = tf.reduce_sum(tf.square(mean) + tf.exp(log_variance) - 1 - log_variance, 1) / 2
            losses = tf.stack([tf.reduce_mean(distortion), tf.reduce_mean(rate)])
            loss = tf.reduce_sum(losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return losses

    for epoch in range(args.epochs):
        order = np.random.permutation(len(images))
        found = [step(tf.constant(images[order[i : i + BATCH]])).numpy() for i in range(0, len(images), BATCH)]
        distortion, rate = np.mean(found, 0)
        print(f"seed {args.seed}, epoch {epoch + 1}: distortion {distortion:.2f}, rate {rate:.2f}", flush=True)


def networks() -> tuple[keras.Model, keras.Model]:
    """The encoder, images -> mean and log variance, and the decoder, z -> probabilities."""
    images, z = keras.Input(PIXELS), keras.Input((LATENTS,))
    h = layers.Conv2D(32, 3, activation="relu", strides=2, padding="same")(images)
    h = layers.Conv2D(64, 3, activation="relu", strides=2, padding="same")(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    encoder = keras.Model(images, [layers.Dense(LATENTS)(h), layers.Dense(LATENTS)(h)])
    h = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(z))
    h = layers.Conv2DTranspose(64, 3, activation="relu", strides=2, padding="same")(h)
    h = layers.Conv2DTranspose(32, 3, activation="relu", strides=2, padding="same")(h)
    return encoder, keras.Model(z, layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(h))


if __name__ == "__main__":
    main()
