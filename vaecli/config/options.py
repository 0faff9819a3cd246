"""The options of the methods: type, range, default and one line of help, each defined once.

The registry says which method has which option. The keyword-only parameters of bottlenecks and estimators have the
same names; a test compares them, because a config is read without TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from vaecli.registry import Method


class Block(BaseModel):
    """A part of a config: frozen, strict, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True)
class Option:
    type: Any
    default: int | float
    help: str


Count = Annotated[int, Field(ge=1, le=65_536)]
Classes = Annotated[int, Field(ge=2, le=65_536)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Schedule(Block):
    """A value that goes from `start` at the first step to `end` after the last, never below `floor`."""

    schedule: Literal["exponential", "cosine", "linear"]
    start: Positive
    end: Positive
    floor: NonNegative = 0.0

    def __format__(self, spec: str) -> str:
        """Both ends in the given number format: "1→0.5"."""
        ends = f"{self.start:{spec}}→{self.end:{spec}}"
        return ends if self.floor <= self.end else f"{ends}, at least {self.floor:{spec}}"


# Pydantic's location names the branch of a union; the key of a config has no such part.
BRANCHES = ("(number)", "(schedule)", "(word)")
Temperature = Annotated[
    Annotated[Positive, Tag("(number)")] | Annotated[Schedule, Tag("(schedule)")],
    Discriminator(lambda value: "(schedule)" if isinstance(value, dict | Schedule) else "(number)"),
]

_OR_SCHEDULE = "or {schedule: exponential, start: 1.0, end: 0.5}"

OPTIONS: Mapping[str, Option] = {
    "latent_dim": Option(Count, 10, "dimensions of the Gaussian latent"),
    "num_latents": Option(Count, 1, "L: how many codes an image gets"),
    "num_classes": Option(Classes, 10, "K: values a code can take"),
    "num_codes": Option(Classes, 10, "K: rows of the codebook"),
    "code_dim": Option(Count, 10, "D: length of a codebook row"),
    "commitment": Option(NonNegative, 0.25, "weight of the commitment loss ||e - sg(q)||^2 (the article: 1)"),
    "unimix": Option(Share, 0.0, "share of a uniform distribution mixed into the posterior (DreamerV3: 0.01)"),
    "temperature": Option(Temperature, 1.0, f"tau: low is close to a hard code, high is smooth; {_OR_SCHEDULE}"),
    "forward_temperature": Option(Temperature, 1.0, "tau_f, of the codes drawn in training: high explores"),
    "backward_temperature": Option(Temperature, 0.5, f"tau_b, of the gradient; {_OR_SCHEDULE}"),
    "num_samples": Option(Count, 10, "S: draws of the noise that are averaged for one code"),
    "num_draws": Option(Classes, 4, "S: codes drawn and decoded for one image"),
    "gap": Option(Positive, 1.0, "how far the code's logit stands above the others in the backward pass"),
}


def described(method: Method) -> Mapping[str, Option]:
    """The options of a method; a method of another package describes its own."""
    every = {**OPTIONS, **method.described}
    return {name: every[name] for name in method.options}
