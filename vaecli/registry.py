"""The names that a config may use, what they stand for, and one line of help each.

A new method is one file and one line here; another package declares one by an entry point of GROUP. Targets are
"module:attribute" and are imported on use, so that reading this table (and `vaecli --help`) costs nothing.
"""

import difflib
import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from vaecli.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "vaecli.estimators"  # the entry points of other packages: name -> "module:attribute" of a Method


def named(target: str) -> Any:
    """The attribute of a module that "module:attribute" names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Component:
    """One piece of a method: where it is, and the names of its options (described in config/options.py)."""

    target: str
    options: tuple[str, ...] = ()

    def load(self) -> Any:
        """Imports the target.

        Raises:
            ConfigError: it belongs to another package, and cannot be imported or has other options than it declares.
        """
        module, _, _ = self.target.partition(":")
        try:
            found = named(self.target)
        except Exception as error:
            if module.startswith("vaecli."):
                raise
            raise ConfigError([f"{self.target}: cannot be imported ({_in_a_line(error)})"]) from error
        self._check(module, found)
        return found

    def _check(self, module: str, found: Any) -> None:
        """Compares the options of a foreign estimator with those that it declares."""
        if not module.startswith("vaecli.") and getattr(found, "options", None) != self.options:
            raise ConfigError([f"{self.target}: not an estimator with the options that it declares {self.options}"])


class Codes(NamedTuple):
    """The contents of each position of the latent."""

    per_position: int  # L, codes; 1 for a vector of real numbers
    values: Sequence[int] | None  # number of values of each of the L codes; None for a vector
    width: int  # D, the number of values that the decoder reads for each code
    summed: bool = False  # whether it reads one vector of D for all L codes, their sum


@dataclass(frozen=True)
class Bottleneck(Component):
    """A component that lies between encoder and decoder."""

    codes: Callable[[Mapping[str, Any]], Codes] = field(kw_only=True)  # from its options
    learns_prior: bool = field(default=False, kw_only=True)  # whether it takes `prior`, as objective.prior says

    def _check(self, module: str, found: Any) -> None:
        """A bottleneck is a class, whose keyword parameters are its options."""


@dataclass(frozen=True)
class Network:
    """A value of `network.kind`: a function that gives its sizes without TensorFlow, and one that builds it."""

    help: str
    shapes: str  # (network, image [H, W, C], Codes) -> vaecli.config.shapes.Shapes
    build: str  # (network, Shapes, seed) -> encoder and decoder


@dataclass(frozen=True)
class DataSet:
    """A value of `data.name`."""

    help: str
    title: str | None  # name in figures; None: the user's name
    source: str  # (data block of a config) -> vaecli.data.source.Source
    fetched: bool = True  # it may have to be: it is neither bundled nor the user's own


@dataclass(frozen=True, eq=False)
class Method:
    """A value of `model.name`: a bottleneck, and its gradient estimator if it needs one."""

    help: str
    bottleneck: Bottleneck
    estimator: Component | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)  # if different from config/options.py
    enumerates: bool = False  # decodes all K^L codes at each step, once for the whole batch
    constant_rate: bool = False  # the posterior is a point: beta would only add a constant to the loss
    learns: bool = True  # a gradient of the distortion reaches the encoder
    relaxes: bool = False  # the decoder is trained on a relaxed sample instead of a code
    described: Mapping[str, Any] = field(default_factory=dict, hash=False)  # its own options: Option by name
    in_all: bool = True  # `compare --all` has it; of the newer ones only those that are named are compared
    when: str = ""  # a sentence: where to use it
    papers: tuple[str, ...] = ()  # the keys of papers/methods.bib

    @property
    def options(self) -> tuple[str, ...]:
        """The options of both parts; an estimator may read one of the bottleneck's too."""
        return tuple(dict.fromkeys(self.bottleneck.options + (self.estimator.options if self.estimator else ())))


