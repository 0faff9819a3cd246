"""The latent of a run: the number of codes per image, the number of values of each, and their layout.

The registry's entry of a bottleneck says what one position holds, and the network how many positions there are. All
other code reads it here, or from run.json, where each run records it.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vaecli.registry import Codes

# Above this, decoding every code and k-means as a reference are no longer sensible.
MAX_ENUMERATED_CODES = 256
Exported = Literal["whole", "encoder", "decoder", "prior", "prior-by-label"]  # parts of a model around the latent
MOST_CODES = 16_384  # that an audit or an evaluation decodes, each once


@dataclass(frozen=True)
class Latent:
    """A grid of positions that hold codes, or one vector of real numbers each."""

    positions: tuple[int, int]  # H', W'; (1, 1) for a network without a grid
    codes_per_position: int  # L; 1 for a vector
    alphabets: tuple[int, ...] | None  # the number of values of each of the L codes; None for a vector
    width: int  # D, the number of values that the decoder reads for each code
    summed: bool = False  # whether it reads one vector of D for all codes of a position, their sum

    @classmethod
    def of(cls, codes: Codes, positions: tuple[int, int] = (1, 1)) -> "Latent":
        """The latent with these codes at each position."""
        values = None if codes.values is None else tuple(codes.values)
        return cls(positions, codes.per_position, values, codes.width, codes.summed)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> "Latent":
        """The latent that `to_dict` was called on."""
        height, width = tree["positions"]
        alphabets = tree["alphabets"]
        return cls(
            (height, width),
            tree["codes_per_position"],
            None if alphabets is None else tuple(alphabets),
            tree["width"],
            tree.get("summed", False),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, in the form of run.json and summary.json."""
        return {
            "positions": list(self.positions),
            "codes_per_position": self.codes_per_position,
            "alphabets": None if self.alphabets is None else list(self.alphabets),
            "width": self.width,
            **({"summed": True} if self.summed else {}),
            "capacity_bits": self.capacity_bits,
        }

    @property
    def discrete(self) -> bool:
        """Whether it consists of codes."""
        return self.alphabets is not None

    @property
    def num_positions(self) -> int:
        return math.prod(self.positions)

    @property
    def num_codes(self) -> int:
        """N, the codes (or vectors) of an image."""
        return self.num_positions * self.codes_per_position

    @property
    def num_vectors(self) -> int:
        """The vectors of D values that the decoder reads: one for each code, or for each position if summed."""
        return self.num_positions if self.summed else self.num_codes

    @property
    def layout(self) -> tuple[int, ...]:
        """The shape of an image's codes where they are kept: [L], of a grid [H', W', L]; of vectors with D for L."""
        values = self.codes_per_position if self.discrete else self.codes_per_position * self.width
        return (values,) if self.num_positions == 1 else (*self.positions, values)

    @property
    def size(self) -> int:
        """The number of values that the decoder reads for an image."""
        return self.num_vectors * self.width

    @property
    def capacity_bits(self) -> float | None:
        """The sum of log2 of the alphabet sizes over all codes; None for vectors, which have no bound."""
        if self.alphabets is None:
            return None
        return sum(self.num_positions * times * math.log2(values) for values, times in Counter(self.alphabets).items())

    @property
    def combinations(self) -> int | None:
        """The number of different codes an image can have; None for vectors, or if they are too many to decode each."""
        return self.combinations_within(MAX_ENUMERATED_CODES)

    def combinations_within(self, most: int) -> int | None:
        """The number of different codes an image can have; None for vectors, or if there are more than `most`."""
        if self.alphabets is None or self.num_codes > math.log2(most):  # an alphabet has two values
            return None
        found = math.prod(self.alphabets) ** self.num_positions
        return found if found <= most else None

    @property
    def enumerable(self) -> bool:
        """Whether there are few enough codes to decode each."""
        return self.combinations is not None

    @property
    def single(self) -> int | None:
        """The number of values of an image's only code; None if it has several codes, or a vector."""
        return self.alphabets[0] if self.alphabets is not None and self.num_codes == 1 else None

    @property
    def most_values(self) -> int | None:
        """The largest number of values of any code; None for vectors."""
        return None if self.alphabets is None else max(self.alphabets)

    def __str__(self) -> str:
        """A short description: "Gaussian, 10 dimensions", "2 of 10 codes", "7×7×2 of 512 codes"."""
        if self.alphabets is None:
            return f"Gaussian, {self.size} dimensions"
        sizes = sorted(set(self.alphabets))
        values = str(sizes[0]) if len(sizes) == 1 else "/".join(map(str, self.alphabets))
        count = str(self.codes_per_position)
        if self.positions != (1, 1):
            count = "×".join(map(str, self.positions)) + (f"×{count}" if self.codes_per_position > 1 else "")
        return f"{count} of {values} codes"
