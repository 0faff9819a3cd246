"""Figures of one run, drawn from its folder alone: no TensorFlow, no pyplot, no state."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vaecli.errors import RunError
from vaecli.runs import Run
from vaecli.runs.files import write
from vaecli.runs.references import references_of

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "text.parse_math": False,  # a name is a name, whatever signs it has
    "svg.hashsalt": "vaecli",  # the same figure is the same file
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
}
# Okabe and Ito's palette: told apart by colour-blind readers too
COLOURS = {"train": "#000000", "sampled": "#0072B2", "mode": "#009E73", "relaxed": "#D55E00"}
FORMATS = ("png", "svg", "pdf")
DATA_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "digits": "digits 8×8"}
MAX_CODES_DRAWN = 100
TILE_GAP = 0.03
TILE_PIXELS = 56
FRAME: Any = {"linewidth": 0.4, "edgecolor": "0.7"}


def draw_run(run: Run, *, output: Path | None = None, fmt: str = "png") -> list[Path]:
    """Every figure that the run has data for, in its figures/ folder or in `output`.

    Returns:
        The files written.
    Raises:
        RunError: the run is not finished, its files are damaged, or the folder cannot be written.
    """
    arrays = run.reconstructions()
    if not run.metrics:
        raise RunError(f"{run.metrics_csv}: damaged, it has no row")
    folder = output or run.figures
    figures: dict[str, Callable[[], Figure]] = {
        "reconstructions": lambda: reconstructions(run, arrays),
        "loss": lambda: loss_curves(run),
    }
    if "prototypes" in arrays:
        figures["codes"] = lambda: what_codes_draw(run, arrays)
    if "contingency" in arrays:
        figures["code_use"] = lambda: code_use(run, arrays)
    with styled():
        return [save(draw(), folder / f"{name}.{fmt}") for name, draw in figures.items()]


def save(figure: Figure, path: Path) -> Path:
    """Written beside and renamed; raises RunError if the folder cannot be written."""
    buffer = io.BytesIO()
    fmt = path.suffix[1:]
    if fmt not in FORMATS:
        raise RunError(f"{path}: the format is one of {', '.join(FORMATS)}")
    dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[fmt]
    figure.savefig(buffer, format=fmt, metadata=dated)
    write(path, buffer.getvalue())
    return path


def title(run: Run) -> str:
    """What every figure says of its run: method, options, data (and what it stands for), epochs, seed."""
    config = run.config
    options = ", ".join(
        f"{SYMBOLS[key]} = {value:g}" for key, value in config.model.options().items() if key in SYMBOLS
    )
    epochs = config.training.epochs
    parts = [
        config.model.name + (f" ({options})" if options else ""),
        data_title(run.info["data"]),
        f"{epochs} epoch{'s' * (epochs != 1)}",
        f"seed {config.training.seed}",
    ]
    return " · ".join(parts)


def data_title(data: Mapping[str, Any]) -> str:
    """Of run.json's data block: the data set, and what it stands for."""
    stands_for = data["fallback_for"]
    return DATA_TITLES.get(data["name"], data["name"]) + (
        f" (for want of {DATA_TITLES[stands_for]})" if stands_for else ""
    )


SYMBOLS = {
    "temperature": "τ",
    "forward_temperature": "τf",
    "backward_temperature": "τb",
    "num_samples": "S",
    "num_draws": "S",
    "gap": "gap",
    "num_classes": "K",
    "num_codes": "K",
    "num_latents": "L",
    "code_dim": "D",
    "latent_dim": "D",
    "commitment": "commitment",
}


def reconstructions(run: Run, arrays: Any) -> Figure:
    """Inputs above, outputs below; the corner of an output names its code."""
    last = run.metrics[-1]
    discrete = "code_counts" in arrays
    rows: list[tuple[str, str, str | None]] = [("images", "input", None)]
    rows.append(("mode", "most probable\ncode" if discrete else "mean", "test_mse_mode"))
    if not np.array_equal(arrays["mode"], arrays["sampled"]):
        rows.append(("sampled", "sampled\ncode" if discrete else "sample", "test_mse_sampled"))
    if "relaxed" in arrays:
        rows.append(("relaxed", "relaxed\nsample", "test_mse_relaxed"))
    count = len(arrays["images"])
    figure = Figure(figsize=(0.62 * count + 1.5, 0.66 * len(rows) + 0.45))
    axis = figure.subplots()
    tiles(axis, [arrays[name] for name, _, _ in rows])
    if discrete and arrays["codes"].shape[1] == 1:
        for column, (code,) in enumerate(arrays["codes"]):
            axis.text(column + 0.97, 1.97, str(code), ha="right", va="bottom", color="0.35", fontsize=6)
    texts = [label if metric is None else f"{label}\nMSE {last[metric]:.4f}" for _, label, metric in rows]
    axis.set_yticks([line + 0.5 for line in range(len(rows))], texts, fontsize=8)
    figure.suptitle(title(run), fontsize=9)
    return figure