GAUSSIAN = Bottleneck(
    "vaecli.bottlenecks.gaussian:Gaussian",
    ("latent_dim", "scale_head"),
    codes=lambda options: Codes(1, None, options["latent_dim"]),
)
CATEGORICAL = Bottleneck(
    "vaecli.bottlenecks.categorical:Categorical",
    ("num_latents", "num_classes", "unimix", "embedding", "parameterization"),
    codes=lambda options: Codes(
        options["num_latents"],
        [options["num_classes"]] * options["num_latents"],
        1 if options["embedding"] == "integer" else options["num_classes"],
    ),
    learns_prior=True,
)


def _rows(options: Mapping[str, Any]) -> Codes:
    return Codes(options["num_latents"], [options["num_codes"]] * options["num_latents"], options["code_dim"])


LEARNED_ROWS = ("codebook", "decay", "init", "restart")
VECTOR_QUANTIZER = Bottleneck(
    "vaecli.bottlenecks.vector_quantizer:VectorQuantizer",
    ("num_latents", "num_codes", "code_dim", "commitment", *LEARNED_ROWS, "gradient", "distance", "unquantized_steps"),
    codes=_rows,
)
SIMVQ = Bottleneck(
    "vaecli.bottlenecks.simvq:SimVQ", ("num_latents", "num_codes", "code_dim", "commitment"), codes=_rows
)
DIVEQ = Bottleneck(
    "vaecli.bottlenecks.diveq:DiVeQ", ("num_latents", "num_codes", "code_dim", "noise_variance"), codes=_rows
)
HARD_EM = Bottleneck("vaecli.bottlenecks.hard_em:HardEM", ("num_latents", "num_codes", "code_dim"), codes=_rows)
RESIDUAL = Bottleneck(
    "vaecli.bottlenecks.residual:ResidualQuantizer",
    (
        *("stages", "of", "num_codes", "code_dim", "commitment"),
        *(*LEARNED_ROWS, "gradient", "unquantized_steps", "noise_variance"),
    ),
    codes=lambda options: Codes(
        options["stages"], [options["num_codes"]] * options["stages"], options["code_dim"], summed=True
    ),
)
FSQ = Bottleneck(
    "vaecli.bottlenecks.fsq:FiniteScalarQuantizer",
    ("levels",),
    codes=lambda options: Codes(1, [math.prod(options["levels"])], len(options["levels"])),
)
LFQ = Bottleneck(
    "vaecli.bottlenecks.lfq:LookupFreeQuantizer",
    ("bits", "entropy_weight", "commitment"),
    codes=lambda options: Codes(1, [2 ** options["bits"]], options["bits"]),
)

