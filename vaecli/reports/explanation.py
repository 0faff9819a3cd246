"""What a method, a column of a table or a key of a config is, in lines for a terminal: `vaecli explain`.

The words are those of the registry, the tables of options and metrics, and the docstrings beside the code.
"""

import inspect
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from vaecli.config import config_from_text
from vaecli.config.latent import Latent
from vaecli.config.options import described
from vaecli.config.schema import VARIANTS, keys_of_configs
from vaecli.config.template import plain_yaml
from vaecli.errors import ConfigError, printable
from vaecli.metrics.metric import METRICS, Metric
from vaecli.registry import METHODS, Component, Method, suggest
from vaecli.reports.columns import beside, blocks, filled, narrowed, text_width
from vaecli.reports.glossary import GLOSSARY, Term

if TYPE_CHECKING:
    from vaecli.reports.diagram import Drawing

EXACT_FOR = {
    "constant": "no loss that depends on the code",
    "linear": "linear losses",
    "quadratic": "quadratic losses",
    "every": "every loss",
}
OF_BOUND = "the bound of its draws, which it trains"  # in place of a loss
MOST_NAMED = 6  # methods that have a key


def explanation(name: str, width: int) -> Iterator[str]:
    """The lines of every method, column, metric and key that is called so.

    Raises:
        ConfigError: nothing is.
    """
    parts = [_of_method(name, width)] if name in METHODS else []
    parts += [_of_column(terms, width) for terms in [_terms(name)] if terms]
    parts += [_of_metric(metric, width) for metric in METRICS if _plain(name) in _names(metric)]
    keys = keys_of_configs()
    parts += [_of_key(key, keys[key], width) for key in keys if _plain(name) in (_plain(key), key.split(".")[1])]
    if not parts:
        raise ConfigError([f"{name}: no such method, column or key{suggest(name, known_names())}"])
    for number, lines in enumerate(parts):
        yield from [""] * bool(number)
        yield from map(printable, lines)


def known_names() -> list[str]:
    """All names that are explained."""
    keys = keys_of_configs()
    names = [
        *METHODS,
        *(n for metric in METRICS for n in _names(metric)),
        *_columns(),
        *keys,
        *(k.split(".")[1] for k in keys),
    ]
    return list(dict.fromkeys(names))


def promised(name: str) -> dict[str, Any]:
    """What the gradient of a method promises, in the form of JSON; a method without an estimator promises nothing."""
    method = METHODS[name]
    row: dict[str, Any] = {"method": name, "help": method.help, "options": list(method.options)}
    model = config_from_text(f"model: {name}").model
    latent, options = Latent.of(model.codes), model.options()
    if method.estimator is None:
        decodings = math.prod(latent.alphabets or ()) if method.enumerates else 1
        return {**row, "exact_for": None, "reads": None, "decodings": decodings}
    promises = _loaded(method.estimator).promises
    own = {option: options[option] for option in method.estimator.options}
    decodings = promises.decodings(latent.codes_per_position, latent.most_values, **own)
    exact = OF_BOUND if promises.of_bound else EXACT_FOR[promises.exact_for]
    if promises.exact_at:
        exact += f" at {', '.join(f'{option} {value:g}' for option, value in promises.exact_at.items())}"
    return {**row, "exact_for": exact, "reads": promises.reads, "decodings": decodings}


FAMILIES = {
    "vector": "Real numbers, no code",
    "biased": "Codes that are drawn, with a gradient that is biased or none",
    "exact": "Codes that are drawn, with a gradient that is exact in expectation",
    "chosen": "Codes that are chosen: quantisers",
}
HEADER = ("method", "what it is", "exact for", "decodings", "paper")
LEAST = ("paper", "decodings", "exact for")  # columns that are dropped where they do not fit, in this order


def method_lines(width: int | None) -> Iterator[str]:
    """A line for each method, below the name of its family."""
    found = [promised(name) for name in METHODS]
    rows, _ = narrowed([HEADER, *map(_row, found)], width, LEAST)
    lines = [list(lines) for lines in blocks(rows, width)]
    yield from lines[0]
    for family, title in FAMILIES.items():
        yield from ("", *filled(title, width))
        for row, of_row in zip(found, lines[1:], strict=True):
            if _family(row) == family:
                yield from of_row


PAPER = re.compile(r"(.*) \(([^()]*\d{4}[^()]*)\)")  # at the end of a line of help


def _row(row: Mapping[str, Any]) -> list[str]:
    what, paper = found.groups() if (found := PAPER.fullmatch(row["help"])) else (row["help"], "")
    degree = {OF_BOUND: "bound", **{text: degree for degree, text in EXACT_FOR.items()}}.get(
        (row["exact_for"] or "").partition(" at ")[0], ""
    )
    return [row["method"], what, degree.replace("constant", "none"), str(row["decodings"]), paper]


def _family(row: Mapping[str, Any]) -> str:
    method = METHODS[row["method"]]
    if method.estimator:
        return "exact" if row["exact_for"] in (EXACT_FOR["every"], OF_BOUND) else "biased"
    return "chosen" if method.constant_rate else "vector"


