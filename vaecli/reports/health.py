"""What went wrong in a run, in sentences of measured values, each with its threshold and the settings to change.

`train`, `show` and `compare` say the same sentences, because all of them read a run's records here. A value that a run
does not have, because it was made before that value was kept, makes no sentence. What follows from another finding is
not said again: a run without a gradient draws the mean image too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from vaecli.config import Config
from vaecli.config.latent import Latent
from vaecli.config.options import Schedule
from vaecli.config.resolve import learning_rate, resolved
from vaecli.runs import Run
from vaecli.runs.references import references_of

# The thresholds lie between what healthy runs reach and what failures do: tests/benchmarks/planted_failures.py.
FEW_STEPS, STEEP = 2_000, 0.1  # steps; of the loss, for each doubling of the steps
NOTHING = 0.05  # nats of rate, which bounds what the latent says of the image
ONE_CODE = 1.05  # perplexity: a second code for one image in a hundred makes 1.06
SATURATED = 0.95  # of the rate that the codes can carry
VANISHED = 1e-3  # norm of the encoder's gradient, of the decoder's: 1e-6 in saturated runs, 0.05 to 8 in all others
RISES, RISE, GROWTH = 3, 0.05, 1.1  # epochs one after another; of the loss; times the gradient's norm
SPREAD = 1.0  # of the encoder's gradient norm over steps, in its means: at most 0.7 in healthy runs
UNUSED = 0.6  # of the codes: at most a half in healthy runs
DIED = 0.25  # of the codes: from the largest share in use to the last
IMAGES_PER_CODE = 5  # of the test set: with fewer, codes that are all alike stay unused by chance (e^-5 is 1 %)
GAP = 0.3  # error on codes above that on the relaxed sample: at most 0.23 in healthy runs
OVERFIT = 0.05  # error above its lowest
LIKE_THE_MEAN = 0.95  # of the mean image's error
NEAR = 0.01  # of the end of a schedule
STILL = 0.01  # of the loss from the first epoch to the last

# Of the epochs. Of rloo with 20 codes of 10 under a Bernoulli likelihood two of five seeds end at the prior after five
# epochs; with a warm-up over two of these the same two end at 128.2 nats.
WARM_UP = 0.4
SMOOTH = 0.5  # a temperature whose relaxed samples are close to codes, and whose gradient is not yet noisy
WITH_A_GRADIENT = ("straight_through", "gumbel")  # to be tried instead of a method that has none


class Finding(NamedTuple):
    """One thing that went wrong."""

    kind: str  # a few words, the same for all runs
    sentence: str  # with the measured values and their thresholds
    settings: Sequence[str]  # one or two to try, such as "training.output_bias=data_mean"

    def __str__(self) -> str:
        return f"{self.sentence} Try {' or '.join(self.settings)}."


@dataclass(frozen=True)
class Records:
    """What a run has measured; any value may be missing."""

    config: Config  # with every `auto` resolved
    latent: Latent
    train: int  # images
    test: int
    rows: Sequence[Mapping[str, float | None]]  # of metrics.csv
    final: Mapping[str, float | None] = field(default_factory=dict)  # of summary.json; empty if the run is unfinished
    unheard: Sequence[str] = ()  # variables that received no gradient
    mean_image: float | None = None  # its test error per pixel
    lengths: tuple[float, float] | None = None  # the means of a codebook's rows and of encodings

    @property
    def per_epoch(self) -> int:
        """The steps of an epoch."""
        return max(1, self.config.training.batches(self.train))

    @property
    def steps(self) -> int:
        """The steps so far."""
        found = self.rows[-1].get("step") if self.rows else 0
        return len(self.rows) * self.per_epoch if found is None else int(found)

    def place(self, row: int) -> tuple[str, int]:
        """Where a row of metrics.csv stands: ("epoch", 3), or in a run that counts steps ("step", 5000)."""
        step = self.rows[row].get("step")
        return ("epoch", row + 1) if step is None else ("step", int(step))

    @property
    def judged(self) -> tuple[str, str]:
        """The column of which shares are taken, and its name: the loss; of a density, whose zero means nothing, mse."""
        density = self.config.objective.likelihood == "gaussian"
        return ("test_mse_sampled", "error on codes") if density else ("loss", "loss")

    def column(self, name: str) -> list[float]:
        """A column of metrics.csv; empty unless every row has a value."""
        values = [value for row in self.rows if (value := row.get(name)) is not None]
        return values if len(values) == len(self.rows) else []

    def last(self, name: str) -> float | None:
        """A figure of the test set: the final one, or that of the last epoch so far."""
        return self.final[name] if self.final else next(reversed(self.column(f"test_{name}")), None)

    def since(self, name: str, wrong: Callable[[float], bool]) -> str:
        """Since when every value of a column is wrong: " since epoch 3"; empty where that is not known."""
        right = [row for row, value in enumerate(self.column(name)) if not wrong(value)]
        first = max(right, default=-1) + 1
        return " since {} {:,}".format(*self.place(first)) if first < len(self.column(name)) else ""


def findings(run: Run) -> list[Finding]:
    """What went wrong in a run, finished or not; raises RunError if its files are damaged."""
    data = run.info["data"]
    records = Records(run.config, run.latent, data["train"], data["test"], run.metrics)
    if run.finished:
        test, references = run.summary["test"], references_of(run)
        final = {f"mse_{name}": value for name, value in test["mse"].items()}
        final |= {name: test[name] for name in ("distortion", "rate", "perplexity", "codes_used")}
        final["gradient"] = run.summary["gradient_norm"].get("encoder")
        mean = references.mean_image if references else None
        lengths = [run.summary.get("codebook", {}).get(name) for name in ("row_norm", "encoding_norm")]
        if lengths[0] is not None and lengths[1] is not None:
            records = replace(records, lengths=(lengths[0], lengths[1]))
        records = replace(records, final=final, unheard=run.summary["without_gradient"], mean_image=mean)
    return diagnosed(records)


def diagnosed(records: Records) -> list[Finding]:
    """The findings of a run, the gravest first."""

    def made(*rules: Callable[[Records], Finding | None]) -> list[Finding]:
        return [found for rule in rules if (found := rule(records))]

    if explains_all := made(no_gradient, divergence, says_nothing, budget, one_code)[:1]:
        return explains_all
    found = made(noise, temperature, relaxation_gap, overfit)
    return (not found and made(mean_image)) or [*found, *made(dead_codes, died)]


def no_gradient(records: Records) -> Finding | None:
    """An encoder that no gradient of the distortion reaches, by the method; or none at all, because its units died."""
    norms, method = records.column("gradient_norm_encoder"), records.config.model.method
    norm = norms[-1] if norms else records.final.get("gradient")
    if norm is None or (norm and (method.learns or not records.config.objective.beta)):
        return None
    sentence = f"No gradient reaches {', '.join(records.unheard) or 'the encoder'}: its norm is exactly 0"
    if method.learns and any(norms):
        since = records.since("gradient_norm_encoder", lambda norm: norm == 0)
        return Finding("no gradient", f"{sentence}{since}.", [_lower_rate(records)])
    if norm:
        sentence = f"No gradient of the distortion reaches the encoder: its norm of {norm:.2g} is of the rate alone"
    others = [f"model.name={name}" for name in WITH_A_GRADIENT if name != records.config.model.name]
    sentence += f", as a hard choice of codes lies before the loss; `vaecli explain {records.config.model.name}` shows"
    return Finding("no gradient", f"{sentence} where it stops.", others)


def says_nothing(records: Records) -> Finding | None:
    """A posterior that equals the prior."""
    rate, beta = records.last("rate"), records.config.objective.beta
    if rate is None or rate > NOTHING:
        return None
    since = records.since("test_rate", lambda rate: rate <= NOTHING)
    sentence = (
        f"The latent says nothing of the image{since}: the posterior equals the prior, with a rate of {rate:.3f} nats "
        f"(at most {NOTHING:g})."
    )
    return Finding(
        "collapse", sentence, [*_warm_up(records), _scaled("objective.beta", beta, 0.1)] if beta else _starts(records)
    )


def one_code(records: Records) -> Finding | None:
    """Codes that are the same for all images."""
    rate, perplexity = records.last("rate"), records.last("perplexity")
    if perplexity is None or perplexity > ONE_CODE:
        return None
    since = records.since("test_perplexity", lambda perplexity: perplexity <= ONE_CODE)
    sentence = f"All images have one code{since}: a perplexity of {perplexity:.2f} (at most {ONE_CODE:g})"
    most = (records.latent.capacity_bits or 0.0) * math.log(2)
    if rate is not None and rate >= SATURATED * most and not records.config.model.method.constant_rate:
        sentence += f"; the posterior is saturated, a point, with a rate of {rate:.2f} of {most:.2f} nats"
    return Finding("collapse", f"{sentence}.", _starts(records))


def divergence(records: Records) -> Finding | None:
    """A loss that rose epoch after epoch while the gradient grew."""
    column, what = records.judged
    losses, errors = (records.column(name)[-RISES - 1 :] for name in (column, "test_mse_sampled"))
    parts = [records.column(f"gradient_norm_{part}")[-RISES - 1 :] for part in ("encoder", "bottleneck", "decoder")]
    norms = [math.hypot(*of_epoch) for of_epoch in zip(*parts, strict=True)] if all(parts) else []
    if len(losses) <= RISES or len(norms) <= RISES or not (losses[0] and norms[0]):
        return None
    if len(set(records.column("beta")[-RISES - 1 :])) > 1:  # a warm-up, with which the loss may rise
        return None
    rise, growth = (losses[-1] - losses[0]) / abs(losses[0]), norms[-1] / norms[0]
    risen = all(one < two for one, two in pairwise(losses)) and errors[-1:] > errors[:1]
    if rise < RISE or growth < GROWTH or not risen:
        return None
    sentence = (
        f"It diverges: the {what} rose in each of the last {RISES} epochs, by {rise:.0%} in all (at least {RISE:.0%}), "
        f"while the norm of the gradient grew to {growth:.1f} times (at least {GROWTH:g})."
    )
    free = records.config.model.options().get("commitment") == 0  # then nothing holds the encodings near the codebook
    other = "model.commitment=0.25" if free else "training.clip_norm=1"
    return Finding("divergence", sentence, [_lower_rate(records), other])


def noise(records: Records) -> Finding | None:
    """An encoder's gradient that a few steps dominate."""
    spreads, model = records.column("gradient_spread_encoder"), records.config.model.options()
    if len(spreads) < 2 or spreads[-1] < SPREAD:  # in the first epoch the norm falls from its start
        return None
    sentence = (
        "The encoder's gradient is very noisy: over the steps of the last epoch its norm has a standard deviation of "
        f"{spreads[-1]:.1f} times its mean (at least {SPREAD:g})."
    )
    settings = [*_temperature(records, lambda now: max(2 * now, SMOOTH)), *_mixed(records)]
    settings += [f"model.num_draws={2 * model['num_draws']}"] if "num_draws" in model else []
    return Finding("noisy gradient", sentence, [*settings, _lower_rate(records)][:2])