BUILT_IN: Mapping[str, Method] = {
    "vae": Method(
        "Gaussian latent, reparameterised: the continuous case",
        GAUSSIAN,
        when="Where no code is needed: the continuous case, to compare methods with codes with.",
        papers=("kingma2014vae",),
    ),
    "categorical": Method(
        "a code is drawn and nothing else: no gradient reaches the encoder",
        CATEGORICAL,
        Component("vaecli.estimators.categorical:categorical"),
        learns=False,
        when="To see what goes wrong where a code is drawn and nothing else is done.",
    ),
    "gumbel": Method(
        "Gumbel-softmax: a relaxed code instead of a hard one (arXiv 1611.01144, 1611.00712)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel:gumbel", ("temperature",)),
        relaxes=True,
        when="Where the decoder may read mixtures of codes in training: its loss is of these, and codes may do worse.",
        papers=("jang2017gumbel", "maddison2017concrete"),
    ),
    "straight_through": Method(
        "hard code forward, the gradient of its probabilities backward (arXiv 1308.3432)",
        CATEGORICAL,
        Component("vaecli.estimators.straight_through:straight_through", ("backward_temperature",)),
        defaults={"backward_temperature": 1.0},
        when="Where the decoder has to read codes: one decoding, and nothing that must be tuned.",
        papers=("bengio2013estimating",),
    ),
    "vqvae": Method(
        "nearest row of a learned codebook (arXiv 1711.00937)",
        VECTOR_QUANTIZER,
        constant_rate=True,
        when="Where each code is to stand for a learned vector; `restart` and `codebook: ema` keep many in use.",
        papers=("vandenoord2017vqvae",),
    ),
    "exact": Method(
        "every code is decoded: the true gradient, the yardstick of the others",
        CATEGORICAL,
        Component("vaecli.estimators.exact:exact"),
        enumerates=True,
        when="Where all codes can be decoded at each step, such as one code of ten values; and to measure others by.",
    ),
    "identity_st": Method(
        "hard code forward, its gradient handed to the logits as it is (arXiv 1308.3432)",
        CATEGORICAL,
        Component("vaecli.estimators.identity_st:identity_st"),
        when="To compare with the oldest rule, which ignores how probable the drawn code was.",
        papers=("bengio2013estimating",),
    ),
    "gumbel_st": Method(
        "hard code forward, the gradient of its relaxed code backward (arXiv 1611.01144)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel_st:gumbel_st", ("temperature", "forward")),
        when="In place of straight_through, where a temperature may be tuned: a low one has less bias and more noise.",
        papers=("jang2017gumbel",),
    ),
    "gumbel_rao": Method(
        "gumbel_st averaged over the noise that gives the same code (arXiv 2010.04838)",
        CATEGORICAL,
        Component("vaecli.estimators.gumbel_rao:gumbel_rao", ("temperature", "num_samples")),
        when="In place of gumbel_st: on average the same gradient, with less noise and no further decoding.",
        papers=("paulus2021gumbelrao",),
    ),
    "gst": Method(
        "gumbel_st with a fixed gap in place of noise (arXiv 2206.07235)",
        CATEGORICAL,
        Component("vaecli.estimators.gst:gst", ("temperature", "gap")),
        when="In place of gumbel_st, where its gradient is to have no noise beyond that of the drawn code.",
        papers=("fan2022gapped",),
    ),
    "decoupled_st": Method(
        "gumbel_st with one temperature for the codes and one for the gradient (arXiv 2410.13331)",
        CATEGORICAL,
        Component("vaecli.estimators.decoupled_st:decoupled_st", ("forward_temperature", "backward_temperature")),
        when="In place of gumbel_st, where codes are to be drawn at another temperature than the gradient has.",
        papers=("shah2024decoupled",),
    ),
    "darn": Method(
        "score function with a first-order baseline from the decoder's gradient (arXiv 1310.8499)",
        CATEGORICAL,
        Component("vaecli.estimators.darn:darn"),
        when="To compare with straight_through: it is as exact, in another way, and zgr is the mean of both.",
        papers=("gregor2014darn",),
    ),
    "zgr": Method(
        "mean of straight_through and darn, gumbel_rao at temperature 0 (Shekhovtsov 2023)",
        CATEGORICAL,
        Component("vaecli.estimators.zgr:zgr"),
        when="Where one decoding is all that can be afforded, and nothing is to be tuned.",
        papers=("shekhovtsov2023cold",),
    ),
    "reinmax": Method(
        "hard code forward, a second-order rule backward (arXiv 2304.08612)",
        CATEGORICAL,
        Component("vaecli.estimators.reinmax:reinmax", ("temperature",)),
        defaults={"temperature": 1.3},  # as published for small latents; at 1 it is zgr
        when="Where one decoding is all that can be afforded, and a temperature may be tuned.",
        papers=("liu2023reinmax",),
    ),
    "reinmax_rao": Method(
        "reinmax with the slope of gumbel_rao halfway to the code (arXiv 2603.08257)",
        CATEGORICAL,
        Component("vaecli.estimators.reinmax_rao:reinmax_rao", ("temperature", "num_samples")),
        in_all=False,
        when="In place of reinmax, where less noise is worth some bias.",
        papers=("wang2026beyond",),
    ),
    "reinmax_cv": Method(
        "reinmax with Gumbel-softmax slopes as a control variate (arXiv 2603.08257)",
        CATEGORICAL,
        Component("vaecli.estimators.reinmax_cv:reinmax_cv", ("temperature", "num_samples", "control_weight")),
        defaults={"temperature": 0.5},  # as published
        in_all=False,
        when="In place of reinmax, where less noise is worth some bias, and a weight may be tuned for it.",
        papers=("wang2026beyond",),
    ),
    "redge": Method(
        "a code by denoising noise in closed form, with the gradient of the steps (arXiv 2601.00781)",
        CATEGORICAL,
        Component("vaecli.estimators.redge:redge", ("denoising_steps", "first_time")),
        in_all=False,
        when="In place of straight_through, which it is at first_time 1, where first_time and steps may be tuned.",
        papers=("gourevitch2026redge",),
    ),
    "redge_cov": Method(
        "redge from noise with the code's own mean and variances (arXiv 2601.00781)",
        CATEGORICAL,
        Component("vaecli.estimators.redge_cov:redge_cov", ("denoising_steps", "first_time")),
        defaults={"denoising_steps": 4},  # as published
        in_all=False,
        when="In place of redge, where the codes' probabilities are far from equal.",
        papers=("gourevitch2026redge",),
    ),
    "muprop": Method(
        "score function with the loss's first-order expansion as control variate (arXiv 1511.05176)",
        CATEGORICAL,
        Component("vaecli.estimators.muprop:muprop"),
        in_all=False,
        when="Where the gradient must be exact in expectation, and the loss is nearly linear around the mean code.",
        papers=("gu2016muprop",),
    ),
    "unordered_set": Method(
        "score function of S different codes, drawn without replacement (arXiv 2002.06043)",
        CATEGORICAL,
        Component("vaecli.estimators.unordered_set:unordered_set", ("set_size",)),
        in_all=False,
        when="Where the gradient must be exact in expectation, and a few values have most of the probability.",
        papers=("kool2020without",),
    ),
    "mve": Method(
        "hard code forward, the rule of least variance that is exact to first order (AISTATS 2026)",
        CATEGORICAL,
        Component("vaecli.estimators.mve:mve", ("second_order", "embedding")),
        in_all=False,
        when="Where one number is to trade bias for noise, from straight_through to a rule exact for quadratic losses.",
        papers=("hooper2026generalized",),
    ),
    "reinforce": Method(
        "score function with a moving-average baseline (Williams 1992)",
        CATEGORICAL,
        Component("vaecli.estimators.reinforce:reinforce"),
        when="Where the gradient must be exact in expectation for one decoding, however noisy it is.",
        papers=("williams1992simple", "mnih2014neural"),
    ),
    "rloo": Method(
        "score function of S codes, each with the others as its baseline (Kool et al. 2019)",
        CATEGORICAL,
        Component("vaecli.estimators.rloo:rloo", ("num_draws",)),
        when="Where the gradient must be exact in expectation, and several decodings are cheap.",
        papers=("kool2019buy",),
    ),
    "vimco": Method(
        "score function for the bound of S samples, each with the others as its baseline (arXiv 1602.06725)",
        CATEGORICAL,
        Component("vaecli.estimators.vimco:vimco", ("num_draws",)),
        in_all=False,
        when="Where the bound on log p(x) of several samples is to be trained: an image may have several codes.",
        papers=("mnih2016vimco",),
    ),
    "direct": Method(
        "the code less the one that losses move the perturbed maximum to (arXiv 1806.02867)",
        CATEGORICAL,
        Component("vaecli.estimators.direct:direct", ("perturbation",)),
        in_all=False,
        when="Where the losses of a code's neighbours are cheap, and a bias in favour of the best of them is welcome.",
        papers=("lorberbom2019direct",),
    ),
    "arsm": Method(
        "losses compared at codes that exchanges of the noise lead to (arXiv 1905.01413)",
        CATEGORICAL,
        Component("vaecli.estimators.arsm:arsm"),
        when="Where the gradient must be exact in expectation, and a code has few values.",
        papers=("yin2019arsm",),
    ),
    "rebar": Method(
        "score function with the relaxed loss as control variate (arXiv 1703.07370)",
        CATEGORICAL,
        Component("vaecli.estimators.rebar:rebar", ("temperature",)),
        when="Where the gradient must be exact in expectation for two decodings.",
        papers=("tucker2017rebar",),
    ),
    "relax": Method(
        "score function with a learned control variate (arXiv 1711.00123)",
        CATEGORICAL,
        Component("vaecli.estimators.relax:relax", ("temperature",)),
        when="As rebar, in trainings that are long enough to learn a control variate.",
        papers=("grathwohl2018relax",),
    ),
    "simvq": Method(
        "nearest row of a frozen table times a learned matrix (arXiv 2411.02038)",
        SIMVQ,
        constant_rate=True,
        when="Where rows of a large codebook go out of use: here each step moves all of them.",
        papers=("zhu2025simvq",),
    ),
    "diveq": Method(
        "nearest codebook row, by a noisy step that has a gradient (arXiv 2509.26469)",
        DIVEQ,
        constant_rate=True,
        when="In place of vqvae, where no weight of a commitment loss is to be chosen.",
        papers=("vali2026diveq",),
    ),
    "hard_em": Method(
        "every code is decoded, the best one trains, and the encoder learns to name it (Celeux and Govaert 1992)",
        HARD_EM,
        enumerates=True,
        constant_rate=True,
        when="Where all codes can be decoded at each step, and every one of them is to stay in use.",
        papers=("celeux1992classification",),
    ),
    "residual": Method(
        "a sum of codebook rows, each the nearest to what those before left (arXiv 2107.03312)",
        RESIDUAL,
        constant_rate=True,
        when="Where one codebook would need too many rows: S stages of K rows stand for K^S vectors.",
        papers=("zeghidour2021soundstream",),
    ),
    "fsq": Method(
        "a few numbers, each rounded to one of its levels (arXiv 2309.15505)",
        FSQ,
        constant_rate=True,
        when="Where nothing is to be tuned: there is no codebook to keep in use, and no further loss to weigh.",
        papers=("mentzer2024fsq",),
    ),
    "lfq": Method(
        "the signs of a few numbers, with an entropy loss (arXiv 2310.05737)",
        LFQ,
        constant_rate=True,
        when="Where many codes are wanted without a codebook, and the weight of an entropy loss may be tuned.",
        papers=("yu2024lfq",),
    ),
}


