"""The schema of a config. Frozen, complete, no unknown keys; strict: '10' is not 10 and 1.0 is not a count.

In every block one key decides which others exist: `model.name`, `network.kind`, `data.name`, `objective.likelihood`,
`training.optimizer`. Each of its values has its own class, so a key that would have no effect is a mistake and never
silently kept.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SerializeAsAny,
    Tag,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vaecli.config.options import (
    MOST_STEPS,
    Block,
    LearningRate,
    NonNegative,
    Positive,
    Schedule,
    Share,
    Weight,
    described,
)
from vaecli.errors import ConfigError, is_text
from vaecli.registry import BUILT_IN, DATASETS, METHODS, Codes, Method

LONGEST_TITLE = 60
MOST_EPOCHS = 1_000_000


def _title(text: str) -> str:
    if not (0 < len(text.strip()) <= len(text) <= LONGEST_TITLE and text.isprintable()):
        raise PydanticCustomError("title", f"should be 1 to {LONGEST_TITLE} printable characters")
    return text


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise PydanticCustomError("path", "should be the path of a file or a folder")
    whole = os.path.expanduser(text)
    if not is_text(os.path.abspath(whole)):
        raise PydanticCustomError("path", "should be a path in UTF-8, as a run keeps it")
    return whole


Title = Annotated[str, AfterValidator(_title)]
FilePath = Annotated[str, AfterValidator(_path)]  # ~ is the user's home


class ModelConfig(Block):
    name: str = Field(description="the method; `vaecli init NAME` shows its options")

    @property
    def method(self) -> Method:
        return METHODS[self.name]

    def options(self) -> dict[str, Any]:
        """The options of this method, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "name"}

    @property
    def codes(self) -> Codes:
        """What the latent holds at each of its positions."""
        return self.method.bottleneck.codes(self.options())


Width = Annotated[int, Field(strict=True, ge=1, le=65_536)]


_KINDS = "mlp: fully connected layers; conv: convolutions"


def _no_effect(beside: str) -> PydanticCustomError:
    return PydanticCustomError("no_effect", "has no effect with {beside}", {"beside": beside})


class NetworkConfig(Block):
    """What every network has; each kind has a class with its own keys."""

    widths: ClassVar[str] = "hidden"  # the key that its memory grows with most

    kind: str = Field("mlp", description=_KINDS)
    activation: Literal["relu", "leaky_relu", "gelu", "silu", "tanh"] = Field(
        "relu", description="after each hidden layer: relu, leaky_relu, gelu, silu or tanh"
    )
    negative_slope: NonNegative | None = Field(
        None, description="of leaky_relu below zero; null: 0.2 with leaky_relu, and none without"
    )

    head_activation: Literal["none", "relu", "gelu", "silu", "tanh"] = Field(
        "none", description="of what the bottleneck reads, such as logits: none, relu, gelu, silu or tanh"
    )

    @field_validator("negative_slope")
    @classmethod
    def _slope_of_leaky_relu(cls, slope: float | None, info: ValidationInfo) -> float | None:
        if slope is not None and (name := info.data.get("activation", "leaky_relu")) != "leaky_relu":
            raise _no_effect(f"activation: {name}")
        return slope

    @property
    def slope(self) -> float:
        """The slope of leaky_relu below zero."""
        return 0.2 if self.negative_slope is None else self.negative_slope


class MlpConfig(NetworkConfig):
    hidden: tuple[Width, ...] = Field(
        (128,), strict=False, description="sizes of the encoder's hidden layers; the decoder's in reverse"
    )


