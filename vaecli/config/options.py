"""The options of the methods: type, range, default and one line of help, each defined once.

The registry says which method has which option. The keyword-only parameters of bottlenecks and estimators have the
same names; a test compares them, because a config is read without TensorFlow.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from vaecli.registry import Method


class Block(BaseModel):
    """A part of a config: frozen, strict, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True)
class Option:
    type: Any
    default: Any
    help: str
    only_with: tuple[str, tuple[Any, ...]] | None = None  # another option, and its values with which it has an effect


Count = Annotated[int, Field(ge=1, le=65_536)]
Classes = Annotated[int, Field(ge=2, le=65_536)]
SMALLEST, LARGEST = 2.0**-126, 2.0**128 * (1 - 2.0**-24)  # of 32-bit floats
NEAREST_TO_1 = 1 - 2.0**-24  # from below


def _as_trained(value: float) -> float:
    """The number itself, if it is not 0, 1 or infinite in the 32-bit floats of a training."""
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise PydanticCustomError("float32", "should be from 1.2e-38 to 3.4e38 in size, as training has 32-bit floats")
    if NEAREST_TO_1 < value < 1:
        raise PydanticCustomError("float32", "should not be so near to 1, which it is in training's 32-bit floats")
    return value


_Number = Annotated[float, AfterValidator(_as_trained)]
Positive = Annotated[_Number, Field(gt=0)]
NonNegative = Annotated[_Number, Field(ge=0)]
Share = Annotated[_Number, Field(ge=0, lt=1)]
MOST_VALUES = 65_536  # of one code


def _levels(levels: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(levels) > MOST_VALUES:
        raise PydanticCustomError("levels", "should be at most {most} codes together", {"most": f"{MOST_VALUES:,}"})
    return levels


Levels = Annotated[
    tuple[Annotated[int, Field(ge=2, le=256)], ...],
    Field(strict=False, min_length=1, max_length=16),
    AfterValidator(_levels),
]


MOST_STEPS = 1_000_000_000


def _every(value: Any) -> Any:
    if value in ("step", "epoch") or (type(value) is int and 1 <= value <= MOST_STEPS):
        return value
    raise PydanticCustomError("every", "should be step, epoch or a count of steps")


_EVERY = {"anyOf": [{"enum": ["step", "epoch"]}, {"type": "integer", "minimum": 1, "maximum": MOST_STEPS}]}
STRETCHED = ("linear", "cosine", "exponential")  # shapes from `start` to `end` over a horizon
# The keys that a shape has no use for; `every` of a constant is that of its warm-up.
WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "constant": ("end", "floor", "horizon", "factor", "restart"),
    "steps": ("end",),
    **dict.fromkeys(STRETCHED, ("factor",)),
}


