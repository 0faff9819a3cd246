"""JAX: an epoch compiled into one `lax.scan`, with no Python between the steps; or with --mode step, a call for each.

With --mode logged, a scan that finds for each step what vaecli writes down of it: the loss, the rate, and the norms of
the gradients. Inside a loop, XLA has no fast convolution on a processor.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sizes import GRID, LEARNING_RATE, SIDE, SIZES, Size, batch_size, parse_arguments, print_result, read_images

optimizer = optax.adam(LEARNING_RATE)
glorot = jax.nn.initializers.glorot_uniform()
stop = jax.lax.stop_gradient


def initial_layers(shapes: list[tuple[int, ...]], key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Glorot uniform kernels and zero biases."""
    keys = jax.random.split(key, len(shapes))
    return [(glorot(k, shape), jnp.zeros(shape[-1])) for k, shape in zip(keys, shapes, strict=True)]


def mlp(layers: list[tuple[jax.Array, jax.Array]], x: jax.Array, dtype: Any) -> jax.Array:
    x = x.astype(dtype)
    for place, (kernel, bias) in enumerate(layers, 1):
        x = x @ kernel.astype(dtype) + bias.astype(dtype)
        if place < len(layers):
            x = jax.nn.relu(x)
    return x.astype(jnp.float32)


def dense(size: Size, dtype: Any, params, x: jax.Array, key: jax.Array):
    """The loss of the Gumbel-softmax autoencoder for images [B, 784]; it again, and the rate."""
    encoder, decoder = params
    logits = mlp(encoder, x, dtype).reshape(-1, size.latents, size.classes)
    sample = jax.nn.softmax(logits + jax.random.gumbel(key, logits.shape))
    loss = jnp.mean((mlp(decoder, sample.reshape(len(x), -1), dtype) - x) ** 2)
    log_q = jax.nn.log_softmax(logits)
    rate = size.latents * jnp.log(size.classes) + (jnp.exp(log_q) * log_q).sum((1, 2)).mean()
    return loss, (loss, rate)


def initial_grid(key: jax.Array):
    """The weights of the vqvae of a grid."""
    (first, second), width = GRID.channels, GRID.width
    names = ("down_0", "down_1", "head", "up_0", "up_1", "pixels")
    shapes = [(3, 3, 1, first), (3, 3, first, second), (1, 1, second, width)]
    shapes += [(3, 3, width, second), (3, 3, second, first), (3, 3, first, 1)]
    of_codes, of_layers = jax.random.split(key)
    layers = dict(zip(names, initial_layers(shapes, of_layers), strict=True))
    return layers, 0.05 * jax.random.normal(of_codes, (GRID.codes, width))


def convolutional(dtype: Any, params, x: jax.Array, key: jax.Array):
    """The loss of the vqvae for images [B, 784], and the mean squared error alone."""
    del key  # it draws nothing
    layers, codebook = params
    layout = ("NHWC", "HWIO", "NHWC")

    def conv(name, x, stride=1):
        kernel, bias = (weight.astype(dtype) for weight in layers[name])
        x = x.astype(dtype)
        return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=layout) + bias

    def transposed(name, x):
        kernel, bias = (weight.astype(dtype) for weight in layers[name])
        x = x.astype(dtype)
        return jax.nn.relu(jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=layout) + bias)

    x = x.reshape(-1, SIDE, SIDE, 1)
    e = conv("head", jax.nn.relu(conv("down_1", jax.nn.relu(conv("down_0", x, 2)), 2))).astype(jnp.float32)
    q = codebook[jnp.argmin(jnp.square(codebook).sum(1) - 2 * e @ codebook.T, -1)]
    out = conv("pixels", transposed("up_1", transposed("up_0", e + stop(q - e)))).astype(jnp.float32)
    mse = jnp.square(out - x).mean()
    return mse + jnp.square(q - stop(e)).mean() + GRID.commitment * jnp.square(e - stop(q)).mean(), (mse, 0.0)


def train_step(loss_of: Callable, params, state, x: jax.Array, key: jax.Array):
    gradients, found = jax.grad(loss_of, has_aux=True)(params, x.astype(jnp.float32) / 255, key)
    updates, state = optimizer.update(gradients, state, params)
    norms = map(optax.global_norm, gradients)  # of encoder and decoder
    return optax.apply_updates(params, updates), state, jnp.stack([*found, *norms])


@partial(jax.jit, static_argnames=("loss_of", "logged"), donate_argnames=("params", "state"))
def scanned(params, state, images: jax.Array, order: jax.Array, key: jax.Array, *, loss_of: Callable, logged: bool):
    """One step for each row of `order`, the indices of a batch; returns the mean loss last."""

    def one(carry, batch):
        indices, step_key = batch
        *carry, found = train_step(loss_of, *carry, images[indices], step_key)
        return tuple(carry), found if logged else found[:1]

    (params, state), log = jax.lax.scan(one, (params, state), (order, jax.random.split(key, len(order))))
    return params, state, log.mean(0)


@partial(jax.jit, static_argnames="loss_of", donate_argnames=("params", "state", "total"))
def stepped(params, state, total, images: jax.Array, indices: jax.Array, key: jax.Array, *, loss_of: Callable):
    """One step; returns the sum of losses last."""
    params, state, found = train_step(loss_of, params, state, images[indices], key)
    return params, state, total + found[0]


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        os.environ["NPROC"] = str(args.threads)  # XLA reads it when the first array is made
    dtype = jnp.bfloat16 if args.bfloat16 else jnp.float32
    images, batch = jnp.asarray(read_images(args)), batch_size(args.size)
    steps = len(images) // batch

    encoder_key, decoder_key, noise_key = jax.random.split(jax.random.key(0), 3)
    if args.size == "conv":
        params, loss_of = initial_grid(encoder_key), partial(convolutional, dtype)
    else:
        size = SIZES[args.size]
        params = (initial_layers(size.encoder, encoder_key), initial_layers(size.decoder, decoder_key))
        loss_of = partial(dense, size, dtype)
    state = optimizer.init(params)
    shuffler = np.random.default_rng(0)

    seconds: list[float] = []
    loss = jnp.nan
    for epoch in range(args.epochs):
        start = time.perf_counter()
        order = shuffler.permutation(len(images))[: steps * batch].astype(np.int32).reshape(steps, batch)
        key = jax.random.fold_in(noise_key, epoch)
        if args.mode == "step":
            total = jnp.zeros(())
            for indices, step_key in zip(order, jax.random.split(key, steps), strict=True):
                params, state, total = stepped(params, state, total, images, indices, step_key, loss_of=loss_of)
            loss = total / steps
        else:
            logged = args.mode == "logged"
            params, state, log = scanned(params, state, images, order, key, loss_of=loss_of, logged=logged)
            loss = log[0]
        jax.block_until_ready((params, loss))
        seconds.append(time.perf_counter() - start)
    print_result(seconds, float(loss), steps, batch)


if __name__ == "__main__":
    main()