def _loaded(component: Component) -> Any:
    """What a component is, which needs TensorFlow."""
    from vaecli.backend.process import chatter, import_keras, prepare

    prepare()
    with chatter(Path(os.devnull)):
        import_keras()
        return component.load()


# A method


class Flow(NamedTuple):
    """The way from the encoder's output to what the decoder reads, and of the gradient back."""

    encoded: str
    drawn: str
    read: str
    back: str
    mark: str = "|"  # X: nothing comes through
    around: bool = False  # whether losses teach the encoder on another way
    held_fixed: bool = False  # whether what comes through is the gradient itself, with the noise held fixed


def _of_method(name: str, width: int) -> Iterator[str]:
    method = METHODS[name]
    promises, function, module = _parts(method)
    summary, *rest = _paragraphs(function)
    about = [("what", " ".join(summary)), ("when", method.when), ("paper", _line(module)), ("code", module.__file__)]
    yield f"{name}: a method"
    yield ""
    yield from beside([(label, text) for label, text in about if text], width)
    yield ""
    yield from _diagram(_flow(method, promises), learns=method.learns)
    for paragraph in rest:
        yield ""
        yield from _folded(paragraph, width)
    yield ""
    if promises is not None:
        yield from beside(list(_promises(name, promises)), width)
        yield ""
    yield from beside(list(_options(name, method)), width)


def _parts(method: Method) -> tuple[Any, Any, Any]:
    """What it promises (None without an estimator), what documents it, and the module of that."""
    part = method.estimator or method.bottleneck
    found = _loaded(part)
    module = sys.modules[part.target.partition(":")[0]]
    return (found.promises, found.path or found.estimate, module) if method.estimator else (None, found, module)


def drawing(name: str) -> "Drawing":
    """What the figure of a method shows; raises ConfigError for what is no method."""
    from vaecli.reports.diagram import Drawing

    if name not in METHODS:
        raise ConfigError([f"{name}: only a method has a figure{suggest(name, METHODS)}"])
    method = METHODS[name]
    promises, function, module = _parts(method)
    flow = _flow(method, promises)
    rule = [line for paragraph in _paragraphs(function)[1:] for line in paragraph if line.startswith(" ")]
    return Drawing(
        name,
        PAPER.sub(r"\1", method.help),
        *flow[:4],
        passes=flow.mark == "|",
        around=flow.around,
        held_fixed=flow.held_fixed,
        learns=method.learns,
        rule=tuple(inspect.cleandoc("\n".join(rule)).splitlines()) if rule else (),
        promises=f"Exact in expectation for {promised(name)['exact_for']}; {_decoded(name)}." if promises else "",
        paper=_line(module),
    )


def _decoded(name: str) -> str:
    count = promised(name)["decodings"]
    return f"{count} decoding{'s' * (count != 1)} per image and step"


def _flow(method: Method, promises: Any) -> Flow:
    """The flow of a method: a path of its own where a quantity is drawn, and else what its promises say."""
    if promises is None and method.enumerates:
        back = "not this way: the encoder learns the code's name, by the rule below"
        return Flow("vectors", "the best code of all", "what the code stands for", back, "X", around=True)
    if promises is None and method.constant_rate:
        return Flow("vectors", "the nearest code", "what the code stands for", "past the choice, by the rule below")
    if promises is None:
        return Flow("mean, std", "noise is drawn", "a Gaussian vector", "with the noise held fixed", held_fixed=True)
    if not method.learns:
        return Flow("logits", "a code is drawn", "the code", "stops: a draw has no slope", "X")
    if promises.reads == "relaxed sample":
        return Flow("logits", "noise is drawn", "a relaxed sample", "with the noise held fixed", held_fixed=True)
    back = {
        "slope": "past the draw, by the rule below",
        "values": "not this way: losses of codes, by the rule below",
        "both": "losses of codes and their slopes, by the rule below",
        None: "by the rule below",
    }[promises.learns_from]
    drawn = {"code": "a code is drawn", "every code": "none is left out"}.get(promises.reads, "codes are drawn")
    values, both = promises.learns_from == "values", promises.learns_from == "both"
    return Flow("logits", drawn, promises.reads, back, "X" if values else "|", around=values or both)


def _diagram(flow: Flow, *, learns: bool) -> Iterator[str]:
    """Forward on the left, backward on the right; at most 60 columns."""
    ways = {True: ("^", "|"), False: (" ", " ")}
    head, line = ways[learns]
    notes = wrap(flow.back, 28)
    rows = [("forward", "gradient", ""), ("image", " ", ""), ("  |", " ", "")]
    rows += [("encoder", head, "learns" if learns else "learns nothing"), ("  |", line, ""), (flow.encoded, head, "")]
    rows += [("  |", line, ""), (f"  |  {flow.drawn}", flow.mark, notes[0])]
    rows += [("  |", "|", note) for note in notes[1:] or [""]]
    rows += [
        (flow.read, "^", ""),
        ("  |", "|", ""),
        ("decoder", "^", "learns"),
        ("  |", "|", ""),
        ("loss", "o", "begins here"),
    ]
    for forward, back, note in rows:
        yield f"  {forward:<26}{back}{f'  {note}' if note else ''}".rstrip()