def budget(records: Records) -> Finding | None:
    """A run that ended after few steps while its loss was still falling steeply."""
    steepness, (_, errors) = _steepness(records), _held_out(records)
    if not records.final or records.steps > FEW_STEPS or steepness is None or steepness < STEEP:
        return None
    if errors and min(errors) < min(errors[-max(1, len(errors) // 4) :]):  # more steps would only fit what was seen
        return None
    _, what = records.judged
    sentence = (
        f"Its {records.steps:,} steps are few (at most {FEW_STEPS:,}): at the end the {what} still falls by "
        f"{steepness:.0%} for each doubling of the steps (at least {STEEP:.0%})."
    )
    return Finding("few steps", sentence, [_longer(records)])


def mean_image(records: Records) -> Finding | None:
    """A run that does no better than the mean image, where nothing else says why."""
    error, lowest = records.last("mse_sampled"), records.mean_image
    if error is None or not lowest or error < LIKE_THE_MEAN * lowest:
        return None
    compared = "little better" if error < lowest else "no better"
    sentence = (
        f"It does {compared} than the mean image: its error of {error:.4f} is {error / lowest:.0%} of the mean "
        f"image's {lowest:.4f} (at least {LIKE_THE_MEAN:.0%})."
    )
    return Finding("mean image", sentence, _starts(records))


def dead_codes(records: Records) -> Finding | None:
    """Codes that no test image has, of those that the images could have filled."""
    alphabets, used = records.latent.alphabets, records.last("codes_used")
    if alphabets is None or used is None:
        return None
    codes, drawn = sum(alphabets), records.test * records.latent.num_positions
    dead = round((1 - used) * codes)
    if dead < UNUSED * codes or drawn < IMAGES_PER_CODE * max(alphabets):
        return None
    since = records.since("test_codes_used", lambda share: round((1 - share) * codes) >= UNUSED * codes)
    sentence = (
        f"{dead} of {codes} codes are never used on the test set{since} ({dead / codes:.0%}, at least {UNUSED:.0%})"
    )
    return Finding("dead codes", f"{sentence}{_apart(records)}.", _revived(records, used))


def died(records: Records) -> Finding | None:
    """Codes of a learned codebook that were in use and are no more; k-means begins with a use for each."""
    shares, used, codes = records.column("test_codes_used"), records.last("codes_used"), records.latent.alphabets
    options = records.config.model.options()
    begun = records.steps > options.get("unquantized_steps", 0)
    if not shares or used is None or codes is None or "num_codes" not in options or not begun:
        return None
    row = max(range(len(shares)), key=shares.__getitem__)
    most, where = shares[row], "at {} {:,}".format(*records.place(row))
    if options.get("init") == "kmeans":
        most, where = 1.0, "when k-means began them"
    if most - used < DIED or dead_codes(records):
        return None
    sentence = (
        f"Codes have died: {most:.0%} of {sum(codes)} were used {where}, and now {used:.0%} on the test set "
        f"({most - used:.0%} less, at least {DIED:.0%})"
    )
    return Finding("dying codes", f"{sentence}{_apart(records)}.", _revived(records, used))


def _apart(records: Records) -> str:
    """The lengths of rows and encodings, where a codebook has them."""
    if records.lengths is None:
        return ""
    return "; its rows have a mean length of {:.2g}, encodings of {:.2g}".format(*records.lengths)


def _revived(records: Records, used: float) -> list[str]:
    """What brings codes back: rows that begin again where encodings are; else fewer codes, or another start."""
    options, training = records.config.model.options(), records.config.training
    settings = ["model.restart=1.0"] if options.get("restart") == 0 else []
    settings += ["model.codebook=ema"] if options.get("codebook") == "gradient" else []
    settings += [f"model.num_codes={max(2, round(used * options['num_codes']))}"] if "num_codes" in options else []
    settings += ["training.output_bias=data_mean"] if training.output_bias == "zero" else []
    return [*settings, *_mixed(records), _lower_rate(records)][:2]


def temperature(records: Records) -> Finding | None:
    """A temperature that had not come to the end of its schedule when the run ended."""
    for name, option in records.config.model.options().items():
        if not records.final or not isinstance(option, Schedule) or option.end is None:
            continue
        last = _last(records, name, option)
        if last > (1 + NEAR) * option.end:
            sentence = f"The {name} did not come to its end: it was still {last:.3g}, above {option.end:g}."
            horizon = f"{records.config.training.passes(records.per_epoch * records.config.training.batch_size):g}"
            held = "floor" if option.floor > option.end else "horizon"
            return Finding(
                "temperature", sentence, [f"model.{name}.{held}={option.end if held == 'floor' else horizon}"]
            )
    return None


def relaxation_gap(records: Records) -> Finding | None:
    """A relaxed sample, which the loss reads, that is far better than the codes that it stands for."""
    sampled, relaxed = records.last("mse_sampled"), records.last("mse_relaxed")
    if sampled is None or not relaxed or sampled / relaxed - 1 < GAP:
        return None
    sentence = (
        f"The loss reads relaxed samples: on codes the error is {sampled:.4f} instead of {relaxed:.4f}, "
        f"{sampled / relaxed - 1:.0%} more (at least {GAP:.0%})."
    )
    return Finding("relaxation gap", sentence, _temperature(records, lambda now: min(now / 2, SMOOTH)))


def overfit(records: Records) -> Finding | None:
    """An error on other images that rose while that on the training images fell."""
    split, errors = _held_out(records)
    training = records.column("distortion")
    if not errors or not training:
        return None
    best = min(range(len(errors)), key=errors.__getitem__)
    rise = (errors[-1] - errors[best]) / abs(errors[best]) if errors[best] else 0.0
    if rise < OVERFIT or training[-1] >= training[best]:
        return None
    sentence = (
        "It overfits: since {} {:,} the error on {} images rose by {:.0%} (at least {:.0%}), while that on training "
        "images fell."
    ).format(*records.place(best), split, rise, OVERFIT)
    unit, length = records.place(best)
    if unit == "step" and records.config.training.unit == "epoch":
        unit, length = "epoch", math.ceil(length / records.per_epoch)
    return Finding("overfit", sentence, [f"training.{unit}s={length}"])


def _held_out(records: Records) -> tuple[str, list[float]]:
    """The validation split, or without it the test set; and its error by epoch, in the unit nearest to the loss."""
    split = "validation" if records.column("validation_mse_sampled") else "test"
    in_nats = ["distortion"] * (records.judged[0] == "loss")
    columns = (records.column(f"{split}_{name}") for name in ("mse_relaxed", *in_nats, "mse_sampled"))
    return split, next(filter(None, columns), [])


def _steepness(records: Records) -> float | None:
    """The share of the loss that twice the steps would save; None where it was not measured.

    With a loss that falls as t^-a it is 1 - 2^-a. The means over the last two quarters of the epochs give a; so do the
    mean over the only epoch and the value at its end, which are as 1 to 1 - a.
    """
    losses, objective = records.column(records.judged[0]), records.config.objective
    part = max(1, len(losses) // 4)
    if len(losses) > 1:
        before, last = fmean(losses[-2 * part : -part]), fmean(losses[-part:])
        a = (before - last) / abs(last) * (len(losses) - part) / part if last else 0.0
    else:
        mse = "mse_sampled" if records.last("mse_relaxed") is None else "mse_relaxed"
        name = {"mse": mse, "bernoulli": "distortion"}.get(objective.likelihood)
        after, during = records.last(name) if name else None, records.column("distortion")
        if after is None or not during or during[0] <= 0:
            return None
        a = 1 - after / during[0]
    return float(1 - 2 ** -max(a, 0.0))


def _starts(records: Records) -> list[str]:
    """What to change of a run that learned nothing: the step size, its length if it only began, the first output."""
    training, losses = records.config.training, records.column(records.judged[0])
    encoder, decoder = (records.column(f"gradient_norm_{part}")[-1:] for part in ("encoder", "decoder"))
    vanished = encoder <= [VANISHED * norm for norm in decoder]  # after steps that were too large
    still = len(losses) > 1 and abs(losses[-1] - losses[0]) <= STILL * abs(losses[0])
    usual = learning_rate(records.config)
    settings = [f"training.learning_rate={usual:g}"] if still and _first(_rate(records)) < usual else []
    settings += ["training.output_bias=data_mean"] if training.output_bias == "zero" else []
    settings += [_longer(records)] if not vanished and records.steps <= FEW_STEPS else []
    falling = not vanished and (_steepness(records) or 0.0) >= STILL
    return [*settings, _scaled("training.learning_rate", _rate(records), 10 if falling else 0.1)][:2]


def _longer(records: Records) -> str:
    """As many epochs as make FEW_STEPS, or as many steps, and at least four times as many as now."""
    training = records.config.training
    enough = FEW_STEPS if training.unit == "step" else math.ceil(FEW_STEPS / records.per_epoch)
    return f"training.{training.unit}s={max(4 * training.total_steps(1), enough)}"


def _rate(records: Records) -> float | Schedule:
    """The step size, resolved."""
    rate = resolved(records.config).training.learning_rate
    assert not isinstance(rate, str)
    return rate


def _lower_rate(records: Records) -> str:
    return _scaled("training.learning_rate", _rate(records), 0.1)


def _warm_up(records: Records) -> list[str]:
    """A weight of the rate that rises, where a likelihood in nats has a weight that it should end with."""
    beta, epochs = records.config.objective.beta, records.config.training.epochs
    if isinstance(beta, Schedule) or not records.config.objective.in_nats:
        return []
    horizon = f", horizon: {max(1, round(WARM_UP * epochs))}" if epochs else ""
    return [f"objective.beta={{schedule: linear, start: 0, end: {beta:g}{horizon}}}"]


def _scaled(key: str, value: float | Schedule, factor: float) -> str:
    """The setting that multiplies a value by a factor; of a schedule its start."""
    return f"{key}{'.start' * isinstance(value, Schedule)}={factor * _first(value):g}"


def _first(value: float | Schedule) -> float:
    return value.start if isinstance(value, Schedule) else value


def _last(records: Records, name: str, value: float | Schedule) -> float:
    """The last value of an option that may be scheduled."""
    if not isinstance(value, Schedule):
        return value
    measured = records.column(name)[-1:]
    if value.stretched or not measured:  # its last step comes near to its end, and what is measured has it
        return max(value.start if value.end is None else value.end, value.floor)
    return measured[0]


def _mixed(records: Records) -> list[str]:
    """A posterior that never becomes a point, for methods that have none yet."""
    return ["model.unimix=0.01"] if records.config.model.options().get("unimix") == 0 else []


def _temperature(records: Records, changed: Callable[[float], float]) -> list[str]:
    """Another temperature, at the end of its schedule if it has one; nothing for a method without a temperature."""
    options = records.config.model.options()
    for name in ("temperature", "backward_temperature"):
        if name in options:
            now, part = options[name], ""
            if isinstance(now, Schedule):
                part = ".start" if now.end is None else ".end"
            return [f"model.{name}{part}={changed(_last(records, name, now)):g}"]
    return []