class Schedule(Block):
    """A value that changes during training: a linear warm-up to `start`, then a shape that is never below `floor`.

    Of `linear`, `cosine` and `exponential`, the shape goes from `start` to `end` over what the horizon leaves after the
    warm-up, and stays there; of `steps` it is start * factor^(number of updates), one after every `every`.
    """

    rises_from: ClassVar[float] = 0.0  # the first value of a warm-up, as a share of `start`

    schedule: Literal["constant", "linear", "cosine", "exponential", "steps"]
    start: NonNegative
    end: NonNegative | None = Field(None, validate_default=True)
    floor: NonNegative = 0.0
    warm_up: NonNegative = 0.0  # epochs
    warm_up_from: NonNegative | None = None
    horizon: Positive | None = None  # epochs, warm-up included; None: the length of the run
    every: Annotated[Literal["step", "epoch"] | int, PlainValidator(_every), WithJsonSchema(_EVERY)] = "step"
    factor: Positive | None = Field(None, validate_default=True)
    restart: Literal["never", "epoch"] = "never"

    @field_validator("start", "end", "floor", "warm_up_from", "horizon", "every", "factor", "restart")
    @classmethod
    def _fits_the_shape(cls, value: Any, info: ValidationInfo) -> Any:
        key, known = str(info.field_name), info.data
        shape, warm_up = known.get("schedule"), known.get("warm_up")
        if shape is None:
            return value
        if value is None and key in {**dict.fromkeys(STRETCHED, ("end",)), "steps": ("factor",)}.get(shape, ()):
            raise PydanticCustomError("missing", "missing")
        if value == cls.model_fields[key].default:
            return value
        if key in WITHOUT_EFFECT[shape]:
            raise PydanticCustomError("shape", "has no effect with schedule: {shape}", {"shape": shape})
        if not warm_up and (key == "warm_up_from" or (key == "every" and shape == "constant")):
            raise PydanticCustomError("warm_up", "has no effect without a warm_up")
        if shape == "exponential" and key in ("start", "end") and not value:
            raise PydanticCustomError("exponential", "should be greater than 0 with schedule: exponential")
        if key == "horizon" and warm_up and value <= warm_up:
            raise PydanticCustomError(
                "horizon", "should be greater than the warm_up that it includes, {w}", {"w": f"{warm_up:g}"}
            )
        if key == "restart" and known.get("horizon"):
            raise PydanticCustomError("restart", "an epoch cannot have a `horizon`: the shape takes all of it")
        return value

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What has no effect at its default is left out; `floor` stays, as a hash of the whole has always had it."""
        fields = type(self).model_fields
        return {key: value for key, value in handler(self).items() if key == "floor" or value != fields[key].default}

    @property
    def warm_up_start(self) -> float:
        """The first value of the warm-up."""
        return self.rises_from * self.start if self.warm_up_from is None else self.warm_up_from

    @property
    def stretched(self) -> bool:
        """Whether its values depend on the length of the run."""
        return self.schedule in STRETCHED and self.horizon is None and self.restart == "never"

    def __format__(self, spec: str) -> str:
        """Its course, with numbers in the given format: "1→0.5", "0→1, warm-up 5 epochs"."""
        course = f"{self.start:{spec}}"
        if self.warm_up:
            course = f"{self.warm_up_start:{spec}}→{course}"
        if self.end is not None:
            course += f"→{self.end:{spec}}"
        if self.factor is not None:
            course += f" times {self.factor:{spec}}"
        words = [course]
        if self.floor > (self.end or 0):
            words.append(f"at least {self.floor:{spec}}")
        if self.warm_up:
            words.append(f"warm-up {self.warm_up:g} epoch{'s' * (self.warm_up != 1)}")
        if self.horizon is not None:
            words.append(f"over {self.horizon:g} epoch{'s' * (self.horizon != 1)}")
        if self.every != "step" or self.factor is not None:
            words.append(f"every {self.every:,} steps" if isinstance(self.every, int) else f"each {self.every}")
        if self.restart != "never":
            words.append("again in each epoch")
        return ", ".join(words)


class TemperatureSchedule(Schedule):
    """Never 0. A warm-up that says nothing else stays at `start`."""

    rises_from: ClassVar[float] = 1.0

    start: Positive
    end: Positive | None = Field(None, validate_default=True)
    warm_up_from: Positive | None = None


class LearningRateSchedule(Schedule):
    """May end at 0."""

    rises_from: ClassVar[float] = 1e-3

    start: Positive


# Pydantic's location names the branch of a union; the key of a config has no such part.
BRANCHES = ("(number)", "(schedule)", "(word)")


def _branch(value: Any) -> str:
    return "(schedule)" if isinstance(value, dict | Schedule) else "(number)"


_BRANCH = Discriminator(_branch)
Temperature = Annotated[
    Annotated[Positive, Tag("(number)")] | Annotated[TemperatureSchedule, Tag("(schedule)")], _BRANCH
]
Weight = Annotated[Annotated[NonNegative, Tag("(number)")] | Annotated[Schedule, Tag("(schedule)")], _BRANCH]
LearningRate = Annotated[
    Annotated[Positive, Tag("(number)")]
    | Annotated[LearningRateSchedule, Tag("(schedule)")]
    | Annotated[Literal["auto"], Tag("(word)")],
    Discriminator(lambda value: "(word)" if value == "auto" else _branch(value)),
]

_OR_SCHEDULE = "or {schedule: exponential, start: 1.0, end: 0.5}"

OPTIONS: Mapping[str, Option] = {
    "latent_dim": Option(Count, 10, "dimensions of the Gaussian latent"),
    "scale_head": Option(
        Literal["log_std", "log_variance", "softplus"],
        "log_std",
        "what the head gives of the posterior's scale: log_std, log_variance, or a number whose softplus it is",
    ),
    "num_latents": Option(Count, 1, "L: how many codes an image gets"),
    "num_classes": Option(Classes, 10, "K: values a code can take"),
    "num_codes": Option(Classes, 10, "K: rows of the codebook"),
    "code_dim": Option(Count, 10, "D: length of a codebook row"),
    "commitment": Option(NonNegative, 0.25, "weight of the commitment loss ||e - sg(q)||^2 (the article: 1)"),
    "codebook": Option(
        Literal["gradient", "ema"],
        "gradient",
        "rows learned by gradient, or as moving averages of their encodings: ema",
    ),
    "decay": Option(
        Share, 0.99, "share of the averages that each step keeps (short runs: 0.8)", only_with=("codebook", ("ema",))
    ),
    "init": Option(
        Literal["normal", "kmeans"], "normal", "the first rows: N(0, 0.05^2), or kmeans of some 16,000 encodings"
    ),
    "restart": Option(
        NonNegative, 0.0, "a row with fewer uses a batch (moving mean) becomes a random encoding, e.g. 1.0; 0: none"
    ),
    "gradient": Option(
        Literal["straight_through", "rotation"],
        "straight_through",
        "of z to the encoder: as it is, or turned and scaled as the row is: rotation (arXiv 2410.06424)",
    ),
    "distance": Option(
        Literal["euclidean", "cosine"], "euclidean", "the nearest row's; cosine: on the sphere (arXiv 2110.04627)"
    ),
    "unquantized_steps": Option(
        Annotated[int, Field(ge=0, le=MOST_STEPS)],
        0,
        "first steps, in which the decoder reads encodings (arXiv 2605.06870, with init: kmeans)",
    ),
    "noise_variance": Option(NonNegative, 1e-3, "of the noise in the direction of a step from encoding to row"),
    "stages": Option(Annotated[int, Field(ge=1, le=64)], 2, "codebooks, each of what those before it left"),
    "of": Option(
        Literal["vqvae", "simvq", "diveq"], "vqvae", "the quantiser that each stage is: vqvae, simvq or diveq"
    ),
    "levels": Option(Levels, (5, 2), "of each rounded number; their product is the number of codes"),
    "bits": Option(Annotated[int, Field(ge=1, le=16)], 3, "signs of a position, which has 2^bits codes"),
    "entropy_weight": Option(NonNegative, 0.1, "of the loss for sure codes of an image and diverse codes of a batch"),
    "unimix": Option(Share, 0.0, "share of a uniform distribution mixed into the posterior (DreamerV3: 0.01)"),
    "embedding": Option(
        Literal["one_hot", "integer"], "one_hot", "what the decoder reads of code k: one_hot, or integer: k / (K - 1)"
    ),
    "parameterization": Option(
        Literal["softmax", "catnat", "catnat_sigmoid"],
        "softmax",
        "of probabilities: softmax, or splits in two, catnat or catnat_sigmoid (arXiv 2509.24728)",
    ),
    "temperature": Option(Temperature, 1.0, f"tau: low is close to a hard code, high is smooth; {_OR_SCHEDULE}"),
    "forward_temperature": Option(Temperature, 1.0, "tau_f, of the codes drawn in training: high explores"),
    "backward_temperature": Option(Temperature, 0.5, f"tau_b, of the gradient; {_OR_SCHEDULE}"),
    "forward": Option(
        Literal["coupled", "independent", "mode"],
        "coupled",
        "the code that the decoder reads: of the gradient's noise, independent of it, or the mode",
    ),
    "num_samples": Option(Count, 10, "S: draws of the noise that are averaged for one code"),
    "num_draws": Option(Classes, 4, "S: codes drawn and decoded for one image"),
    "perturbation": Option(
        Positive,
        1.0,
        "epsilon: what moves the code, per unit of loss; 100 suits mse, 0.1 nats; small is noisy, large biased",
    ),
    "set_size": Option(
        Annotated[int, Field(ge=2, le=6)],
        4,
        "S: different codes drawn and decoded for one image, whose orders are summed",
    ),
    "second_order": Option(
        Weight, 1e6, "t: weight of exactness for quadratic losses against variance; 0 is straight_through"
    ),
    "control_weight": Option(NonNegative, 0.5, "eta: weight of the control variate; 0 is reinmax at temperature 1"),
    "denoising_steps": Option(Annotated[int, Field(ge=1, le=64)], 2, "S: denoisings between noise and a code"),
    "first_time": Option(
        Annotated[float, Field(gt=0, le=1)], 0.5, "t_1: how much noise is left before the code; 1 is straight_through"
    ),
    "gap": Option(Positive, 1.0, "how far the code's logit stands above the others in the backward pass"),
}


# The options of a stage that only some quantisers have.
OF_STAGES = {
    "commitment": ("vqvae", "simvq"),
    **dict.fromkeys(("codebook", "init", "restart", "gradient"), ("vqvae",)),
    "noise_variance": ("diveq",),
}


def described(method: Method) -> Mapping[str, Option]:
    """The options of a method; a method of another package describes its own."""
    every = {**OPTIONS, **method.described}
    found = {name: every[name] for name in method.options}
    if "of" in found:
        found |= {name: replace(found[name], only_with=("of", kinds)) for name, kinds in OF_STAGES.items()}
    return found
