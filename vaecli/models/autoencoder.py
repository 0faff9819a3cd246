"""Encoder, bottleneck, decoder: one object that differs between methods only in its bottleneck."""

import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.layers import computed_in, drawn_as
from vaecli.backend.process import check_keras
from vaecli.backend.progress import END, Progress
from vaecli.backend.random import fold_in
from vaecli.bottlenecks.bottleneck import Bottleneck, Latents, OfEncodings, Rows
from vaecli.config.latent import Exported, Latent
from vaecli.config.resolve import resolved
from vaecli.config.schema import Config
from vaecli.config.shapes import ImageShape, Shapes, shapes
from vaecli.data import Dataset
from vaecli.estimators.estimator import State
from vaecli.models import networks
from vaecli.models.likelihood import LEAST, Likelihood, likelihood
from vaecli.models.networks import Network

PARTS = ("encoder", "bottleneck", "decoder")
SCALINGS = {"unit": (1.0, 0.0), "centred": (1.0, -0.5), "symmetric": (2.0, -1.0)}  # data.scaling: factor and offset
EVALUATED = {"sample": "sampled", "mode": "mode", "relaxed": "relaxed"}  # evaluation.codes, of Reconstructions


class Losses(NamedTuple):
    loss: tf.Tensor  # [], mean over the batch of surrogate + beta * rate + penalty
    distortion: tf.Tensor  # [], what the method trained on
    rate: tf.Tensor  # [] nats
    penalty: tf.Tensor  # []
    state: State
    updates: Mapping[str, tf.Tensor]  # new values of weights without a gradient, by their names in `weights`
    replaced: Mapping[str, Rows]  # of learned weights, likewise


class PerImage(NamedTuple):
    """Measurements of each test image [B]. Distortions have the likelihood's unit; relaxed may be None."""

    mse_sampled: tf.Tensor
    mse_mode: tf.Tensor
    mse_relaxed: tf.Tensor | None
    distortion: tf.Tensor  # of the codes that the evaluation is of
    rate: tf.Tensor  # nats
    codes: tf.Tensor | None  # [B, N] int32, the mode


class Reconstructions(NamedTuple):
    mode: Any  # [B, H, W, C], in [0, 1] or near it
    sampled: Any
    relaxed: Any  # None if there is none


