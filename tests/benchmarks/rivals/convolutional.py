"""One convolutional vqvae in Keras, PyTorch and JAX, each as a good user writes it, for benchmarks/convolutions.py.

Each function trains on images [N, 28, 28] of 0..255 and returns the seconds of each epoch and the mean squared error
over the last.
"""

import os
import time
from functools import partial

import numpy as np

BATCH, CODES, WIDTH = 128, 128, 16
CHANNELS = (32, 64)
LEARNING_RATE, COMMITMENT = 1e-3, 0.25
Measured = tuple[list[float], float]


def keras_fit(jit_compile: bool | str, images: np.ndarray, epochs: int) -> Measured:
    """Keras `fit`; "auto" is Keras' own choice."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    class Quantizer(keras.layers.Layer):
        def build(self, shape):
            self.codebook = self.add_weight(
                shape=(CODES, shape[-1]), initializer=keras.initializers.RandomNormal(0.0, 0.05)
            )

        def call(self, e):
            ops = keras.ops
            distances = ops.sum(self.codebook**2, -1) - 2 * ops.matmul(e, ops.transpose(self.codebook))
            q = ops.take(self.codebook, ops.argmin(distances, -1), axis=0)
            codebook, commitment = (
                ops.mean((one - two) ** 2) for one, two in ((q, ops.stop_gradient(e)), (e, ops.stop_gradient(q)))
            )
            self.add_loss(codebook + COMMITMENT * commitment)
            return e + ops.stop_gradient(q - e)

    def conv(channels, **options):
        return keras.layers.Conv2D(channels, 3, padding="same", **options)

    def transposed(channels):
        return keras.layers.Conv2DTranspose(channels, 3, 2, padding="same", activation="relu")

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(conv(channels, strides=2, activation="relu") for channels in CHANNELS),
            keras.layers.Conv2D(WIDTH, 1),
            Quantizer(),
            *(transposed(channels) for channels in reversed(CHANNELS)),
            conv(1),
        ]
    )
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse", metrics=["mse"], jit_compile=jit_compile)
    x = images[..., None].astype(np.float32) / 255
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        history = model.fit(x, x, batch_size=BATCH, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds, history.history["mse"][-1]


def torch_loop(memory_format: str, images: np.ndarray, epochs: int) -> Measured:
    """A lean PyTorch loop that does not wait for the loss at each step."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.manual_seed(0)
    layout = getattr(torch, memory_format)
    first, second = CHANNELS
    encoder = nn.Sequential(
        *(nn.Conv2d(1, first, 3, 2, 1), nn.ReLU(), nn.Conv2d(first, second, 3, 2, 1), nn.ReLU()),
        nn.Conv2d(second, WIDTH, 1),
    )
    decoder = nn.Sequential(
        *(nn.ConvTranspose2d(WIDTH, second, 3, 2, 1, 1), nn.ReLU()),
        *(nn.ConvTranspose2d(second, first, 3, 2, 1, 1), nn.ReLU()),
        nn.Conv2d(first, 1, 3, 1, 1),
    )
    for layer in (*encoder, *decoder):
        if not isinstance(layer, nn.ReLU):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    encoder, decoder = encoder.to(memory_format=layout), decoder.to(memory_format=layout)
    codebook = nn.Parameter(0.05 * torch.randn(CODES, WIDTH))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), codebook], LEARNING_RATE)
    pixels = torch.from_numpy(images)[:, None]
    seconds = []
    for _ in range(epochs):
        start, total = time.perf_counter(), torch.zeros(())
        for indices in torch.randperm(len(pixels))[: len(pixels) // BATCH * BATCH].split(BATCH):
            x = pixels[indices].float().div_(255).contiguous(memory_format=layout)
            e = encoder(x).permute(0, 2, 3, 1)
            flat = e.reshape(-1, WIDTH)
            q = codebook[(codebook.square().sum(1) - 2 * flat @ codebook.T).argmin(1)].view_as(e)
            z = (e + (q - e).detach()).permute(0, 3, 1, 2)
            mse = F.mse_loss(decoder(z), x)
            loss = mse + F.mse_loss(q, e.detach()) + COMMITMENT * F.mse_loss(e, q.detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += mse.detach()
        error = total.item() / (len(pixels) // BATCH)
        seconds.append(time.perf_counter() - start)
    return seconds, error


def jax_scan(images: np.ndarray, epochs: int) -> Measured:
    """An epoch compiled into one `lax.scan`."""
    import jax
    import jax.numpy as jnp
    import optax

    layout = ("NHWC", "HWIO", "NHWC")
    stop = jax.lax.stop_gradient
    first, second = CHANNELS
    shapes = {
        **{"down_0": (3, 3, 1, first), "down_1": (3, 3, first, second), "head": (1, 1, second, WIDTH)},
        **{"up_0": (3, 3, WIDTH, second), "up_1": (3, 3, second, first), "pixels": (3, 3, first, 1)},
    }
    glorot = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(jax.random.key(0), len(shapes) + 1)
    params = {
        name: (glorot(key, shape), jnp.zeros(shape[-1]))
        for key, (name, shape) in zip(keys[1:], shapes.items(), strict=True)
    }
    params["codebook"] = 0.05 * jax.random.normal(keys[0], (CODES, WIDTH))

    def conv(params, name, x, stride=1):
        kernel, bias = params[name]
        return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=layout) + bias

    def transposed(params, name, x):
        kernel, bias = params[name]
        return jax.nn.relu(jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=layout) + bias)

    def loss_of(params, x):
        down = jax.nn.relu(conv(params, "down_1", jax.nn.relu(conv(params, "down_0", x, 2)), 2))
        e, codebook = conv(params, "head", down), params["codebook"]
        q = codebook[jnp.argmin(jnp.square(codebook).sum(1) - 2 * e @ codebook.T, -1)]
        z = e + stop(q - e)
        out = conv(params, "pixels", transposed(params, "up_1", transposed(params, "up_0", z)))
        mse = jnp.square(out - x).mean()
        return mse + jnp.square(q - stop(e)).mean() + COMMITMENT * jnp.square(e - stop(q)).mean(), mse

    optimizer = optax.adam(LEARNING_RATE)

    @partial(jax.jit, donate_argnums=(0, 1))
    def train_epoch(params, state, pixels, order):
        def step(carry, indices):
            params, state = carry
            x = pixels[indices].astype(jnp.float32) / 255
            gradients, mse = jax.grad(loss_of, has_aux=True)(params, x)
            updates, state = optimizer.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), mse

        (params, state), errors = jax.lax.scan(step, (params, state), order)
        return params, state, errors.mean()

    pixels, state = jnp.asarray(images[..., None]), optimizer.init(params)
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        order = rng.permutation(len(images))[: len(images) // BATCH * BATCH].reshape(-1, BATCH)
        params, state, error = train_epoch(params, state, pixels, order)
        error = float(error)
        seconds.append(time.perf_counter() - start)
    return seconds, error
