"""The article's five bottlenecks as plain Keras 3 layers, as an ordinary good user writes them by hand."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras


@keras.saving.register_keras_serializable("rivals")
class Gaussian(keras.layers.Layer):
    """Mean and logarithm of the deviation side by side in; a reparameterised sample out."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, parameters):
        mean, log_std = keras.ops.split(parameters, 2, axis=-1)
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(log_std) * noise


@keras.saving.register_keras_serializable("rivals")
class Categorical(keras.layers.Layer):
    """A one-hot sample; `straight_through` gives it the gradient of the probabilities."""

    def __init__(self, straight_through=False, **kwargs):
        super().__init__(**kwargs)
        self.straight_through = straight_through
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, logits):
        codes = keras.random.categorical(logits, 1, seed=self.seed_generator)[:, 0]
        one_hot = keras.ops.one_hot(codes, logits.shape[-1])
        if not self.straight_through:
            return keras.ops.stop_gradient(one_hot)
        probabilities = keras.ops.softmax(logits)
        return probabilities + keras.ops.stop_gradient(one_hot - probabilities)


@keras.saving.register_keras_serializable("rivals")
class VectorQuantizer(keras.layers.Layer):
    """The nearest of ten rows, with codebook and commitment losses."""

    def build(self, shape):
        self.codebook = self.add_weight(shape=(10, shape[-1]), initializer="uniform")

    def call(self, features):
        distances = keras.ops.sum((features[:, None] - self.codebook[None]) ** 2, -1)
        nearest = keras.ops.take(self.codebook, keras.ops.argmin(distances, -1), axis=0)
        codebook = keras.ops.mean((nearest - keras.ops.stop_gradient(features)) ** 2)
        commitment = keras.ops.mean((keras.ops.stop_gradient(nearest) - features) ** 2)
        self.add_loss(codebook + commitment)
        return features + keras.ops.stop_gradient(nearest - features)