class Autoencoder:
    """Pure functions of the images [B, H, W, C] in [0, 1] and, inside a keras.StatelessScope, of the weights."""

    def __init__(
        self,
        encoder: Network,
        bottleneck: Bottleneck,
        decoder: Network,
        likelihood: Likelihood,
        latent: Latent,
        *,
        evaluated: str,
        compiler: str,
        trained_as: Hashable,
        measured_as: Hashable,
    ) -> None:
        """Autoencoders with equal `trained_as` have the same function `losses`; likewise for `measure`.

        Args:
            evaluated: the codes that distortions are measured on, "sample", "mode" or "relaxed".
            compiler: of programs that train, bound or apply it, "xla" or "graph".
        """
        self.evaluated = evaluated
        self.compiler, self.trained_as, self.measured_as = compiler, trained_as, measured_as
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.likelihood = likelihood
        self.latent = latent

    @property
    def weights(self) -> dict[str, keras.Variable]:
        """Every weight once, by "part/layer/name", encoder first; including those without a gradient."""
        layers = (self.encoder.layers, self.bottleneck.layers, self._decoding_layers)
        return {
            f"{part}/{layer.name}/{variable.name}": variable
            for part, of_part in zip(PARTS, layers, strict=True)
            for layer in of_part
            for variable in layer.weights
        }

    @property
    def _decoding_layers(self) -> list[keras.layers.Layer]:
        """The decoder's layers, and what the likelihood learns."""
        return [*self.decoder.layers, *self.likelihood.layers]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """H, W, C."""
        return self.decoder.outputs

    @property
    def num_pixels(self) -> int:
        """The number of values of one image, over rows, columns and channels."""
        return math.prod(self.image_shape)

    def _flat(self, images: tf.Tensor) -> tf.Tensor:
        """Images [B, H, W, C] -> [B, P], the shape used in all computations."""
        return tf.reshape(images, (-1, self.num_pixels))

    def _images(self, flat: tf.Tensor) -> tf.Tensor:
        """[B, P] -> [B, H, W, C]."""
        return tf.reshape(flat, (-1, *self.image_shape))

    def decode(self, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        """z [..., N, D] -> the decoder's outputs [..., P], P numbers per image.

        Args:
            codes: [..., N, K], the one_hot codes that z has the value of. Where one latent has at most half as many of
                them as there are z, each is decoded once: the values and the gradients, in z and in the decoder's
                weights, are the same up to rounding.

        Of a layer's three products, the outputs and the gradient in the weights then have K rows, not one for each z;
        the gradient in the inputs is computed only where z has a gradient. Measured on one thread at the article's
        size, a step takes 0.63 of the time for a code without a gradient, 0.79 for straight_through, 0.31 for rloo.
        """
        if codes is not None and _few(codes, 2):
            outputs = tf.tensordot(codes[..., 0, :], self._each_code(codes), 1)
            with self._for_z():
                decoded = self.decode(z)
            return _with_gradient_to_both(outputs, decoded)
        positions = self.latent.num_positions
        outputs = self.decoder(tf.reshape(z, (-1, positions, self.latent.size // positions)))
        return tf.reshape(outputs, tf.concat([tf.shape(z)[:-2], (self.num_pixels,)], 0))

    def distortion(self, images: tf.Tensor, z: tf.Tensor, codes: tf.Tensor | None = None) -> tf.Tensor:
        """The distortion [..., B] of images [B, P] decoded from z [..., B or 1, N, D]; `codes` as in `decode`.

        With at least as many draws per image as there are codes, each image is compared with each code once.
        """
        if codes is None or not _few(codes, images.shape[0]):
            return self.likelihood.distortion(images, self.decode(z, codes))
        table = self.likelihood.distortion(images, self._each_code(codes)[:, None])  # [K, B]
        values = tf.reduce_sum(codes[..., 0, :] * tf.transpose(table), -1)
        with self._for_z():
            decoded = self.likelihood.distortion(images, self.decode(z))
        return _with_gradient_to_both(values, decoded)

    def _each_code(self, codes: tf.Tensor) -> tf.Tensor:
        """[K, P]."""
        each = tf.range(codes.shape[-1])[:, None]
        return self.decode(tf.stop_gradient(self.bottleneck.lookup(each)))

    def _for_z(self) -> keras.StatelessScope:
        """A scope without gradients in the weights; what only a value needs is not computed if it is unused."""
        weights = [weight for layer in self._decoding_layers for weight in layer.weights]
        return keras.StatelessScope([(weight, tf.stop_gradient(weight.value)) for weight in weights])

    def losses(
        self, images: tf.Tensor, *, beta: tf.Tensor | float, state: State, seed: tf.Tensor, progress: Progress = END
    ) -> Losses:
        """What one training step minimises at a place in the training."""

        flat = self._flat(images)

        def objective(z: tf.Tensor, codes: tf.Tensor | None = None, log_ratio: tf.Tensor | None = None) -> tf.Tensor:
            distortion = self.distortion(flat, z, codes)
            return distortion if log_ratio is None else distortion + beta * log_ratio

        features = self.encoder(images)
        step = self.bottleneck.train(features, objective, state=state, seed=seed, progress=progress)
        distortion, rate, penalty = (tf.reduce_mean(x) for x in (step.surrogate, step.rate, step.penalty))
        if step.of_bound:
            distortion -= beta * rate
        updates, replaced = (
            {f"bottleneck/{name}": value for name, value in changed.items()}
            for changed in (step.updates, step.replaced)
        )
        return Losses(distortion + beta * rate + penalty, distortion, rate, penalty, step.state, updates, replaced)

    @property
    def begins_at(self) -> int | None:
        """The number of finished steps before the one that needs `begun`; None if none does."""
        return self.bottleneck.begins_at if isinstance(self.bottleneck, OfEncodings) else None

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The vectors [B, N, D] of images [B, H, W, C] before quantisation."""
        assert isinstance(self.bottleneck, OfEncodings)
        return self.bottleneck.embed(self.encoder(images))

    def begun(self, e: NDArray[np.float32], *, seed: int) -> dict[str, NDArray[np.float32]]:
        """The weights that begin at vectors e [M, N, D] of training images, by their names in `weights`."""
        assert isinstance(self.bottleneck, OfEncodings)
        return {f"bottleneck/{name}": value for name, value in self.bottleneck.begun(e, seed=seed).items()}

    def measure(
        self, images: tf.Tensor, *, seed: tf.Tensor, progress: Progress = END
    ) -> tuple[PerImage, Reconstructions]:
        """Measures all methods alike: on hard codes, sampled and mode, and on a relaxed sample if one is trained on."""
        features = self.encoder(images)
        sampled = self.bottleneck.encode(features, seed=fold_in(seed, 0))
        mode = self.bottleneck.encode(features)
        relaxed = self.bottleneck.relaxed(features, seed=fold_in(seed, 1), progress=progress)
        outputs = Reconstructions(
            self._decode_hard(mode), self._decode_hard(sampled), None if relaxed is None else self.decode(relaxed)
        )
        pixels = Reconstructions(*(None if y is None else self.likelihood.pixels(y) for y in outputs))
        flat = self._flat(images)
        errors = Reconstructions(*(None if y is None else tf.reduce_mean(tf.square(flat - y), -1) for y in pixels))
        measures = PerImage(
            mse_sampled=errors.sampled,
            mse_mode=errors.mode,
            mse_relaxed=errors.relaxed,
            distortion=self.likelihood.distortion(flat, getattr(outputs, EVALUATED[self.evaluated])),
            rate=sampled.rate,
            codes=mode.codes,
        )
        return measures, Reconstructions(*(None if y is None else self._images(y) for y in pixels))

    def _decode_hard(self, latents: Latents) -> tf.Tensor:
        single = self.latent.single  # with several codes each image is decoded
        return self.decode(latents.z, None if single is None else tf.one_hot(latents.codes, single))

    def pixels(self, z: tf.Tensor) -> tf.Tensor:
        """Decoded images [B, H, W, C] in [0, 1] or near it, from z [B, N, D]."""
        return self._images(self.likelihood.pixels(self.decode(z)))

    def export(self, part: Exported = "whole") -> keras.Model:
        """The mode path in layers that plain Keras loads in safe mode.

            whole    images -> images
            encoder  images -> codes [B, L], of a grid [B, H', W', L], int32; of a Gaussian its mean, D numbers for L
            decoder  what the encoder gives -> images

        Images in [0, 1] of one channel are [B, H, W], others [B, H, W, C]. Every layer computes in float32, as others
        may have no bfloat16: after a training in mixed_bfloat16 they differ from ours by its rounding.
        """
        *sides, channels = self.image_shape
        image_shape = (*sides, channels) if channels > 1 else tuple(sides)
        layout, called = self.latent.layout, "codes" if self.latent.discrete else "latents"
        inputs = keras.Input(image_shape, name="images")
        if part == "decoder":
            inputs = keras.Input(layout, dtype="int32" if self.latent.discrete else "float32", name=called)
            latents = keras.layers.Reshape((math.prod(layout),))(inputs)
        else:
            latents = self.bottleneck.export_encode(self.encoder(inputs))
        if part == "encoder":
            return _in_float32(keras.Model(inputs, keras.layers.Reshape(layout, name=called)(latents)))
        outputs = self.decoder(self.bottleneck.export_lookup(latents))
        if self.likelihood.activation != "linear":
            outputs = keras.layers.Activation(self.likelihood.activation)(outputs)
        return _in_float32(keras.Model(inputs, keras.layers.Reshape(image_shape, name="reconstructions")(outputs)))


def _in_float32(model: keras.Model) -> keras.Model:
    """The model itself, or a copy in which layers that compute in another type compute in float32."""
    if all(layer.compute_dtype == "float32" for layer in model.layers if layer.weights):
        return model

    def copied(layer: Any) -> Any:
        if getattr(layer, "compute_dtype", "float32") == "float32":  # an operation has none
            return layer
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def _few(codes: tf.Tensor, times: int) -> bool:
    """Whether codes [..., L, K] are of one latent, and at least `times` as many as it has values."""
    return codes.shape[-2] == 1 and times * codes.shape[-1] <= (codes.shape[:-2].num_elements() or 0)


@tf.custom_gradient
def _with_gradient_to_both(value: tf.Tensor, other: tf.Tensor) -> Any:
    """The value, with its gradient passed to both."""
    del other
    return value, lambda upstream: (upstream, upstream)


def build(config: Config, image_shape: ImageShape, dataset: Dataset | None = None) -> Autoencoder:
    """The autoencoder that a config describes, with its initial weights.

    Args:
        image_shape: H, W, C; [H, W] means one channel.
        dataset: whose mean image the decoder may start at; not needed for weights that are to be loaded.
    """
    check_keras(keras)
    sizes, training = shapes(config, image_shape), config.training
    loss = likelihood(config.objective)
    with drawn_as(training.initial_weights):
        with computed_in(training.precision):
            encoder, decoder = networks.build(config.network, sizes, seed=training.seed)
        bottleneck = _bottleneck(config, sizes)
    if training.output_bias == "data_mean" and dataset is not None:
        bias = decoder.layers[-1].bias
        mean = dataset.mean_image.reshape(-1, *bias.shape).mean(0)  # of a convolution, over rows and columns
        factor, offset = SCALINGS[config.data.scaling] if loss.activation == "linear" else SCALINGS["unit"]
        bias.assign(factor * loss.outputs(mean) + offset)
        if loss.log_scale is not None:
            loss.log_scale.assign(math.log(max(dataset.deviation, LEAST)))
    _scale(encoder, decoder, config.data.scaling, loss)
    method, options = config.model.method, config.model.options()
    estimator = getattr(bottleneck, "estimator", None)
    objective = (str(config.objective), config.objective.prior)
    around = (config.network, *objective, config.data.scaling, sizes.image, training.precision)
    trained_as = (config.model, estimator, *around)
    # estimators of hard codes differ only in the gradient
    hard = (method.bottleneck.target, *(options[name] for name in method.bottleneck.options), *around)
    measured_as = (config.evaluation.codes, trained_as if estimator and estimator.relaxed else hard)
    return Autoencoder(
        encoder,
        bottleneck,
        decoder,
        loss,
        sizes.latent,
        evaluated=config.evaluation.codes,
        compiler=resolved(config).training.compile,
        trained_as=trained_as,
        measured_as=measured_as,
    )


def _scale(encoder: Network, decoder: Network, scaling: str, loss: Likelihood) -> None:
    """Lets the encoder read scaled pixels, and the decoder draw them where its outputs are pixels, and not logits."""
    if scaling == "unit":
        return
    factor, offset = SCALINGS[scaling]
    encoder.steps.insert(0, keras.layers.Rescaling(factor, offset, name="scaled"))
    if loss.activation == "linear":
        decoder.steps.append(keras.layers.Rescaling(1 / factor, -offset / factor, name="unscaled"))


def _bottleneck(config: Config, sizes: Shapes) -> Bottleneck:
    method, options = config.model.method, config.model.options()
    own = {name: options[name] for name in method.bottleneck.options}
    if method.bottleneck.learns_prior:
        own["prior"] = config.objective.prior
    positional: tuple[Any, ...] = (sizes.features, sizes.latent.num_positions)
    if method.estimator:
        positional += (method.estimator.load(), {name: options[name] for name in method.estimator.options})
    bottleneck: Bottleneck = method.bottleneck.load()(*positional, seed=config.training.seed, **own)
    if config.network.head_activation != "none":
        for head in (layer for layer in bottleneck.layers if isinstance(layer, keras.layers.Dense)):
            head.activation = keras.activations.get(config.network.head_activation)
    return bottleneck
