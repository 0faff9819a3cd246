"""Priors over the codes of an image: how often each value occurs, and a transformer that predicts each code in turn.

Codes are [M, N] integers in the order of the latent: position by position, row by row, and at each its L codes. Both
priors give their log p in nats and draw new ones; with labels both are one prior for each class.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.layers import dense, layer_seed
from vaecli.backend.programs import program
from vaecli.backend.random import exponential, fold_in
from vaecli.config.latent import Latent

Codes = NDArray[np.int32]
Arrays = Mapping[str, NDArray[Any]]

AT_ONCE = 250  # images whose log p is computed, or that are drawn, in one call
WIDTH, BLOCKS, HEADS = 64, 2, 4  # of the transformer
FORBIDDEN = -1e9  # the logit of what cannot be


class IndependentPrior:
    """Each code by itself: how often each of its values occurred, counted once more than it did (Laplace)."""

    def __init__(self, latent: Latent, counts: NDArray[np.int64]) -> None:
        """`counts` [C, N, K] is of each class, code and value."""
        assert latent.alphabets is not None
        self.sizes = np.array(latent.alphabets * latent.num_positions)
        self.counts = counts

    @classmethod
    def fit(cls, latent: Latent, codes: Codes, classes: NDArray[np.int64], num_classes: int) -> "IndependentPrior":
        """Counts the codes [M, N] of images of these classes [M]."""
        assert latent.most_values is not None
        counts = np.zeros((num_classes, latent.num_codes, latent.most_values), np.int64)
        for place in range(latent.num_codes):
            np.add.at(counts[:, place], (classes, codes[:, place]), 1)
        return cls(latent, counts)

    def arrays(self) -> Arrays:
        """What it is made of; `from_arrays` makes it again."""
        return {"counts": self.counts}

    @classmethod
    def from_arrays(cls, latent: Latent, arrays: Arrays, num_classes: int) -> "IndependentPrior":
        """Raises KeyError or ValueError if the arrays are of another prior."""
        counts = arrays["counts"]
        if counts.shape != (num_classes, latent.num_codes, latent.most_values) or counts.dtype != np.int64:
            raise ValueError(f"counts are {counts.dtype} {counts.shape}")
        return cls(latent, counts)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[C, N, K]; 0 where a code has fewer values."""
        there = np.arange(self.counts.shape[-1]) < self.sizes[:, None]
        counts = np.where(there, self.counts + 1.0, 0.0)
        found: NDArray[np.float64] = counts / counts.sum(-1, keepdims=True)
        return found

    def log_p(self, codes: Codes, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """log p of each image's codes [M], in nats."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities)
        found: NDArray[np.float64] = sum(logs[classes, place, codes[:, place]] for place in range(len(self.sizes)))
        return found

    def draw(self, count: int, *, temperature: float, of_class: int, seed: int) -> Codes:
        """Codes [count, N] of a class, from p^(1/T); at temperature 0 the most probable ones."""
        p = self.probabilities[of_class]
        if temperature == 0:
            return np.tile(p.argmax(-1).astype(np.int32), (count, 1))
        with np.errstate(divide="ignore"):
            logs = np.log(p) / temperature
        sharp = np.exp(logs - logs.max(-1, keepdims=True))
        ends = np.cumsum(sharp, -1)
        drawn = np.random.default_rng(seed).random((count, len(p), 1)) * ends[:, -1:]
        found: Codes = (drawn >= ends).sum(-1).astype(np.int32)
        return found


class Block(NamedTuple):
    """The layers of a block of the transformer."""

    before: keras.layers.LayerNormalization
    heads: keras.layers.Dense  # queries, keys and values
    after: keras.layers.Dense
    between: keras.layers.LayerNormalization
    wide: keras.layers.Dense
    narrow: keras.layers.Dense


class AutoregressivePrior:
    """A causal transformer (arXiv 1706.03762, normalised before each part) over an image's codes.

    log p(c) = sum_i log p(c_i | c_1 .. c_(i-1)). The first code is predicted from an embedding of the class, each later
    one from all before it. Codes of different alphabets have columns of their own among the logits.
    """

    def __init__(self, latent: Latent, num_classes: int, *, seed: int) -> None:
        assert latent.alphabets is not None
        self.num_codes = latent.num_codes
        offsets = np.cumsum([0, *latent.alphabets])
        self.columns = int(offsets[-1])
        self.offsets = np.tile(offsets[:-1], latent.num_positions).astype(np.int32)  # [N]
        ends = np.tile(offsets[1:], latent.num_positions)
        place = np.arange(self.columns)
        there = (place >= self.offsets[:, None]) & (place < ends[:, None])
        self.mask = np.where(there, 0.0, FORBIDDEN).astype(np.float32)  # [N, columns]
        self.key = (latent, num_classes)  # what its programs depend on
        self.layers: dict[str, keras.layers.Layer] = {}

        def kept(name: str, layer: keras.layers.Layer) -> Any:
            self.layers[name] = layer
            return layer

        def embedding(name: str, rows: int) -> Any:
            draws = keras.initializers.RandomNormal(stddev=0.02, seed=layer_seed(seed, f"prior_{name}"))
            layer = keras.layers.Embedding(rows, WIDTH, embeddings_initializer=draws, name=name)
            layer.build()
            return kept(name, layer)

        def linear(name: str, inputs: int, units: int, activation: str | None = None) -> Any:
            return kept(name, dense(inputs, units, name=f"prior_{name}", seed=seed, activation=activation))

        def norm(name: str) -> Any:
            layer = keras.layers.LayerNormalization(name=name)
            layer.build((None, WIDTH))
            return kept(name, layer)

        self.start, self.values = embedding("start", num_classes), embedding("values", self.columns)
        self.places = embedding("places", self.num_codes)
        self.blocks = [
            Block(
                norm(f"{i}_before"),
                linear(f"{i}_heads", WIDTH, 3 * WIDTH),
                linear(f"{i}_after", WIDTH, WIDTH),
                norm(f"{i}_between"),
                linear(f"{i}_wide", WIDTH, 4 * WIDTH, "gelu"),
                linear(f"{i}_narrow", 4 * WIDTH, WIDTH),
            )
            for i in range(BLOCKS)
        ]
        self.last, self.out = norm("last"), linear("out", WIDTH, self.columns)

    @property
    def weights(self) -> dict[str, keras.Variable]:
        """By name, in the order of the layers."""
        return {f"{name}/{v.name}": v for name, layer in self.layers.items() for v in layer.trainable_variables}

    def arrays(self) -> Arrays:
        """What it is made of; `from_arrays` makes it again."""
        return {name: np.asarray(v) for name, v in self.weights.items()}

    @classmethod
    def from_arrays(cls, latent: Latent, arrays: Arrays, num_classes: int) -> "AutoregressivePrior":
        """Raises KeyError or ValueError if the arrays are of another prior."""
        made = cls(latent, num_classes, seed=0)
        made.assign(arrays)
        return made

    def assign(self, arrays: Arrays) -> None:
        """Raises KeyError or ValueError, as `from_arrays`."""
        for name, variable in self.weights.items():
            array = arrays[name]
            if array.shape != tuple(variable.shape) or array.dtype != np.float32:
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            variable.assign(array)

    def log_p_of(self, codes: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """log p of codes [B, N] of images of these classes [B], in nats: for gradients."""
        columns = codes + self.offsets
        before = tf.concat([self.start(classes)[:, None], self.values(columns[:, :-1])], 1)
        logits = self._logits(before + self.places(tf.range(self.num_codes)))
        picked = tf.gather(tf.nn.log_softmax(logits), columns[..., None], batch_dims=2)
        return tf.reduce_sum(picked, (1, 2))

    def log_p(self, codes: Codes, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """log p of each image's codes [M], in nats."""
        compiled = self._compiled("log p", self.log_p_of)
        found = np.empty(len(codes))
        for start in range(0, len(codes), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            chosen = codes[part], classes[part].astype(np.int32)
            whole = [np.resize(array, (AT_ONCE, *array.shape[1:])) for array in chosen]
            found[part] = compiled(self._tensors(), *whole).numpy()[: len(chosen[0])]
        return found

    def draw(self, count: int, *, temperature: float, of_class: int, seed: int) -> Codes:
        """Codes [count, N] of a class, each from p^(1/T) given those before it; at temperature 0 the most probable."""
        drawn = self._draw if temperature else self._most_probable
        compiled = self._compiled(drawn.__name__, drawn)
        parts = [
            compiled(self._tensors(), np.int32(of_class), np.float32(temperature), np.array([seed, part], np.int32))
            for part in range(math.ceil(count / AT_ONCE))
        ]
        found: Codes = np.concatenate([part.numpy() for part in parts])[:count]
        return found

    def _draw(self, of_class: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """AT_ONCE images' codes, by Gumbel-max; what earlier codes left behind in each block is kept."""

        def choose(logits: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
            gumbel = -tf.math.log(exponential(like=logits, seed=fold_in(seed, place)))
            return tf.argmax(logits / temperature + gumbel, -1, tf.int32)

        return self._in_turn(of_class, choose)

    def _most_probable(self, of_class: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        del temperature, seed
        return self._in_turn(of_class, lambda logits, place: tf.argmax(logits, -1, tf.int32))

    def _in_turn(self, of_class: tf.Tensor, choose: Any) -> tf.Tensor:
        shape = (AT_ONCE, self.num_codes, HEADS, WIDTH // HEADS)
        offsets = tf.constant(self.offsets)

        def one(place: tf.Tensor, h: tf.Tensor, columns: tf.Tensor, kept: Any) -> Any:
            at = tf.one_hot(place, self.num_codes)
            logits, kept = self._step(h + self.places(place), at, kept)
            chosen = choose(logits + tf.gather(self.mask, place), place)
            columns += chosen[:, None] * tf.cast(at, tf.int32)
            return place + 1, self.values(chosen), columns, kept

        kept = [(tf.zeros(shape), tf.zeros(shape)) for _ in self.blocks]
        start = tf.repeat(self.start(of_class)[None], AT_ONCE, 0)
        begin = (tf.constant(0), start, tf.zeros((AT_ONCE, self.num_codes), tf.int32), kept)
        _, _, columns, _ = tf.while_loop(lambda place, *_: place < self.num_codes, one, begin)
        return columns - offsets

    def _step(self, h: tf.Tensor, at: tf.Tensor, kept: Any) -> tuple[tf.Tensor, Any]:
        """The logits [B, columns] of one code from its input [B, D] and the keys and values of the codes before it."""
        seen = FORBIDDEN * (1 - tf.cumsum(at, reverse=True))
        after = []
        for block, (keys, values) in zip(self.blocks, kept, strict=True):
            query, key, value = self._heads(block, h[:, None])
            keys, values = (old + at[:, None, None] * new for old, new in ((keys, key), (values, value)))
            after.append((keys, values))
            h = self._attended(block, h[:, None], query, keys, values, seen)[:, 0]
        return self.out(self.last(h)), after

    def _logits(self, h: tf.Tensor) -> tf.Tensor:
        """The logits [B, N, columns] of all codes from their inputs [B, N, D]."""
        seen = FORBIDDEN * (1 - tf.linalg.band_part(tf.ones((self.num_codes, self.num_codes)), -1, 0))
        for block in self.blocks:
            query, keys, values = self._heads(block, h)
            h = self._attended(block, h, query, keys, values, seen)
        return self.out(self.last(h)) + self.mask

    def _heads(self, block: Block, h: tf.Tensor) -> list[tf.Tensor]:
        """Queries, keys and values [B, T, H, D / H]."""
        return tf.unstack(tf.reshape(block.heads(block.before(h)), (-1, h.shape[1], 3, HEADS, WIDTH // HEADS)), axis=2)

    def _attended(
        self, block: Block, h: tf.Tensor, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, seen: tf.Tensor
    ) -> tf.Tensor:
        """The output [B, T, D] of a block."""
        scores = tf.einsum("bthd,bshd->bhts", query, keys) / math.sqrt(WIDTH // HEADS) + seen
        mixed = tf.einsum("bhts,bshd->bthd", tf.nn.softmax(scores), values)
        h += block.after(tf.reshape(mixed, (-1, h.shape[1], WIDTH)))
        return h + block.narrow(block.wide(block.between(h)))

    def export(self) -> keras.Model:
        """log p of each value of each code given those before it, in layers that plain Keras loads in safe mode.

        Codes are [B, L], of a grid [B, H', W', L], int32; of a prior by label there is a second input, the place [B] of
        each image's label among all labels. The result has K more numbers at the end, FORBIDDEN where a code has fewer
        values; summed over the codes of an image at their values it is `log_p`.
        """
        latent, num_classes = self.key
        sizes, inside = latent.alphabets or (), latent.codes_per_position
        ops = keras.ops
        inputs = [keras.Input(latent.layout, dtype="int32", name="codes")]
        codes = ops.reshape(inputs[0], (-1, latent.num_positions, inside))
        parts = [codes[:, :, place] + int(self.offsets[place]) for place in range(inside)]
        columns = ops.reshape(ops.stack(parts, axis=2), (-1, self.num_codes))
        places = ops.cumsum(ops.ones_like(columns), axis=1) - 1
        label = ops.zeros_like(columns[:, :1])
        if num_classes > 1:
            inputs.append(keras.Input((), dtype="int32", name="label"))
            label = ops.reshape(inputs[1], (-1, 1))
        before = self.start(label)
        if self.num_codes > 1:
            before = ops.concatenate([before, self.values(columns[:, :-1])], axis=1)
        h = before + self.places(places)
        later = ops.cast(places[:, None, :, None] < places[:, None, None, :], "float32")  # [B, 1, T, S]
        for block in self.blocks:
            split = ops.reshape(block.heads(block.before(h)), (-1, self.num_codes, 3, HEADS, WIDTH // HEADS))
            query, keys, values = split[:, :, 0], split[:, :, 1], split[:, :, 2]
            scores = ops.einsum("bthd,bshd->bhts", query, keys) / math.sqrt(WIDTH // HEADS) + FORBIDDEN * later
            mixed = ops.einsum("bhts,bshd->bthd", ops.softmax(scores), values)
            h = h + block.after(ops.reshape(mixed, (-1, self.num_codes, WIDTH)))
            h = h + block.narrow(_gelu(_linear(block.wide)(block.between(h))))
        logits = ops.reshape(self.out(self.last(h)), (-1, latent.num_positions, inside, self.columns))
        found = []
        for place, size in enumerate(sizes):
            first = int(self.offsets[place])
            of_code = ops.log_softmax(logits[:, :, place, first : first + size])
            found.append(ops.pad(of_code, [[0, 0], [0, 0], [0, max(sizes) - size]], constant_values=FORBIDDEN))
        log_p = ops.reshape(ops.stack(found, axis=2), (-1, *latent.layout, max(sizes)))
        return keras.Model(inputs if num_classes > 1 else inputs[0], log_p, name="prior")

    def _tensors(self) -> list[tf.Tensor]:
        return [v.value for v in self.weights.values()]

    def _compiled(self, what: str, function: Any) -> Any:
        """A program of its weights and other arguments, shared by all priors of this shape."""
        variables = list(self.weights.values())

        def with_weights(weights: list[tf.Tensor], *arguments: Any) -> Any:
            with keras.StatelessScope(zip(variables, weights, strict=True)):
                return function(*arguments)

        return program(with_weights, f"prior: {what}", *self.key, compiler="graph")


def _linear(layer: keras.layers.Dense) -> keras.layers.Dense:
    """A copy of a layer without its activation."""
    weights = layer.get_weights()
    copy = keras.layers.Dense(layer.units, name=f"{layer.name}_linear")
    copy.build((None, len(weights[0])))
    copy.set_weights(weights)
    return copy


def _gelu(x: Any) -> Any:
    """x Phi(x), by a function that ONNX' converter knows; Keras' own gelu is not."""
    return 0.5 * x * (1.0 + keras.ops.erf(x / math.sqrt(2)))


Prior = IndependentPrior | AutoregressivePrior
