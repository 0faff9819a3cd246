"""Names that a config may use, what they stand for, and one line of help each.

Adding a method is one file and one line here. Targets are "module:attribute" and are imported on use, so
that reading this table (and `vaecli --help`) costs nothing.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """One piece of a method: where it is, and the names of its options (described in config/options.py)."""

    target: str
    options: tuple[str, ...] = ()

    def load(self) -> Any:
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Method:
    """A value of `model.name`: a bottleneck, and the gradient estimator it trains with if it needs one."""

    help: str
    bottleneck: Part
    estimator: Part | None = None
    enumerates: bool = False  # decodes every one of the K^L codes at each step
    constant_rate: bool = False  # the posterior is a point: beta would only add a constant to the loss

    @property
    def options(self) -> tuple[str, ...]:
        return self.bottleneck.options + (self.estimator.options if self.estimator else ())

    @property
    def discrete(self) -> bool:
        return "num_latents" in self.options


GAUSSIAN = Part("vaecli.bottlenecks.gaussian:Gaussian", ("latent_dim",))
CATEGORICAL = Part("vaecli.bottlenecks.categorical:Categorical", ("num_latents", "num_classes"))
VECTOR_QUANTIZER = Part(
    "vaecli.bottlenecks.vector_quantizer:VectorQuantizer",
    ("num_latents", "num_codes", "code_dim", "commitment"),
)

METHODS: Mapping[str, Method] = {
    "vae": Method("Gaussian latent, reparameterised: the continuous case", GAUSSIAN),
    "categorical": Method(
        "a code is drawn and nothing else: no gradient reaches the encoder",
        CATEGORICAL,
        Part("vaecli.estimators.categorical:categorical"),
    ),
    "gumbel": Method(
        "Gumbel-softmax: a relaxed code instead of a hard one (arXiv 1611.01144, 1611.00712)",
        CATEGORICAL,
        Part("vaecli.estimators.gumbel:gumbel", ("temperature",)),
    ),
    "straight_through": Method(
        "hard code forward, the gradient of its probabilities backward (arXiv 1308.3432)",
        CATEGORICAL,
        Part("vaecli.estimators.straight_through:straight_through"),
    ),
    "vqvae": Method("nearest row of a learned codebook (arXiv 1711.00937)", VECTOR_QUANTIZER, constant_rate=True),
    "exact": Method(
        "every code is decoded: the true gradient, the yardstick of the others",
        CATEGORICAL,
        Part("vaecli.estimators.exact:exact"),
        enumerates=True,
    ),
}

DATASETS: Mapping[str, str] = {
    "mnist": "60,000 + 10,000 handwritten digits, 28x28 (LeCun, Cortes, Burges)",
    "fashion_mnist": "60,000 + 10,000 pieces of clothing, 28x28 (arXiv 1708.07747)",
    "digits": "1,437 + 360 handwritten digits, 8x8, bundled with scikit-learn",
    "npz": "your own file: x_train, x_test and, if you have them, y_train, y_test",
}


MOST_LISTED = 10


def suggest(name: object, known: Iterable[str]) -> str:
    """`, did you mean 'gumbel'?` for a near miss, else the list of what exists."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f", did you mean '{near[0]}'?"
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return f" (known: {', '.join(known[:MOST_LISTED])}{more})"