class Methods(Mapping[str, Method]):
    """The built-in methods, then those that other packages declare.

    Packages are searched when a name is not built in, or when all are listed. A method that cannot be used is not
    listed, and using it raises an error with the reason.
    """

    def __init__(self, built_in: Mapping[str, Method]) -> None:
        self._built_in = built_in
        self._found: dict[str, Method | ConfigError] = {}

    def __getitem__(self, name: str) -> Method:
        """Raises ConfigError if another package declares that method and it cannot be used."""
        if name in self._built_in:
            return self._built_in[name]
        if name not in self._found:
            self._found[name] = _declared(name, self._entries[name])
        found = self._found[name]
        if isinstance(found, ConfigError):
            raise ConfigError(found.lines)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._entries

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        for name in sorted(self._entries.keys() - self._built_in.keys()):
            try:
                self[name]
            except ConfigError:
                continue
            yield name

    def __len__(self) -> int:
        return len(list(iter(self)))

    def refused(self, names: Iterable[str]) -> list[str]:
        """One line for each of these methods whose name another package declares too."""
        taken = [name for name in dict.fromkeys(names) if name in self._built_in and name in self._entries]
        return [
            f"model '{name}' is the built-in one: that of {_packages(self._entries[name])} is ignored; "
            "it needs another name"
            for name in taken
        ]

    @cached_property
    def _entries(self) -> Mapping[str, list["EntryPoint"]]:
        from importlib.metadata import entry_points  # measured: 15 ms

        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=GROUP):
            found.setdefault(entry.name, []).append(entry)
        return found


