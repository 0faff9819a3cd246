"""JAX with a whole epoch compiled into one `lax.scan`: no Python between the steps."""

import os
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sizes import LEARNING_RATE, PIXELS, SIZES, Size, parse_arguments, print_result

optimizer = optax.adam(LEARNING_RATE)


def initial_layers(shapes: list[tuple[int, int]], key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Glorot uniform kernels and zero biases."""
    glorot = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(key, len(shapes))
    return [(glorot(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes, strict=True)]


def mlp(layers: list[tuple[jax.Array, jax.Array]], x: jax.Array) -> jax.Array:
    for kernel, bias in layers[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = layers[-1]
    return x @ kernel + bias


def loss_of(params, size: Size, x: jax.Array, key: jax.Array) -> jax.Array:
    encoder, decoder = params
    logits = mlp(encoder, x).reshape(-1, size.latents, size.classes)
    sample = jax.nn.softmax(logits + jax.random.gumbel(key, logits.shape))
    return jnp.mean((mlp(decoder, sample.reshape(len(x), -1)) - x) ** 2)


@partial(jax.jit, static_argnames="size", donate_argnames=("params", "state"))
def train_epoch(params, state, images: jax.Array, order: jax.Array, key: jax.Array, *, size: Size):
    """One step for each row of `order`, the indices of a batch; returns the mean loss last."""

    def train_step(carry, batch):
        params, state = carry
        indices, step_key = batch
        x = images[indices].astype(jnp.float32) / 255
        loss, gradients = jax.value_and_grad(loss_of)(params, size, x, step_key)
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), loss

    keys = jax.random.split(key, len(order))
    (params, state), losses = jax.lax.scan(train_step, (params, state), (order, keys))
    return params, state, losses.mean()


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        os.environ["NPROC"] = str(args.threads)  # XLA reads it when the first array is made
    size = SIZES[args.size]
    images = jnp.asarray(np.load(args.data)["x_train"].reshape(-1, PIXELS))
    steps = len(images) // size.batch

    encoder_key, decoder_key, noise_key = jax.random.split(jax.random.key(0), 3)
    params = (initial_layers(size.encoder, encoder_key), initial_layers(size.decoder, decoder_key))
    state = optimizer.init(params)
    shuffler = np.random.default_rng(0)

    seconds: list[float] = []
    loss = jnp.nan
    for epoch in range(args.epochs):
        start = time.perf_counter()
        order = shuffler.permutation(len(images))[: steps * size.batch].astype(np.int32)
        key = jax.random.fold_in(noise_key, epoch)
        params, state, loss = train_epoch(params, state, images, order.reshape(steps, size.batch), key, size=size)
        jax.block_until_ready((params, loss))
        seconds.append(time.perf_counter() - start)
    print_result("JAX, one scan per epoch", seconds, float(loss), steps, size.batch)


if __name__ == "__main__":
    main()
