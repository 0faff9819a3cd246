"""The form of files in an output folder, which may come from others: types, ranges and lengths.

Unknown keys are ignored, so that a newer version can add some.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from vaecli.errors import printable
from vaecli.metrics.metric import OF_TEST

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
_WHOLE = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")

Text = Annotated[str, Field(max_length=10_000), AfterValidator(printable)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", max_length=64)]
# Names of a run's folder or of a folder in it, which cannot lead elsewhere.
_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
FileName = Annotated[str, Field(pattern=f"^{_NAME}(/{_NAME})?$", max_length=400)]
Number = Annotated[float, Field(ge=-1e39, le=1e39)]  # float32 ends at 3.4e38
Count = Annotated[int, Field(ge=0, le=10**15)]
Size = Annotated[int, Field(ge=1, le=10**6)]
Share = Annotated[float, Field(ge=0, le=1)]


SplitName = Literal["train", "validation", "test"]
Kept = Literal["last", "best"]  # weights that are evaluated


@with_config(_STRICT)
class Data(TypedDict):
    """The block `data` of run.json: what the run was trained on."""

    name: Text
    title: NotRequired[Text | None]
    fallback_for: Text | None
    source: Text
    binarization: NotRequired[Text]
    digest: Digest
    scale: Annotated[float, Field(gt=0, le=1)]
    image_shape: Annotated[list[Size], Field(min_length=2, max_length=3)]  # H, W, and C if it is not 1
    train: Count
    validation: Count
    test: Count


@with_config(_STRICT)
class Session(TypedDict):
    """One session: where and with what a run was started or resumed."""

    argv: list[Text]
    started: Text
    data: Data
    git_commit: Text | None
    versions: dict[Text, Text | None]
    host: Text
    platform: Text
    cpu: Text
    cpus: Count | None
    threads: Text | None
    changed: NotRequired[list[Text]]


@with_config(_WHOLE)
class ModelHead(TypedDict):
    """The common part of a config's `model`."""

    name: Text


@with_config(_WHOLE)
class TrainingHead(TypedDict):
    """The common part of a config's `training`."""

    seed: Count
    epochs: Size | None
    steps: NotRequired[Count | None]


@with_config(_WHOLE)
class ConfigHead(TypedDict):
    """The part of a config that a list of runs reads; vaecli.config reads all of it."""

    model: ModelHead
    training: TrainingHead


@with_config(_STRICT)
class LatentFile(TypedDict):
    """The latent of an image, in run.json and summary.json."""

    positions: Annotated[list[Size], Field(min_length=2, max_length=2)]
    codes_per_position: Size
    alphabets: Annotated[list[Size], Field(min_length=1, max_length=10**6)] | None
    width: Size
    summed: NotRequired[bool]


@with_config(_STRICT)
class Info(Session):
    """run.json."""

    format: int
    latent: NotRequired[LatentFile]
    run: NotRequired[Text]  # the name of the folder when the run began
    extends: Text | None
    config: ConfigHead
    history: NotRequired[list[Session]]


@with_config(_STRICT)
class Errors(TypedDict):
    """Squared errors per pixel."""

    sampled: Number
    mode: Number
    relaxed: Number | None


@with_config(_STRICT)
class PerLatent(TypedDict):
    """Metrics of each of several codes."""

    perplexity: list[Number]
    codes_used: list[Share]
    nmi: list[Number] | None


def _test() -> Any:
    """The form of summary.json's `test`, from the table of metrics; older runs may lack metrics added since."""
    fields: dict[str, Any] = {
        metric.key.removeprefix("test."): NotRequired[Number | None]
        for metric in OF_TEST
        if metric.key.count(".") == 1 and metric.key not in FIRST
    }
    fields |= {"mse": Errors, **{key.removeprefix("test."): form for key, form in FIRST.items()}}
    return with_config(_STRICT)(TypedDict("Test", {**fields, "per_latent": NotRequired[PerLatent]}))  # type: ignore