def _declared(name: str, entries: list["EntryPoint"]) -> Method | ConfigError:
    """The method of an entry point, or why it cannot be used."""

    def refused(why: str) -> ConfigError:
        return ConfigError([f"model '{name}' of {_packages(entries)} cannot be used: {why}"])

    if len(entries) > 1:
        return refused("only one may declare it")
    if not (name.isidentifier() and name.isascii()):
        return refused("a name may have only letters, digits and _")
    try:
        found = entries[0].load()
    except Exception as error:  # an error of another package, whatever it is, ends here
        return refused(_in_a_line(error))
    if not isinstance(found, Method) or found.bottleneck != CATEGORICAL or found.estimator is None:
        return refused(f"{entries[0].value} is not a vaecli.registry.Method of CATEGORICAL and an estimator")
    known = {option for method in BUILT_IN.values() for option in method.options}
    if lacking := sorted({*found.options} - {*found.described} - known):
        return refused(f"its option {lacking[0]} has no description")
    return found


def _packages(entries: Iterable["EntryPoint"]) -> str:
    return " and ".join(entry.dist.name if entry.dist else entry.value for entry in entries)


def _in_a_line(error: Exception) -> str:
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


METHODS = Methods(BUILT_IN)

NETWORKS: Mapping[str, Network] = {
    "mlp": Network("fully connected layers", "vaecli.config.shapes:mlp", "vaecli.models.networks:mlp"),
    "conv": Network("convolutions", "vaecli.config.shapes:conv", "vaecli.models.networks:conv"),
}