def loss_curves(run: Run) -> Figure:
    """Left: the loss minimised. Right: test error on sampled codes, on the mode, and on the relaxed sample."""
    metrics = run.metrics
    epochs = [row["epoch"] for row in metrics]
    figure = Figure(figsize=(7.2, 2.9))
    left, right = figure.subplots(1, 2)
    style: dict[str, Any] = {"marker": "o", "markersize": 3} if len(epochs) <= 30 else {}
    left.plot(epochs, [row["loss"] for row in metrics], color=COLOURS["train"], **style)
    unit = "mean squared error per pixel" if run.config.objective.likelihood == "mse" else "nats per image"
    left.set(title="training loss", xlabel="epoch", ylabel=_loss_label(run, unit))
    discrete = metrics[-1]["test_perplexity"] is not None
    labels = {
        "mode": "most probable code" if discrete else "mean",
        "sampled": "sampled code" if discrete else "sample",
        "relaxed": "relaxed sample",
    }
    errors = {name: [row[f"test_mse_{name}"] for row in metrics] for name in labels}
    if errors["sampled"] == errors["mode"]:  # a point posterior: one line, not one on top of the other
        labels["mode"] = "code (deterministic)"
        del labels["sampled"]
    for name, label in labels.items():
        if errors[name][-1] is not None:
            right.plot(epochs, errors[name], color=COLOURS[name], label=label, **style)
    references = references_of(run)
    for (label, value), dashes in zip(references.lines(run.config) if references else (), (":", "--"), strict=False):
        right.axhline(value, color="0.5", linewidth=0.9, linestyle=dashes, label=label, zorder=0)
    right.set(title="test error", xlabel="epoch", ylabel="mean squared error per pixel")
    right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axis in (left, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.margins(x=0.04)
    figure.suptitle(title(run), fontsize=9)
    return figure


def what_codes_draw(run: Run, arrays: Any) -> Figure:
    """Each code decoded, with its share of the test set and the labels it stands for; most used first."""
    prototypes, counts = arrays["prototypes"], arrays["code_counts"][0]
    order = np.argsort(-counts, kind="stable")[:MAX_CODES_DRAWN]
    columns = min(10, len(order))
    lines = -(-len(order) // columns)
    figure = Figure(figsize=(0.86 * columns + 0.3, 1.46 * lines + 0.4))
    axis = figure.subplots()
    height = 1.75  # of a tile with its words
    tiles(axis, [prototypes[order[line * columns :][:columns]] for line in range(lines)], height=height)
    for place, code in enumerate(order):
        y, x = divmod(place, columns)
        axis.text(x + 0.5, y * height - 0.03, f"code {code}", ha="center", va="bottom", fontsize=7)
        text = f"{100 * counts[code] / counts.sum():.1f}%"
        if "contingency" in arrays:
            text += "\n" + _labels_of(arrays["contingency"][code])
        axis.text(x + 0.5, y * height + 1.03, text, ha="center", va="top", fontsize=7)
    axis.set_ylim(lines * height - 0.15, -0.2)
    axis.set_yticks([])
    left_out = "" if len(order) == len(counts) else f", the {len(order)} most used of {len(counts)} codes"
    figure.suptitle(f"{title(run)}\nwhat each code draws, its share of the test set, its labels{left_out}", fontsize=9)
    return figure


def code_use(run: Run, arrays: Any) -> Figure:
    """Which labels go to which code: each column sums to 1."""
    table = arrays["contingency"]
    order = np.lexsort((-table.max(1), table.argmax(1)))  # codes of one label side by side, near the diagonal
    table = table[order][:MAX_CODES_DRAWN]
    share = table / np.maximum(arrays["contingency"].sum(0), 1)
    lines, labels = share.shape
    figure = Figure(figsize=(0.42 * labels + 1.6, max(2.4, 0.26 * lines + 1.3)))
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set(xlabel="label", ylabel="code", xticks=range(labels), yticks=range(lines))
    axis.set_yticklabels([str(code) for code in order[:lines]])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    for (i, j), value in np.ndenumerate(share):
        if value >= 0.005:
            axis.text(
                j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color="k" if value < 0.6 else "w"
            )
    figure.colorbar(image, ax=axis, label="share of the label's images (numbers: %)")
    figure.suptitle(title(run).replace(" · ", "\n", 1), fontsize=9)
    return figure


def gumbel_max(*, logits: tuple[float, ...], draws: int, seed: int) -> Figure:
    """The article's third figure: argmax(logits + Gumbel noise) has the probabilities softmax(logits)."""
    theta = np.array(logits)
    rng = np.random.default_rng(seed)
    probabilities = np.exp(theta - theta.max())
    probabilities /= probabilities.sum()
    by_softmax = rng.choice(len(theta), draws, p=probabilities)
    noise = -np.log(-np.log1p(-rng.random((draws, len(theta)))))  # 1 - u is never 0
    by_gumbel = (theta + noise).argmax(1)
    with styled():
        figure = Figure(figsize=(5.6, 3.1))
        axis = figure.subplots()
        where = np.arange(len(theta))
        for shift, codes, label, colour in (
            (-0.2, by_softmax, "Categorical(softmax(logits))", COLOURS["sampled"]),
            (0.2, by_gumbel, "argmax(logits + Gumbel noise)", COLOURS["relaxed"]),
        ):
            shares = np.bincount(codes, minlength=len(theta)) / draws
            axis.bar(where + shift, shares, 0.38, color=colour, label=label)
        axis.plot(where, probabilities, "k_", markersize=34, label="softmax(logits)")
        axis.set_xticks(where, [f"{code}\n({value:g})" for code, value in enumerate(theta)])
        axis.set(xlabel="code (its logit)", ylabel=f"share of {draws:,} draws")
        axis.legend(markerscale=0.4, loc="upper left")
        figure.suptitle("The Gumbel-max trick draws from the softmax", fontsize=10)
        return figure


def tiles(axis: Axes, lines: Sequence[NDArray[np.float32]], *, height: float = 1.0) -> None:
    """Lines of images side by side, one unit wide and `height` apart; a line is one picture, which draws fastest."""
    frames = []
    for i, line in enumerate(lines):
        axis.imshow(_side_by_side(line), vmin=0, vmax=1, extent=(0, len(line), i * height + 1, i * height))
        inner = 1 - 2 * TILE_GAP
        frames += [Rectangle((j + TILE_GAP, i * height + TILE_GAP), inner, inner) for j in range(len(line))]
    axis.add_collection(PatchCollection(frames, facecolor="none", **FRAME))
    axis.set(xlim=(0, max(map(len, lines))), ylim=((len(lines) - 1) * height + 1, 0), xticks=[], aspect="equal")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _side_by_side(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, H, W] -> one image, with a white margin of TILE_GAP around each; whole pixels, so small images grow first."""
    times = -(-TILE_PIXELS // max(images.shape[1:]))
    large = images.repeat(times, 1).repeat(times, 2)
    margins = [round(TILE_GAP * size) for size in large.shape[1:]]
    padded = np.pad(large, [(0, 0), *((margin, margin) for margin in margins)])
    return np.concatenate(list(padded), axis=1)


def _labels_of(row: NDArray[np.int64]) -> str:
    """The labels that make up most of a code's images: "7 52%, 9 31%"."""
    if row.sum() == 0:
        return "unused"
    best = [label for label in np.argsort(-row, kind="stable")[:2] if row[label] >= 0.1 * row.sum()]
    return "\n".join(f"{label}: {100 * row[label] / row.sum():.0f}%" for label in best)


def _loss_label(run: Run, unit: str) -> str:
    beta = run.config.objective.beta
    extra = [f"{beta:g} × rate"] * bool(beta) + ["codebook losses"] * (run.config.model.name == "vqvae")
    return "\n+ ".join([unit, *extra])


@contextmanager
def styled() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield
