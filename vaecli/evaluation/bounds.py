"""log p(x) in nats: its bound from draws of q(z|x), and where there are few codes its value.

bound    log 1/m sum_i p(x|z_i) p(z_i) / q(z_i|x),  z_i ~ q(z|x)           IWAE-m (Burda et al., arXiv 1509.00519)
log_p    log sum_z p(x|z) p(z)                                             over every code
gap      log_p - ELBO = KL(q(z|x) || p(z|x)) = sum_z q(z|x) (log q(z|x) - log p(z|x))
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vaecli.backend.programs import program
from vaecli.backend.random import fold_in
from vaecli.bottlenecks.bottleneck import OfCodes
from vaecli.config.latent import MOST_CODES
from vaecli.models.autoencoder import Autoencoder

IMAGES, ENUMERATED = 100, 1000  # images at once, of draws and of enumerated codes
NUMBERS = 2**22  # at once: of decoded images, or of codes times images; more is no faster
_BOUND_SEED = 19_150_901  # of the first batch, beside the run's seed, whose other uses have small numbers

Floats = NDArray[np.float64]


class PerImage(NamedTuple):
    """What was found for each of B images, in nats."""

    bound: Floats | None  # [B]; None if not asked for
    log_p: Floats | None  # [B]; None for vectors, and for more codes than MOST_CODES
    gap: Floats | None  # [B], likewise


def per_image(
    autoencoder: Autoencoder,
    images: NDArray[np.float32],
    *,
    samples: int | None,
    seed: int,
    told: Callable[[int], None] = lambda done: None,
) -> PerImage:
    """Measures images [B, H, W, C] in [0, 1]; the likelihood must be in nats.

    Where all codes can be enumerated, how often each of them is drawn is one multinomial draw; elsewhere every drawn
    z is decoded.

    Args:
        samples: m, the draws of the bound; None: no bound, as of a point q(z|x), where it is the ELBO for any m.
        seed: the run's; the same one gives the same draws.
        told: called with the number of images done.
    """
    measured: Enumeration | Sampling
    if (few := enumerable(autoencoder)) is not None:
        measured, at_once = Enumeration(autoencoder, few, samples), min(ENUMERATED, max(1, NUMBERS // few))
    elif samples is not None:
        measured, at_once = Sampling(autoencoder, IMAGES, samples), IMAGES
    else:
        return PerImage(None, None, None)
    parts = []
    for index, first in enumerate(range(0, len(images), at_once)):
        parts.append(measured(images[first : first + at_once], (seed, index)))
        told(min(first + at_once, len(images)))
    columns = zip(*parts, strict=True)
    return PerImage(*(None if column[0] is None else np.concatenate(column) for column in columns))


def enumerable(autoencoder: Autoencoder) -> int | None:
    """The number of all codes if log_p is a sum over them, otherwise None."""
    known = isinstance(autoencoder.bottleneck, OfCodes)
    return autoencoder.latent.combinations_within(MOST_CODES) if known else None


class Enumeration:
    """Every code with its decoded image, each decoded once."""

    def __init__(self, autoencoder: Autoencoder, num_codes: int, samples: int | None) -> None:
        bottleneck, latent = autoencoder.bottleneck, autoencoder.latent
        assert isinstance(bottleneck, OfCodes)
        assert latent.alphabets is not None
        sizes = latent.alphabets * latent.num_positions
        codes = tf.constant(np.stack(np.unravel_index(np.arange(num_codes), sizes), -1), tf.int32)
        at_once = max(1, NUMBERS // max(latent.size, autoencoder.num_pixels))
        parts = [codes[first : first + at_once] for first in range(0, num_codes, at_once)]
        self.outputs = tf.concat([autoencoder.decode(bottleneck.lookup(part)) for part in parts], 0)  # [C, P]
        self.log_prior = bottleneck.log_prior(codes).numpy().astype(np.float64)  # [C]
        self.codes, self.bottleneck, self.autoencoder = codes, bottleneck, autoencoder
        self.samples = samples

    def __call__(self, images: NDArray[np.float32], seed: tuple[int, int]) -> PerImage:
        """Measures images [B, H, W, C]; the draws depend on the seed and the number of the batch."""
        flat = tf.constant(images.reshape(len(images), -1))
        distortion = self.autoencoder.likelihood.of_pairs(flat, self.outputs).numpy()
        joint = (self.log_prior[:, None] - distortion).T  # [B, C], log p(x, z)
        log_q = self.bottleneck.log_posterior(self.autoencoder.encoder(tf.constant(images)), self.codes)
        log_q = log_q.numpy().T.astype(np.float64)
        log_q -= log_sum_exp(log_q)[:, None]  # 0 up to float32's rounding
        q, log_p = np.exp(log_q), log_sum_exp(joint)
        with np.errstate(divide="ignore", invalid="ignore"):  # where q is 0, which is left out
            gap = np.where(q > 0, q * (log_q - joint + log_p[:, None]), 0).sum(1)
            if self.samples is None:
                return PerImage(None, log_p, gap)
            shares = np.random.default_rng((_BOUND_SEED, *seed)).multinomial(self.samples, q) / self.samples
            bound = log_sum_exp(np.where(shares > 0, np.log(shares) + joint - log_q, -np.inf))
        return PerImage(bound, log_p, gap)


class Sampling:
    """The bound from draws that are decoded, in calls of one compiled program."""

    def __init__(self, autoencoder: Autoencoder, images: int, samples: int) -> None:
        """`images` is the size of a batch; a smaller one is filled up."""
        self.images, self.samples = images, samples
        self.draws = min(samples, max(1, NUMBERS // (images * autoencoder.num_pixels)))  # of each image at once
        variables, shape = list(autoencoder.weights.values()), (self.draws, images)

        def log_weights(weights: list[tf.Tensor], batch: tf.Tensor, seed: tf.Tensor, call: tf.Tensor) -> tf.Tensor:
            with keras.StatelessScope(zip(variables, weights, strict=True)):
                features = tf.tile(autoencoder.encoder(batch), (self.draws, 1, 1))
                z, log_weight = autoencoder.bottleneck.log_weight(features, seed=fold_in(seed, call))
                z = tf.reshape(z, (*shape, *autoencoder.bottleneck.latent_shape))
                distortion = autoencoder.distortion(tf.reshape(batch, (images, autoencoder.num_pixels)), z)
            return tf.reshape(log_weight, shape) - distortion

        self.weights = [variable.value for variable in variables]
        self._log_weights = program(
            log_weights, "bound", autoencoder.measured_as, *shape, compiler=autoencoder.compiler
        )

    def __call__(self, images: NDArray[np.float32], seed: tuple[int, int]) -> PerImage:
        """Measures images [B, H, W, C]; the draws depend on the seed and the number of the batch."""
        batch = tf.constant(np.resize(images, (self.images, *images.shape[1:])))
        of_batch = tf.constant([seed[0], _BOUND_SEED + seed[1]], tf.int32)
        total = np.full(self.images, -np.inf)
        for call, first in enumerate(range(0, self.samples, self.draws)):
            drawn = self._log_weights(self.weights, batch, of_batch, tf.constant(call)).numpy()[: self.samples - first]
            total = np.logaddexp(total, log_sum_exp(drawn.T.astype(np.float64)))
        return PerImage((total - math.log(self.samples))[: len(images)], None, None)


def log_sum_exp(terms: Floats) -> Floats:
    """log sum_j exp(terms_ij), [I]."""
    most = terms.max(1)
    return most + np.log(np.exp(terms - most[:, None]).sum(1))
