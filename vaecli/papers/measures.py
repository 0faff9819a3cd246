"""What published figures measure: every name that a source may use, and what of a run it is read from.

A figure that vaecli rightly does not have is in the table too, with the reason: its cells are kept and not expressible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vaecli.config import Config
from vaecli.config.latent import Latent


@dataclass(frozen=True)
class Measure:
    """One kind of published figure."""

    meaning: str
    columns: tuple[str, ...] = ()  # of metrics.csv, whose sum it is
    unit: str = "nats per image"
    better: Literal["low", "high"] | None = "low"
    evaluated: Literal["train"] | None = None  # the split of which the last weights are evaluated, one draw an image
    missing: str | None = None  # why no run of vaecli has it
    toy: Literal["polynomial", "tied"] | None = None  # the kind of toy that it is of

    @property
    def of_training(self) -> bool:
        """Whether it is a mean over training steps, which may be taken over the last of them alone."""
        return not self.columns[:1] or not self.columns[0].startswith(("test_", "validation_"))

    def lacking(self, config: Config) -> str | None:
        """What the runs of a config lack for it; None if they have it."""
        likelihood = config.objective.likelihood
        wanted = ("mse",) if self.unit == _MSE and self.of_training else IN_NATS if self.unit == NATS else ()
        if wanted and likelihood not in wanted and self.columns != ("rate",):
            return f"is measured with objective.likelihood: {' or '.join(wanted)}, received {likelihood}"
        if any(column.startswith("validation_") for column in self.columns) and not config.data.validation:
            return "is measured on images that data.validation holds out, received 0"
        if self.evaluated and config.model.method.constant_rate:
            return f"is measured on a draw of q(z|x), which is a point with {config.model.name}"
        if self.columns == ("test_perplexity",) and not Latent.of(config.model.codes).discrete:
            return f"is measured on codes, and {config.model.name} has none"
        return None


NATS, IN_NATS = "nats per image", ("bernoulli", "gaussian")
_MSE, _PART = "squared error per pixel", "mean square between encoding and code"

MEASURES: Mapping[str, Measure] = {
    "train -elbo": Measure("distortion + rate, a mean over the epoch's steps", ("distortion", "rate")),
    "train distortion": Measure("a mean over the epoch's steps", ("distortion",)),
    "train rate": Measure("a mean over the epoch's steps", ("rate",), better=None),
    "train mse": Measure("a mean over the epoch's steps", ("distortion",), _MSE),
    "train penalty": Measure("codebook and commitment loss, a mean over the epoch's steps", ("penalty",), _PART, None),
    "validation -elbo": Measure("distortion + rate", ("validation_distortion", "validation_rate")),
    "test -elbo": Measure("distortion + rate", ("test_distortion", "test_rate")),
    "test mse": Measure("on sampled codes", ("test_mse_sampled",), _MSE),
    "test perplexity": Measure("of the codes over the test set", ("test_perplexity",), "", "high"),
    "loss": Measure("the loss of a toy, a mean over the epoch's steps", ("loss",), "", toy="polynomial"),
    "exact loss": Measure("the expected loss of a toy", ("exact_loss",), "", None, toy="tied"),
    "exact gradient": Measure("the gradient of a toy's expected loss", ("exact_gradient",), "", None, toy="tied"),
    "train -elbo, evaluated": Measure(
        "one hard sample of each training image after the last epoch",
        evaluated="train",
    ),
    "bound": Measure(
        "minus the importance-weighted bound inside a training",
        missing="a bound inside a training: `vaecli evaluate` has one of its end",
    ),
    "batch perplexity": Measure(
        "of the codes of each batch, then averaged",
        unit="",
        better="high",
        missing="a perplexity per batch, which depends on the batch size",
    ),
    "train perplexity": Measure(
        "of the codes over the training set",
        unit="",
        better="high",
        missing="the codes of the training set inside a training",
    ),
    "train codes used": Measure(
        "values that some training image takes",
        unit="codes",
        better="high",
        missing="the codes of the training set inside a training",
    ),
    "test quantisation": Measure(
        "mean square between encoding and code on the test images", unit=_PART, missing="the penalty of the test images"
    ),
    "code cross-entropy": Measure(
        "of a held-out code under an autoregressive prior",
        unit="nats per code",
        missing="an autoregressive prior over the codes, which also depends on the codes of that run",
    ),
}
