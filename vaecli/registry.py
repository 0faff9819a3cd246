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
class Component:
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
    bottleneck: Component
    estimator: Component | None = None
    enumerates: bool = False  # decodes every one of the K^L codes at each step, once for the whole batch
    constant_rate: bool = False  # the posterior is a point: beta would only add a constant to the loss

    @property
    def options(self) -> tuple[str, ...]:
        return self.bottleneck.options + (self.estimator.options if self.estimator else ())

    @property
    def discrete(self) -> bool:
        return "num_latents" in self.options


GAUSSIAN = Component("vaecli.bottlenecks.gaussian:Gaussian", ("latent_dim",))
CATEGORICAL = Component("vaecli.bottlenecks.categorical:Categorical", ("num_latents", "num_classes", "unimix"))
VECTOR_QUANTIZER = Component(
    "vaecli.bottlenecks.vector_quantizer:VectorQuantizer",
    ("num_latents", "num_codes", "code_dim", "commitment"),
)

METHODS: Mapping[str, Method] = {
    "vae": Method("Gaussian latent, reparameterised: the continuous case", GAUSSIAN),
    "categorical": Method(
        "a code is drawn and nothing else: no gradient reaches the encoder",
        CATEGORICAL,
        Component("vaecli.estimators.categorical:categorical"),
    ),
    "gumbel": Method(
        "Gumbel-softmax: a relaxed code instead of a hard one (arXiv 1611.01144, 1611.00712)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel:gumbel", ("temperature",)),
    ),
    "straight_through": Method(
        "hard code forward, the gradient of its probabilities backward (arXiv 1308.3432)",
        CATEGORICAL,
        Component("vaecli.estimators.straight_through:straight_through"),
    ),
    "vqvae": Method("nearest row of a learned codebook (arXiv 1711.00937)", VECTOR_QUANTIZER, constant_rate=True),
    "exact": Method(
        "every code is decoded: the true gradient, the yardstick of the others",
        CATEGORICAL,
        Component("vaecli.estimators.exact:exact"),
        enumerates=True,
    ),
    "identity_st": Method(
        "hard code forward, its gradient handed to the logits as it is (arXiv 1308.3432)",
        CATEGORICAL,
        Component("vaecli.estimators.identity_st:identity_st"),
    ),
    "gumbel_st": Method(
        "hard code forward, the gradient of its relaxed code backward (arXiv 1611.01144)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel_st:gumbel_st", ("temperature",)),
    ),
    "gumbel_rao": Method(
        "gumbel_st averaged over the noise that gives the same code (arXiv 2010.04838)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel_rao:gumbel_rao", ("temperature", "num_samples")),
    ),
    "gst": Method(
        "gumbel_st with a fixed gap in place of noise (arXiv 2206.07235)",
        CATEGORICAL,
        Component("vaecli.estimators.gst:gst", ("temperature", "gap")),
    ),
    "decoupled_st": Method(
        "gumbel_st with one temperature for the codes and one for the gradient (arXiv 2410.13331)",
        CATEGORICAL,
        Component("vaecli.estimators.decoupled_st:decoupled_st", ("forward_temperature", "backward_temperature")),
    ),
    "darn": Method(
        "score function with a first-order baseline from the decoder's gradient (arXiv 1310.8499)",
        CATEGORICAL,
        Component("vaecli.estimators.darn:darn"),
    ),
    "zgr": Method(
        "mean of straight_through and darn, gumbel_rao at temperature 0 (Shekhovtsov 2023)",
        CATEGORICAL,
        Component("vaecli.estimators.zgr:zgr"),
    ),
    "reinmax": Method(
        "hard code forward, a second-order rule backward (arXiv 2304.08612)",
        CATEGORICAL,
        Component("vaecli.estimators.reinmax:reinmax", ("temperature",)),
    ),
    "reinforce": Method(
        "score function with a moving-average baseline (Williams 1992)",
        CATEGORICAL,
        Component("vaecli.estimators.reinforce:reinforce"),
    ),
    "rloo": Method(
        "score function of S codes, each with the others as its baseline (Kool et al. 2019)",
        CATEGORICAL,
        Component("vaecli.estimators.rloo:rloo", ("num_draws",)),
    ),
    "arsm": Method(
        "losses compared at codes that exchanges of the noise lead to (arXiv 1905.01413)",
        CATEGORICAL,
        Component("vaecli.estimators.arsm:arsm"),
    ),
    "rebar": Method(
        "score function with the relaxed loss as control variate (arXiv 1703.07370)",
        CATEGORICAL,
        Component("vaecli.estimators.rebar:rebar", ("temperature",)),
    ),
    "relax": Method(
        "score function with a learned control variate (arXiv 1711.00123)",
        CATEGORICAL,
        Component("vaecli.estimators.relax:relax", ("temperature",)),
    ),
}

DATASETS: Mapping[str, str] = {
    "mnist": "60,000 + 10,000 handwritten digits, 28x28 (LeCun, Cortes, Burges)",
    "fashion_mnist": "60,000 + 10,000 pieces of clothing, 28x28 (arXiv 1708.07747)",
    "digits": "1,437 + 360 handwritten digits, 8x8, bundled with scikit-learn",
    "npz": "your own file: x_train, x_test and, if you have them, y_train, y_test",
}


MOST_LISTED = 20


def suggest(name: object, known: Iterable[str]) -> str:
    """`, did you mean 'gumbel'?` for a near miss, else the list of what exists."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f", did you mean '{near[0]}'?"
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return f" (known: {', '.join(known[:MOST_LISTED])}{more})"
