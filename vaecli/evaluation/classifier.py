"""A small classifier of a data set's own images: its features and its labels measure what a run draws."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.layers import convolution, dense, drawn_as
from vaecli.backend.optimizers import adam
from vaecli.backend.programs import program
from vaecli.data.dataset import Images

VERSION = 1  # rises when the same training gives other weights
SEED = 0  # one classifier for all runs on the data
BATCH, STEPS, RATE = 128, 1500, 1e-3  # of Adam, whose rate falls to 0 along a cosine
SMALLEST, CHANNELS, FEATURES = 7, (32, 64), 128  # after the first, convolutions of stride 2 until no side is longer
AT_ONCE = 1000  # images
STEPS_AT_ONCE = 50

Arrays = Mapping[str, NDArray[Any]]


class Classified(NamedTuple):
    """What the classifier finds in N images."""

    features: NDArray[np.float64]  # [N, FEATURES], of the last hidden layer
    classes: NDArray[np.int64]  # [N], the most probable


class Classifier:
    """Convolutions, all but the first of stride 2, a hidden layer, and a softmax over the labels."""

    def __init__(self, image_shape: Sequence[int], num_classes: int) -> None:
        """`image_shape` is H, W, C."""
        height, width, channels = image_shape
        self.key = (tuple(image_shape), num_classes)  # what its programs depend on
        self.convolutions: list[keras.layers.Layer] = []
        with drawn_as("glorot"):
            while not self.convolutions or max(height, width) > SMALLEST:
                number, stride = len(self.convolutions), 2 if self.convolutions else 1
                units = CHANNELS[min(number, len(CHANNELS) - 1)]
                options: dict[str, Any] = {"kernel": 3, "stride": stride, "transposed": False, "activation": "relu"}
                name = f"classifier_{number + 1}"
                layer = convolution((height, width, channels), units, name=name, seed=SEED, **options)
                self.convolutions.append(layer)
                height, width, channels = -(-height // stride), -(-width // stride), units
            numbers = height * width * channels
            self.hidden = dense(numbers, FEATURES, name="classifier_hidden", seed=SEED, activation="relu")
            self.last = dense(FEATURES, num_classes, name="classifier_last", seed=SEED)

    @property
    def weights(self) -> dict[str, keras.Variable]:
        """By name, in the order of the layers."""
        layers = (*self.convolutions, self.hidden, self.last)
        return {f"{layer.name}/{v.name}": v for layer in layers for v in layer.trainable_variables}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it is made of; `assign` takes it."""
        return {name: np.asarray(v) for name, v in self.weights.items()}

    def assign(self, arrays: Arrays) -> None:
        """Raises KeyError or ValueError if the arrays are of another classifier."""
        for name, variable in self.weights.items():
            array = arrays[name]
            if array.shape != tuple(variable.shape) or array.dtype != np.float32:
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            variable.assign(array)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """The last hidden layer [B, FEATURES] of images [B, H, W, C] in [0, 1]."""
        h = images
        for layer in self.convolutions:
            h = layer(h)
        return self.hidden(tf.reshape(h, (tf.shape(h)[0], -1)))

    def train(self, images: Images, classes: NDArray[np.int64], *, scale: float, told: Callable[[int], None]) -> None:
        """Minimises the cross-entropy of the classes [N] of images [N, H, W, C], for at least STEPS steps.

        Args:
            scale: pixels times this are in [0, 1].
            told: called with how many of `total_steps` are done.
        """
        batch = min(BATCH, len(images))
        per_epoch, total = len(images) // batch, total_steps(len(images))
        steps = Steps(self, total)
        compiled = program(steps, "classifier: steps", *self.key, total, compiler="graph")
        weights = [tf.identity(v.value) for v in self.weights.values()]
        nest = (weights, steps.optimizer.slots(weights))
        pixels, labels = tf.constant(images), tf.constant(classes.astype(np.int32))
        for epoch in range(total // per_epoch):
            order = np.random.default_rng((SEED, epoch)).permutation(len(images))
            order = order[: per_epoch * batch].reshape(-1, batch).astype(np.int32)
            for start in range(0, per_epoch, STEPS_AT_ONCE):
                part, done = order[start : start + STEPS_AT_ONCE], epoch * per_epoch + start
                nest = compiled(nest, pixels, labels, np.float32(scale), part, np.int32(done))
                told(done + len(part))
        self.assign(dict(zip(self.weights, (w.numpy() for w in nest[0]), strict=True)))

    def classify(self, images: Images, *, scale: float = 1.0) -> Classified:
        """Images [N, H, W] or [N, H, W, C], times `scale` in [0, 1], any number of them by one program."""
        compiled = program(Outputs(self), "classifier: outputs", *self.key, compiler="graph")
        weights, shape = [v.value for v in self.weights.values()], self.key[0]
        features, classes = np.empty((len(images), FEATURES)), np.empty(len(images), np.int64)
        for start in range(0, len(images), AT_ONCE):
            part = images[start : start + AT_ONCE].reshape(-1, *shape).astype(np.float32) * np.float32(scale)
            whole = np.resize(part, (AT_ONCE, *shape))
            found = compiled(weights, whole)
            place = slice(start, start + len(part))
            features[place], classes[place] = (tensor.numpy()[: len(part)] for tensor in found)
        return Classified(features, classes)


class Steps:
    """Runs many steps in one call; it holds no data, so classifiers of one shape share it."""

    def __init__(self, classifier: Classifier, total: int) -> None:
        self.classifier = classifier
        self.variables = list(classifier.weights.values())
        self.optimizer = adam(lambda step: RATE * 0.5 * (1 + tf.cos(math.pi * tf.cast(step, tf.float32) / total)))

    def __call__(
        self, nest: Any, images: tf.Tensor, classes: tf.Tensor, scale: tf.Tensor, order: tf.Tensor, done: tf.Tensor
    ) -> Any:
        def one_step(step: tf.Tensor, nest: Any) -> Any:
            weights, slots = nest
            batch = tf.cast(tf.gather(images, order[step]), tf.float32) * scale
            with (
                keras.StatelessScope(zip(self.variables, weights, strict=True)),
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(weights)
                logits = self.classifier.last(self.classifier.features(batch))
                right = tf.gather(classes, order[step])
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(right, logits))
            return step + 1, self.optimizer.update(weights, tape.gradient(loss, weights), slots, done + step + 1)

        return tf.while_loop(lambda step, _: step < tf.shape(order)[0], one_step, (tf.constant(0), nest))[1]


class Outputs:
    """Features and classes of images; it holds no data."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.variables = list(classifier.weights.values())

    def __call__(self, weights: list[tf.Tensor], images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with keras.StatelessScope(zip(self.variables, weights, strict=True)):
            features = self.classifier.features(images)
            return features, tf.argmax(self.classifier.last(features), -1)


def total_steps(num_images: int) -> int:
    """Whole epochs of STEPS steps or more."""
    per_epoch = num_images // min(BATCH, num_images)
    return -(-STEPS // per_epoch) * per_epoch
