"""The measurements of one split, from which every metric is computed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vaecli.config.latent import Latent
from vaecli.metrics.codes import Pairs, contingency, perplexity


@dataclass(frozen=True)
class Measured:
    """Means over a whole split, and each image's most probable codes. None if the method has no such quantity."""

    latent: Latent
    mse_sampled: float  # per pixel, on sampled hard codes
    mse_mode: float  # per pixel, on the most probable codes (a Gaussian's mean)
    mse_relaxed: float | None  # per pixel, on the relaxed sample used by the loss
    distortion: float | None  # nats per image, on sampled codes; None if the likelihood is not a density
    rate: float  # nats per image
    codes: NDArray[np.int32] | None  # [B, N], the mode
    labels: NDArray[np.int32] | None  # [B]
    scale: float | None = None  # the standard deviation of a pixel that the likelihood has learned

    @cached_property
    def columns(self) -> list[NDArray[np.int32]]:
        """The codes of each of the L codes of a position, over all images and positions."""
        if self.codes is None:
            return []
        of_positions = self.codes.reshape(len(self.codes), self.latent.num_positions, -1)
        return [of_positions[..., code].reshape(-1) for code in range(self.latent.codes_per_position)]

    @cached_property
    def counts(self) -> list[NDArray[np.int64]]:
        """How often each value of each of the L codes is used, [K] each."""
        alphabets = self.latent.alphabets or ()
        return [np.bincount(column, minlength=size) for column, size in zip(self.columns, alphabets, strict=True)]

    @cached_property
    def perplexities(self) -> list[float]:
        """exp of the entropy of the use of each of the L codes."""
        return [perplexity(counts) for counts in self.counts]

    @cached_property
    def used(self) -> list[float]:
        """The share of its values that each of the L codes takes."""
        return [float((counts > 0).mean()) for counts in self.counts]

    @cached_property
    def pairs(self) -> list[Pairs]:
        """How often each value of each of the N codes goes with each label; empty without codes or labels."""
        if self.codes is None or self.labels is None:
            return []
        return [contingency(column, self.labels) for column in self.codes.T]