FIRST: dict[str, Any] = {  # figures that all runs have
    "test.distortion": Number | None,
    "test.rate": Number,
    "test.elbo": Number | None,
    "test.bits": Number,
    "test.capacity_bits": Number | None,
    "test.perplexity": Number | None,
    "test.codes_used": Share | None,
    "test.nmi": Number | None,
}
Test: Any = _test()


@with_config(_STRICT)
class SummaryData(TypedDict):
    """summary.json's `data`."""

    name: Text
    fallback_for: Text | None
    digest: Digest


@with_config(_STRICT)
class SplitSizes(TypedDict):
    """Images of each split."""

    train: Count
    test: Count


@with_config(_STRICT)
class Protocol(TypedDict):
    """The block `protocol` of summary.json: how the figures were measured."""

    likelihood: Text
    binarization: Text
    bound: Text
    split: SplitSizes
    rate: Text
    codes: Text


@with_config(_STRICT)
class MeanImage(TypedDict):
    """The test errors of predicting the mean training image."""

    mse: Number  # per pixel
    distortion: Number | None  # nats per image; None if the likelihood is not in nats


@with_config(_STRICT)
class Summary(TypedDict):
    """summary.json."""

    format: int
    latent: NotRequired[LatentFile]
    test: Test
    mean_image: NotRequired[MeanImage]
    codebook: NotRequired[dict[Text, Number | None]]
    gradient_norm: dict[Text, Number]
    without_gradient: list[Text]
    parameters: Count
    seconds: Number
    data: SummaryData
    protocol: NotRequired[Protocol]
    files: dict[FileName, Digest]


@with_config(_STRICT)
class PrunedFile(TypedDict):
    """pruned.json: the files that `vaecli prune` has removed, by their names in summary.json."""

    format: int
    pruned: Annotated[list[FileName], Field(max_length=100_000)]


@with_config(_STRICT)
class Estimate(TypedDict):
    """The mean over images of a figure: in nats, and of a code length in bits."""

    value: Number
    standard_error: Number | None  # over the images; None for a single one


@with_config(_STRICT)
class Bound(Estimate):
    """Minus the importance-weighted bound of so many samples per image."""

    samples: Size


@with_config(_STRICT)
class Evaluated(TypedDict):
    """What was measured of one split with some weights."""

    split: SplitName
    weights: Kept
    digest: Digest  # of the file of the weights
    images: Count
    negative_log_p: Estimate | None  # None: not a sum over few codes
    posterior_gap: Estimate | None
    bounds: list[Bound]  # by the number of samples


@with_config(_STRICT)
class EvaluationFile(TypedDict):
    """evaluation.json."""

    format: int
    evaluations: list[Evaluated]


PriorKind = Literal["independent", "autoregressive"]


@with_config(_STRICT)
class CodeLengths(TypedDict):
    """Bits per image of the codes of both splits."""

    train: Estimate
    test: Estimate


@with_config(_STRICT)
class FittedPrior(TypedDict):
    """A prior over codes that was fitted to the training images."""

    kind: PriorKind
    conditional: bool  # whether there is one for each label
    labels: list[int]  # they are these; none where it is not conditional
    digest: Digest  # of the file of the weights that gave the codes
    file: Digest  # of the prior's own file
    epochs: Count | None  # that its weights were trained for; None: it was counted
    asked: Count | None  # epochs at most
    parameters: Count
    code_length: CodeLengths


@with_config(_STRICT)
class PriorFile(TypedDict):
    """prior.json."""

    format: int
    priors: list[FittedPrior]


Sources = Literal[
    "test images",
    "reconstructions",
    "independent",
    "autoregressive",
    "independent by label",
    "autoregressive by label",
    "N(0, 1)",
    "fitted Gaussian",
]


