"""Toys whose loss and optimum are known: they need no data, and a training of theirs takes seconds."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, ValidationError
from pydantic_core import PydanticCustomError

from vaecli.config.options import Block, Positive
from vaecli.config.read import mistakes, validate
from vaecli.config.schema import ModelConfig
from vaecli.config.source import Key, Source
from vaecli.errors import ConfigError
from vaecli.registry import suggest

Number = Annotated[float, Field(allow_inf_nan=False)]
MOST_TARGETS = 16


class Polynomial(Block):
    """Minimise E mean_l |c(z_l) - target|^exponent over the logits of codes z_l, whose value c(k) is `codes[k]`.

    (arXiv 2304.08612.) The logits begin uniform in +-0.01; Adam takes the gradient of an estimator.
    """

    kind: Literal["polynomial"] = "polynomial"
    model: SerializeAsAny[ModelConfig]  # an estimator, num_latents and num_classes
    codes: tuple[Number, ...] = Field(strict=False, min_length=2)
    exponent: Positive
    target: Number = 0.45
    batch_size: Annotated[int, Field(ge=1)] = 64
    steps_per_epoch: Annotated[int, Field(ge=1)] = 200
    epochs: Annotated[int, Field(ge=1)] = 40
    learning_rate: Positive = 1e-3
    epsilon: Positive = 1e-8
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @property
    def optimum(self) -> float:
        """The least loss: every code is the one nearest to the target."""
        return float(min(abs(value - self.target) for value in self.codes) ** self.exponent)

    @property
    def start(self) -> float:
        """The expected loss of codes that are drawn uniformly, as at the start they nearly are."""
        return sum(abs(value - self.target) ** self.exponent for value in self.codes) / len(self.codes)


def _few(targets: tuple[float, ...]) -> tuple[float, ...]:
    if len(targets) > MOST_TARGETS:
        raise PydanticCustomError("few", f"should be at most {MOST_TARGETS} values, whose states are enumerated")
    return targets


class Tied(Block):
    """E sum_i (x_i - targets_i)^2 of independent x_i in {0, 1} that share the probability sigmoid(phi)."""

    kind: Literal["tied"]
    targets: Annotated[tuple[Number, ...], AfterValidator(_few)] = Field(strict=False, min_length=1)
    phi: Number = 0.0


Toy = Polynomial | Tied
KINDS: dict[str, type[Polynomial] | type[Tied]] = {"polynomial": Polynomial, "tied": Tied}


def toy_of(source: Source) -> Toy:
    """The toy that a tree describes; raises ConfigError with all of its mistakes, each with its place."""
    if source.mistakes:
        raise ConfigError([f"{place}: {text}" for place, text in source.mistakes])
    if not isinstance(source.tree, dict):
        raise ConfigError([f"{source.place(())}: a toy is a mapping such as `exponent: 2.0`"])
    tree = dict(source.tree)
    kind = tree.get("kind", "polynomial")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError([f"{source.place(('kind',))}: unknown toy {kind!r}{suggest(str(kind), KINDS)}"])
    if "model" in tree and kind == "polynomial":
        tree["model"] = validate(Source(source.name, {"model": tree["model"]}, source.places)).model
    try:
        found = KINDS[kind].model_validate(tree)
    except ValidationError as error:
        raise ConfigError([f"{place}: {text}" for place, text in mistakes(error, source, (), _unknown(kind))]) from None
    if isinstance(found, Polynomial):
        _check_model(found, source)
    return found


def _unknown(kind: str) -> Any:
    return lambda key: f"unknown key{suggest(key[-1], KINDS[kind].model_fields)}"


def _check_model(toy: Polynomial, source: Source) -> None:
    key: Key = ("model", "name")
    method = toy.model.method
    if method.estimator is None or method.enumerates:
        raise ConfigError([f"{source.place(key)}: model: a toy needs an estimator that draws codes"])
    (classes, *_) = toy.model.codes.values or ()
    if classes != len(toy.codes):
        raise ConfigError([f"{source.place(('codes',))}: codes: {len(toy.codes)} values for {classes} classes"])
