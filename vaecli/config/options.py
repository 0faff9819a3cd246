"""The options of the methods: type, range, default and one line of help, each said once.

Which method has which option stands in the registry. The keyword-only parameters of bottlenecks and
estimators are the same names; a test compares them, because a config is read without TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field


@dataclass(frozen=True)
class Option:
    type: Any
    default: int | float
    help: str


Count = Annotated[int, Field(ge=1, le=65_536)]
Classes = Annotated[int, Field(ge=2, le=65_536)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

OPTIONS: Mapping[str, Option] = {
    "latent_dim": Option(Count, 10, "dimensions of the Gaussian latent"),
    "num_latents": Option(Count, 1, "L: how many codes an image gets"),
    "num_classes": Option(Classes, 10, "K: values a code can take"),
    "num_codes": Option(Classes, 10, "K: rows of the codebook"),
    "code_dim": Option(Count, 10, "D: length of a codebook row"),
    "commitment": Option(NonNegative, 0.25, "weight of the commitment loss ||e - sg(q)||^2 (the article: 1)"),
    "temperature": Option(Positive, 1.0, "tau: low is close to a hard code, high is smooth"),
}