def _promises(name: str, promises: Any) -> Iterator[tuple[str, str]]:
    found = promised(name)
    yield "exact in expectation for", found["exact_for"]
    yield "decoder reads", found["reads"]
    yield "decodings", f"{found['decodings']} per image and step"
    yield "over the classes", f"its gradient sums to {'0' if promises.shift_invariant else 'anything'}"
    if promises.reads != "every code":
        yield "noise", "of the drawn code alone" if promises.fixed_by_code else "of more than the drawn code"


def _options(name: str, method: Method) -> Iterator[tuple[str, str]]:
    defaults = config_from_text(f"model: {name}").model.options()
    for key, option in described(method).items():
        yield f"model.{key}", f"{option.help} [default: {plain_yaml(defaults[key])}]"


def _line(documented: Any) -> str:
    """The first line of a docstring: of a module, what it is and its paper."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _paragraphs(function: Any) -> list[list[str]]:
    """The paragraphs of a docstring before its arguments."""
    text = inspect.cleandoc(function.__doc__ or "")
    for section in ("Args:", "Returns:", "Raises:"):
        text = text.partition(f"\n{section}")[0]
    return [paragraph.splitlines() for paragraph in text.strip().split("\n\n")]


def _folded(paragraph: list[str], width: int) -> Iterator[str]:
    """Prose filled to the width; the lines of a formula each for itself."""
    room = text_width(width)
    if not any(line.startswith(" ") or "  " in line for line in paragraph):
        yield from wrap(" ".join(paragraph), room, break_long_words=False, break_on_hyphens=False)
        return
    for line in paragraph:
        more = " " * (len(line) - len(line.lstrip()) + 4)
        yield from wrap(line, room, subsequent_indent=more, break_long_words=False, break_on_hyphens=False)


# A metric


def _names(metric: Metric) -> list[str]:
    """What a metric is called: its key and the end of that, its column in comparisons and in metrics.csv."""
    columns = [metric.of_epoch, *(f"{split}_{metric.of_epoch}" for split in ("test", "validation"))]
    names = [metric.key, metric.key.rpartition(".")[2], metric.column, *(columns if metric.of_epoch else ())]
    return [_plain(name) for name in names if name]


def _plain(name: str) -> str:
    """One spelling of a name: columns have spaces, keys have dots."""
    return name.strip().lstrip("-").lower().replace(" ", "_").replace(".", "_")


def _of_metric(metric: Metric, width: int) -> Iterator[str]:
    better = {"low": "lower", "high": "higher"}.get(metric.better or "", "")
    of_epoch = metric.of_epoch and f"test_{metric.of_epoch} and validation_{metric.of_epoch}"
    rows = [
        *(("what", metric.meaning), ("unit", metric.unit), ("better", better), ("exists for", metric.exists_for)),
        *(("summary.json", metric.key), ("compare", metric.column or ""), ("metrics.csv", of_epoch or "")),
    ]
    yield f"{metric.key}: a metric"
    yield ""
    yield from beside([(label, text) for label, text in rows if text], width)


# A column that is no metric


def _columns() -> list[str]:
    return [_plain(term.name) for term in GLOSSARY]


def _terms(name: str) -> list[Term]:
    return [term for term in GLOSSARY if _plain(term.name) == _plain(name)]


def _of_column(terms: Sequence[Term], width: int) -> Iterator[str]:
    yield f"{terms[0].name}: a column"
    yield ""
    yield from beside([(term.where, term.meaning) for term in terms], width)


# A key of a config


def _of_key(key: str, fields: Mapping[str, Any], width: int) -> Iterator[str]:
    block, _, name = key.partition(".")
    decider, variants = VARIANTS.get(block, ("", {"": None}))
    yield f"{key}: a key of a config"
    yield ""
    meanings = list(dict.fromkeys(field.description for field in fields.values() if field.description))
    rows = [("what", meaning) for meaning in meanings]
    if name != decider:
        defaults: dict[str, list[str]] = {}
        for value, field in fields.items():
            default = field.get_default(call_default_factory=True)
            text = "none, it has to be given" if field.is_required() else plain_yaml(default)
            defaults.setdefault(text, []).append(value)
        ordered = sorted(defaults.items(), key=lambda item: -len(item[1]))
        rows += [
            ("default", text + (f" ({_some(values)})" if text != ordered[0][0] else "")) for text, values in ordered
        ]
    if len(fields) < len(variants):
        rows.append(("exists for", f"{block}.{decider}: {_some(list(fields))}"))
    rows.append(("set it", f"--set {key}=VALUE"))
    yield from beside(rows, width)


def _some(values: list[str]) -> str:
    more = f" and {len(values) - MOST_NAMED} more" if len(values) > MOST_NAMED else ""
    return f"{', '.join(values[:MOST_NAMED])}{more}"