class ConvConfig(NetworkConfig):
    widths: ClassVar[str] = "channels"

    kind: str = Field("conv", description=_KINDS)
    channels: tuple[Width, ...] = Field(
        (32, 64),
        strict=False,
        min_length=1,
        max_length=10,
        description="of the encoder's convolutions, each of which halves the image; the decoder's in reverse",
    )
    residual_blocks: int = Field(0, ge=0, le=100, description="of two convolutions each, in encoder and decoder")
    grid: bool = Field(
        True, description="codes in each cell of the last convolution; false: one position for the image"
    )
    dense: tuple[Width, ...] = Field(
        (),
        strict=False,
        max_length=10,
        description="sizes of dense layers behind the encoder's convolutions, with grid: false",
    )

    @field_validator("dense")
    @classmethod
    def _not_with_grid(cls, dense: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if dense and info.data.get("grid"):
            raise _no_effect("grid: true")
        return dense


class DataConfig(Block):
    name: str = Field("mnist", description="what to train on")
    fallback: Literal["digits"] | None = Field(
        None, description="train on this instead, with a message, if the data is unavailable"
    )
    validation: int = Field(0, ge=0, description="training images held out; the best weights on them are kept")
    validation_from: Literal["random", "start", "end"] = Field(
        "random", description="which are held out: a seeded draw, or the first or last ones"
    )
    train_on: Literal["train", "all"] = Field(
        "train", description="train, or all: the test images too, which then are no test; for protocols that do so"
    )
    binarization: Literal["none", "threshold", "static", "dynamic"] = Field(
        "none",
        description="pixels of 0 or 1: none, threshold, static (drawn once), or dynamic (drawn at each use)",
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="a pixel above it is 1; null: 0.5 with binarization: threshold, and none without"
    )
    binarized_path: FilePath | None = Field(
        None, description="published draws for binarization: static, a folder of .amat files or an npz; null: our own"
    )

    scaling: Literal["unit", "centred", "symmetric"] = Field(
        "unit", description="of pixels, as the networks have them: unit: [0, 1], centred: [-.5, .5], symmetric: [-1, 1]"
    )

    @field_validator("fallback", "validation_from", "threshold", "binarized_path")
    @classmethod
    def _has_effect(cls, value: Any, info: ValidationInfo) -> Any:
        key, known = str(info.field_name), info.data
        if value == cls.model_fields[key].default:
            return value
        if key == "fallback" and not DATASETS[name := known.get("name", "mnist")].fetched:
            raise _no_effect(f"data: {name}")
        if key == "validation_from" and known.get("validation") == 0:
            raise _no_effect("validation: 0")
        fits = {"threshold": "threshold", "binarized_path": "static"}.get(key)
        if fits and (how := known.get("binarization", fits)) != fits:
            raise _no_effect(f"binarization: {how}")
        return value

    @property
    def located(self) -> "DataConfig":
        """The same data in every working directory, and nothing in their place."""
        paths = {key: getattr(self, key, None) for key in ("path", "binarized_path")}
        absolute = {key: os.path.abspath(path) for key, path in paths.items() if path is not None}
        return self.model_copy(update={**absolute, "fallback": None})

    @property
    def above(self) -> float:
        """The value above which a pixel is 1."""
        return 0.5 if self.threshold is None else self.threshold


class NpzDataConfig(DataConfig):
    path: FilePath = Field(description="an npz of x_train and, if you have them, x_test, y_train, y_test; or an npy")
    title: Title | None = Field(None, description="name of the data in lists and figures; null: the file's name")
    labels: Literal["auto", "none"] = Field("auto", description="auto: y_train and y_test, if there are any; none")


class FolderDataConfig(DataConfig):
    path: FilePath = Field(description="the folder of PNG, JPEG, WebP and BMP files, below it or in train/ and test/")
    title: Title | None = Field(None, description="name of the data in lists and figures; null: the folder's name")
    size: int = Field(64, ge=1, le=4096, description="pixels along each side; the middle of a picture is cut out")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour")
    labels: Literal["auto", "none"] = Field("auto", description="auto: the sub-folders' names, if there are any; none")
    on_error: Literal["skip", "refuse"] = Field(
        "skip", description="with a picture that cannot be read: skip it and say so, or refuse them all"
    )


Scale = Annotated[
    Annotated[Positive, Tag("(number)")] | Annotated[Literal["learned"], Tag("(word)")],
    Discriminator(lambda value: "(word)" if isinstance(value, str) else "(number)"),
]
_LIKELIHOODS = "mse or l1: mean over pixels; bernoulli or gaussian: nats per image"


class ObjectiveConfig(Block):
    """What every likelihood has; each has a class, which knows its unit and may have keys of its own."""

    in_nats: ClassVar[bool] = False  # then distortion + rate is -ELBO
    unit: ClassVar[str] = "mean squared error per pixel"

    likelihood: str = Field("mse", description=_LIKELIHOODS)
    beta: Weight = Field(
        0.0, description="weight of the rate KL(q(z|x) || p(z)); or {schedule: linear, start: 0.0, end: 1.0}"
    )
    prior: Literal["uniform", "learned"] = Field(
        "uniform", description="p(z): uniform (a Gaussian's N(0, I)), or learned: probabilities of each code"
    )

    def __str__(self) -> str:
        """The likelihood with all that decides its figures: "gaussian of scale 0.1"."""
        return self.likelihood


class L1Config(ObjectiveConfig):
    unit: ClassVar[str] = "mean absolute error per pixel"

    likelihood: str = Field("l1", description=_LIKELIHOODS)


class BernoulliConfig(ObjectiveConfig):
    in_nats: ClassVar[bool] = True
    unit: ClassVar[str] = "nats per image"

    likelihood: str = Field("bernoulli", description=_LIKELIHOODS)


class GaussianConfig(ObjectiveConfig):
    in_nats: ClassVar[bool] = True
    unit: ClassVar[str] = "nats per image"

    likelihood: str = Field("gaussian", description=_LIKELIHOODS)
    scale: Scale = Field(1.0, description="standard deviation of each pixel around the decoder's output; or learned")

    def __str__(self) -> str:
        return f"gaussian of {self.scale} scale" if isinstance(self.scale, str) else f"gaussian of scale {self.scale:g}"


class EvaluationConfig(Block):
    codes: Literal["sample", "mode", "relaxed"] = Field(
        "sample",
        description="that distortion and -elbo are of: sample, mode, or relaxed, as gumbel's loss reads them",
    )


def _weight_decay(default: float) -> Any:
    return Field(default, description="each step also shrinks the weights by this times the learning rate")


class TrainingConfig(Block):
    """The keys that every optimiser has; each has a class with its own keys."""

    epochs: int | None = Field(10, ge=1, le=MOST_EPOCHS, description="passes over the training images")
    steps: int | None = Field(
        None, ge=1, le=MOST_STEPS, validate_default=True, description="of batches, instead of epochs"
    )
    evaluate_at: tuple[Annotated[int, Field(strict=True, ge=1, le=MOST_STEPS)], ...] = Field(
        (), strict=False, description="steps after which metrics.csv has a row too, e.g. [1000, 5000]"
    )
    batch_size: int = Field(64, ge=1, description="images per step")
    last_batch: Literal["drop", "keep"] = Field(
        "drop", description="of an epoch, where it is smaller than the others: drop or keep"
    )
    shuffle: bool = Field(True, description="another order of the images in each epoch; false: that of the file")
    optimizer: str = "adam"
    learning_rate: LearningRate = Field(
        "auto",
        description="step size; auto: 0.001, or 0.0003 for one latent behind several layers; "
        "or {schedule: cosine, start: 0.001, end: 0}",
    )
    clip_norm: Positive | None = Field(
        None, description="largest norm of the gradient over all weights; null: no limit"
    )
    initial_weights: Literal["glorot", "torch", "he", "lecun_normal"] = Field(
        "glorot", description="of dense layers; glorot, he and lecun_normal have zero biases, torch random ones"
    )
    output_bias: Literal["auto", "data_mean", "zero"] = Field(
        "auto",
        description="the decoder's first output: data_mean, zero, or auto: data_mean for likelihoods in nats",
    )
    compile: Literal["auto", "xla", "graph"] = Field(
        "auto", description="of a step: xla, graph, or auto: graph for convolutions and xla otherwise"
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description="of the products in encoder and decoder: float32, or mixed_bfloat16, where it is faster"
    )
    force_precision: bool = Field(False, description="train in mixed_bfloat16 where it is slower, too")
    seed: int = Field(0, ge=0, lt=2**31, description="initial weights, batch order and every draw")
    checkpoint_seconds: NonNegative = Field(
        60.0, description="between states saved inside a long epoch; changes no result"
    )

    @model_validator(mode="before")
    @classmethod
    def _steps_instead_of_epochs(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and tree.get("steps") is not None:
            return {"epochs": None, **tree}
        return tree

    @field_validator("steps")
    @classmethod
    def _one_length(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if "epochs" in info.data and (steps is None) == (info.data["epochs"] is None):
            raise PydanticCustomError("length", "a run has a length in `epochs` or in `steps`: give one of the two")
        return steps

    @field_validator("force_precision")
    @classmethod
    def _of_bfloat16(cls, forced: bool, info: ValidationInfo) -> bool:
        if forced and info.data.get("precision") == "float32":
            raise _no_effect("precision: float32")
        return forced

    @field_validator("evaluate_at")
    @classmethod
    def _ascending(cls, at: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if list(at) != sorted(set(at)):
            raise PydanticCustomError("ascending", "should be strictly increasing")
        total = info.data.get("steps")
        if at and total is not None and at[-1] > total:
            raise PydanticCustomError("beyond", "should be at most `steps`, {total}", {"total": total})
        return at

    def total_steps(self, steps_per_epoch: int) -> int:
        """The steps of the whole run."""
        return self.epochs * steps_per_epoch if self.epochs is not None else self.steps or 0

    def batches(self, images: int) -> int:
        """The steps of an epoch of so many images."""
        return -(-images // self.batch_size) if self.last_batch == "keep" else images // self.batch_size

    def passes(self, images: int) -> float:
        """How often a run sees this number of training images."""
        return self.epochs if self.epochs is not None else self.total_steps(1) * self.batch_size / images

    @property
    def unit(self) -> Literal["epoch", "step"]:
        """What the length of the run is given in."""
        return "step" if self.epochs is None else "epoch"

    @property
    def length(self) -> str:
        """The length of the run in words: "10 epochs", "5,000 steps"."""
        number = self.total_steps(1)
        return f"{number:,} {self.unit}{'s' * (number != 1)}"

    @property
    def counts_steps(self) -> bool:
        """Whether metrics.csv has rows inside epochs, and says after which step."""
        return self.steps is not None or bool(self.evaluate_at)

    def last_row(self, steps_per_epoch: int) -> int:
        """The epoch of the last row of metrics.csv, or its step where it counts steps."""
        return self.total_steps(steps_per_epoch if self.counts_steps else 1)


class MomentsConfig(TrainingConfig):
    epsilon: Positive = Field(1e-7, description="keeps the divisor of a step away from zero")
    beta_1: Share = Field(0.9, description="share of the running mean of gradients that each step keeps")
    beta_2: Share = Field(0.999, description="share of the running mean of their squares that each step keeps")


class AdamConfig(MomentsConfig):
    optimizer: Literal["adam"] = Field(
        "adam", description="adam, adamw, lion, muon, nadam, radam, rmsprop or sgd; each has keys of its own"
    )


class AdamWConfig(MomentsConfig):
    optimizer: Literal["adamw"] = "adamw"
    weight_decay: NonNegative = _weight_decay(0.004)


class LionConfig(TrainingConfig):
    optimizer: Literal["lion"] = "lion"
    beta_1: float = Field(0.9, gt=0, lt=1, description="share of the running mean of gradients in a step's direction")
    beta_2: Share = Field(0.99, description="share of the running mean of gradients that each step keeps")
    weight_decay: NonNegative = _weight_decay(0.0)


class MuonConfig(MomentsConfig):
    """Muon with `momentum` for every matrix, codebooks included; Adam with the betas for every vector."""

    optimizer: Literal["muon"] = "muon"
    momentum: Share = Field(0.95, description="share of a matrix's earlier gradients that each step keeps")
    weight_decay: NonNegative = _weight_decay(0.004)


class NadamConfig(MomentsConfig):
    optimizer: Literal["nadam"] = "nadam"


class RAdamConfig(MomentsConfig):
    optimizer: Literal["radam"] = "radam"


class RMSpropConfig(TrainingConfig):
    optimizer: Literal["rmsprop"] = "rmsprop"
    epsilon: Positive = Field(1e-7, description="keeps the divisor of a step away from zero")
    rho: Share = Field(0.9, description="share of the running mean of the gradients' squares that each step keeps")
    centered: bool = Field(False, description="divide by the gradients' variance instead of their squares")
    momentum: Share = Field(0.0, description="share of the last step that is kept")


class SGDConfig(TrainingConfig):
    optimizer: Literal["sgd"] = "sgd"
    momentum: Share = Field(0.0, description="share of the last step that is kept")


OPTIMIZERS: tuple[type[TrainingConfig], ...] = (
    AdamConfig,
    AdamWConfig,
    LionConfig,
    MuonConfig,
    NadamConfig,
    RAdamConfig,
    RMSpropConfig,
    SGDConfig,
)


class Config(Block):
    """The complete description of one run. It is frozen, and so are its blocks `objective`, `network`, ...

    Each block is dumped with the keys of its own class, such as those of the method, and not of the declared one alone.
    """

    model: SerializeAsAny[ModelConfig]
    network: SerializeAsAny[NetworkConfig] = MlpConfig()
    data: SerializeAsAny[DataConfig] = DataConfig()
    objective: SerializeAsAny[ObjectiveConfig] = ObjectiveConfig()
    training: SerializeAsAny[TrainingConfig] = AdamConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def schedules(self) -> dict[tuple[str, str], Schedule]:
        """Every value that changes during training, by block and key."""
        return {
            (block, key): value
            for block in ("model", "objective", "training")
            for key in type(getattr(self, block)).model_fields
            if isinstance(value := getattr(getattr(self, block), key), Schedule)
        }

    @property
    def scheduled(self) -> bool:
        """Whether a step depends on the total number of steps."""
        return any(schedule.stretched for schedule in self.schedules.values())

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain lists, numbers and strings, ready for YAML or JSON."""
        return self.model_dump(mode="json")


class _Models(Mapping[str, type[Block]]):
    """The block `model` of each method, made on first use: a method may come from another package."""

    def __getitem__(self, name: str) -> type[Block]:
        return _model_class(name)

    def __contains__(self, name: object) -> bool:
        return name in METHODS

    def __iter__(self) -> Iterator[str]:
        return (name for name in METHODS if _has_class(name))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _has_class(name: str) -> bool:
    try:
        _model_class(name)
    except ConfigError:
        return False
    return True


@cache
def _model_class(name: str) -> type[ModelConfig]:
    method = METHODS[name]
    try:
        options: dict[str, Any] = {
            key: (option.type, Field(method.defaults.get(key, option.default), description=option.help))
            for key, option in described(method).items()
        }
        return create_model(f"Model_{name}", __base__=ModelConfig, **options)
    except Exception as error:
        if name in BUILT_IN:
            raise
        raise ConfigError([f"model '{name}' cannot be used: its options do not form a schema ({error!r})"]) from error


# block -> (the deciding key, value -> class)
VARIANTS: Mapping[str, tuple[str, Mapping[str, type[Block]]]] = {
    "model": ("name", _Models()),
    "objective": (
        "likelihood",
        {"mse": ObjectiveConfig, "bernoulli": BernoulliConfig, "gaussian": GaussianConfig, "l1": L1Config},
    ),
    "network": ("kind", {"mlp": MlpConfig, "conv": ConvConfig}),
    "data": ("name", {**dict.fromkeys(DATASETS, DataConfig), "npz": NpzDataConfig, "folder": FolderDataConfig}),
    "training": ("optimizer", {cls.model_fields["optimizer"].default: cls for cls in OPTIMIZERS}),
}


def _is_text(annotation: Any) -> bool:
    return any(kind is str or get_args(kind)[:1] == (str,) for kind in (annotation, *get_args(annotation)))


# The keys whose values are texts, but for those that decide on others: what `--set` gives them is taken as it stands.
TEXTS = {
    (block, key)
    for block, (decider, variants) in VARIANTS.items()
    if block != "model"
    for variant in variants.values()
    for key, field in variant.model_fields.items()
    if key != decider and _is_text(field.annotation)
}


def keys_of_configs() -> dict[str, dict[str, Any]]:
    """The fields of every key, `block.key`, by the value of the block's deciding key that has it."""
    found: dict[str, dict[str, Any]] = {}
    for block, field in Config.model_fields.items():
        _, variants = VARIANTS.get(block, ("", {"": type(field.default)}))
        for value, cls in variants.items():
            for key, of_key in cls.model_fields.items():
                found.setdefault(f"{block}.{key}", {})[value] = of_key
    return found