@with_config(_STRICT)
class DrawnFigures(TypedDict):
    """How alike images of one source are to test images."""

    source: Sources
    prior: Digest | None  # of the file of the prior that they were drawn from
    precision: Share
    recall: Share
    density: Number
    coverage: Share
    recognised: Share | None  # the share that has the label it should have
    label_entropy: Number  # bits, of the labels that are recognised
    nearer: Share  # to a training image than test images are, over pairs


@with_config(_STRICT)
class Quality(TypedDict):
    """What `vaecli quality` measured."""

    digest: Digest  # of the file of the weights
    count: Size  # images of each source, and of the test images that they are compared with
    classifier: Digest  # of its arrays
    accuracy: Share  # of the classifier, on all test images
    label_entropy: Number  # bits, of the labels of the test images
    figures: list[DrawnFigures]


@with_config(_STRICT)
class QualityFile(TypedDict):
    """quality.json."""

    format: int
    quality: Quality


@with_config(_STRICT)
class ClassifierFile(TypedDict):
    """references/<data>-<digest>.classifier.json."""

    data: Text
    digest: Digest  # of the data
    version: Count
    labels: list[int]
    accuracy: Share  # on the test images
    file: Digest  # of its arrays


@with_config(_STRICT)
class Failure(TypedDict):
    """failure.json."""

    reason: Text


@with_config(_STRICT)
class Limit(TypedDict):
    """A reference predictor of one size."""

    mse: Number
    perplexity: NotRequired[Number]
    nmi: NotRequired[Number]


@with_config(_STRICT)
class ReferenceFile(TypedDict):
    """references/<data>-<digest>.json; the limits by their number of codes or components."""

    data: Text
    digest: Digest
    mean_image: Number
    kmeans: dict[Text, Limit]
    pca: dict[Text, Limit]


@with_config(_STRICT)
class Interval(TypedDict):
    """A measured figure of an audit."""

    value: Number
    low: Number
    high: Number


@with_config(_STRICT)
class GradientErrors(TypedDict):
    """The errors of one gradient."""

    relative_bias: Interval
    relative_std: Interval
    cosine: Interval | None
    mse: Interval


@with_config(_STRICT)
class AuditRow(TypedDict):
    """One estimator at one temperature on one checkpoint."""

    epoch: Count | None
    estimator: Text
    temperature: Annotated[float, Field(gt=0, le=1e39)] | None
    decodings: Count
    warm_up: Count
    draws: Count
    milliseconds: Number
    logits: GradientErrors
    weights: GradientErrors | None


@with_config(_STRICT)
class AuditFile(TypedDict):
    """audit-<hash>/audit.json."""

    format: int
    title: Text
    asked: dict[str, Any]
    left_out: dict[Text, Text]
    finished: NotRequired[bool]
    rows: list[AuditRow]


@with_config(_STRICT)
class ToyFile(TypedDict):
    """toy-<hash>/toy.json."""

    format: int
    toy: dict[str, Any]
    optimum: Number  # the least loss
    losses: list[Number]  # by epoch, a mean over its steps
    expected: NotRequired[list[Number]]  # the expected loss of a code after each epoch


INFO: TypeAdapter[Info] = TypeAdapter(Info)
PRUNED: TypeAdapter[PrunedFile] = TypeAdapter(PrunedFile)
SUMMARY: TypeAdapter[Summary] = TypeAdapter(Summary)
EVALUATION: TypeAdapter[EvaluationFile] = TypeAdapter(EvaluationFile)
PRIOR: TypeAdapter[PriorFile] = TypeAdapter(PriorFile)
QUALITY: TypeAdapter[QualityFile] = TypeAdapter(QualityFile)
CLASSIFIER: TypeAdapter[ClassifierFile] = TypeAdapter(ClassifierFile)
FAILURE: TypeAdapter[Failure] = TypeAdapter(Failure)
AUDIT: TypeAdapter[AuditFile] = TypeAdapter(AuditFile)
TOY: TypeAdapter[ToyFile] = TypeAdapter(ToyFile)
REFERENCES: TypeAdapter[ReferenceFile] = TypeAdapter(ReferenceFile)