DATASETS: Mapping[str, DataSet] = {
    "mnist": DataSet(
        "60,000 + 10,000 handwritten digits, 28x28 (LeCun, Cortes, Burges)", "MNIST", "vaecli.data.known:KnownSource"
    ),
    "fashion_mnist": DataSet(
        "60,000 + 10,000 pieces of clothing, 28x28 (arXiv 1708.07747)", "Fashion-MNIST", "vaecli.data.known:KnownSource"
    ),
    "kmnist": DataSet(
        "60,000 + 10,000 cursive Japanese characters, 28x28 (arXiv 1812.01718)",
        "KMNIST",
        "vaecli.data.known:KnownSource",
    ),
    "cifar10": DataSet(
        "50,000 + 10,000 photographs in colour, 32x32 (Krizhevsky 2009), their binary version",
        "CIFAR-10",
        "vaecli.data.known:KnownSource",
    ),
    "digits": DataSet(
        "1,437 + 360 handwritten digits, 8x8, bundled with scikit-learn",
        "digits 8×8",
        "vaecli.data.digits:DigitsSource",
        fetched=False,
    ),
    "npz": DataSet(
        "your own npz: x_train and, if you have them, x_test, y_train, y_test; or an npy of images",
        None,
        "vaecli.data.files:NpzSource",
        fetched=False,
    ),
    "folder": DataSet(
        "a folder of your own pictures: PNG, JPEG, WebP, BMP", None, "vaecli.data.folder:FolderSource", fetched=False
    ),
}


MOST_LISTED = 20


def suggest(name: object, known: Iterable[str]) -> str:
    """The suggestion `, did you mean 'gumbel'?` for a near miss, otherwise the list of known names."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f", did you mean '{near[0]}'?"
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return f" (known: {', '.join(known[:MOST_LISTED])}{more})"
