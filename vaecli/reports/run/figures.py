"""Figures of one run, drawn from its folder alone: no TensorFlow."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.config.options import Schedule, described
from vaecli.errors import RunError
from vaecli.reports.columns import plain
from vaecli.reports.style import (
    COLUMN,
    TILE_GAP,
    WIDTH,
    Draw,
    Figure,
    Undrawn,
    checked_format,
    chosen,
    data_title,
    draw_each,
    heading,
    labelled,
    panels,
    points_wide,
    thinned,
    tile_size,
    tiles,
)
from vaecli.runs import Run
from vaecli.runs.references import references_of

# Okabe and Ito's palette, which colour-blind readers can distinguish too
COLOURS = {"train": "#000000", "sampled": "#0072B2", "mode": "#009E73", "relaxed": "#D55E00"}
SCHEDULE_STYLES = (("#CC79A7", "-"), ("#56B4E9", "--"), ("#E69F00", "-."), ("#999999", ":"))
MAX_CODES_DRAWN = 100
MAX_MAPS_DRAWN = 3  # of the codes of one position
MAX_LABELS_DRAWN = 50  # the most common; all others share one column
LEAST_WIDTH = 4.5  # inches, so that a title fits
THREE_PANELS = 8.0  # inches, from which those of a codebook stand side by side
LEAST_COLUMN = 0.15  # inches of a label's column, so that a number fits


def draw_run(
    run: Run,
    *,
    failed: Callable[[Undrawn], None],
    output: Path | None = None,
    fmt: str = "png",
    only: str | None = None,
    width: float | None = None,
) -> list[Path]:
    """Draws every figure that the run has data for, into its figures/ folder or into `output`.

    Args:
        failed: called with each figure that could not be drawn; the others are drawn.
        only: the name of a figure; the others are left out.
        width: of a figure, in inches; letters keep their size. None: as wide as its contents need.

    Returns:
        The files written.
    Raises:
        RunError: the run is not finished, its files are damaged, or it has no figure of this name.
    """
    folder = output or run.figures
    checked_format(fmt, folder)
    if output is None:
        run.refuse_links()
    arrays = run.reconstructions()
    if not run.metrics:
        raise RunError(f"{run.metrics_csv}: damaged, it has no rows")
    figures: dict[str, Draw] = {
        "reconstructions": partial(reconstructions, run, arrays, width),
        "loss": partial(loss_curves, run, width),
    }
    if "prototypes" in arrays:
        figures["codes"] = partial(what_codes_draw, run, arrays, width)
    if "drawn" in arrays:
        figures["codes"] = partial(what_cells_draw, run, arrays, width)
    if "contingency" in arrays:
        figures["code_use"] = partial(code_use, run, arrays, width)
    if "codebook" in arrays:
        figures["codebook"] = partial(codebook, run, arrays, width)
    found = chosen(figures, only, run.name)
    return draw_each({f"{name}.{fmt}": draw for name, draw in found.items()}, folder, failed)


def title(run: Run) -> str:
    """The title of every figure: method, options, data (and what it is a fallback for), epochs, seed."""
    config = run.config
    options = config.model.options()
    told = [f"{SYMBOLS[key]} = {value:g}" for key, value in options.items() if key in SYMBOLS]
    defaults = {key: option.default for key, option in described(config.model.method).items()}
    told += [f"{key} {plain(options[key])}" for key in CHOICES if options.get(key, None) != defaults.get(key)]
    parts = [
        config.model.name + (f" ({', '.join(told)})" if told else ""),
        data_title(run.info["data"]),
        config.training.length,
        f"seed {config.training.seed}",
    ]
    return " · ".join(parts)


SYMBOLS = {
    "temperature": "τ",
    "forward_temperature": "τf",
    "backward_temperature": "τb",
    "num_samples": "S",
    "num_draws": "S",
    "set_size": "S",
    "perturbation": "ε",
    "gap": "gap",
    "num_classes": "K",
    "num_codes": "K",
    "num_latents": "L",
    "code_dim": "D",
    "latent_dim": "D",
    "commitment": "commitment",
}
# Options that a title has if they are not at their defaults.
CHOICES = (
    "forward",
    "levels",
    "bits",
    "stages",
    "codebook",
    "init",
    "restart",
    "gradient",
    "distance",
    "unquantized_steps",
)


def reconstructions(run: Run, arrays: Any, width: float | None = None) -> Figure:
    """Inputs above, outputs below; the corner of an output shows its code, and of a grid of codes a map follows."""
    last = run.metrics[-1]
    discrete = "code_counts" in arrays
    rows: list[tuple[str, str, str | None]] = [("images", "input", None)]
    rows.append(("mode", "most probable\ncode" if discrete else "mean", "test_mse_mode"))
    if not np.array_equal(arrays["mode"], arrays["sampled"]):
        rows.append(("sampled", "sampled\ncode" if discrete else "sample", "test_mse_sampled"))
    if "relaxed" in arrays:
        rows.append(("relaxed", "relaxed\nsample", "test_mse_relaxed"))
    wide, high = tile_size(arrays["images"])
    cell = max(wide, 0.4), max(high, 0.66)  # room for a code's number, and for three lines of text at the left
    count = _fitting(len(arrays["images"]), width, 0.62 * cell[0], 1.15)
    maps = code_maps(run, arrays)
    down = 0.66 * (len(rows) + len(maps)) * cell[1]
    figure = Figure(figsize=(width or max(LEAST_WIDTH, 0.62 * count * cell[0] + 1.5), down + 0.45))
    axis = figure.subplots()
    lines = [line[:count] for line in (*(arrays[name] for name, _, _ in rows), *maps)]
    tiles(axis, lines, cell=cell, coloured=range(len(rows), len(lines)))
    if discrete and arrays["codes"].shape[1] == 1:
        on_colour = {"facecolor": "w", "linewidth": 0, "alpha": 0.7, "pad": 0.5} if arrays["images"].ndim == 4 else None
        for column, (code,) in enumerate(arrays["codes"][:count]):
            right, below = (column + 0.5) * cell[0] + wide / 2 - TILE_GAP, cell[1] + high
            where = (right, below - TILE_GAP, "bottom") if high == cell[1] else (right, below + TILE_GAP, "top")
            axis.text(*where[:2], str(code), ha="right", va=where[2], color="0.35", fontsize=6, bbox=on_colour)
    texts = [label if metric is None else f"{label}\nMSE {last[metric]:.4f}" for _, label, metric in rows]
    texts += [f"code {place + 1}" if len(maps) > 1 else "codes" for place in range(len(maps))]
    axis.set_yticks([line * cell[1] + high / 2 for line in range(len(lines))], texts, fontsize=8)
    coloured = "\ncodes: the darker, the rarer in the test set" if maps else ""
    heading(figure, title(run) + coloured, 9)
    return figure


def _fitting(count: int, width: float | None, inches: float, beside: float) -> int:
    """How many of `count` tiles fit in a line of a figure that has to have a width; all if it has not."""
    return count if width is None else max(1, min(count, int((width - beside) / inches)))


def code_maps(run: Run, arrays: Any) -> list[NDArray[np.float32]]:
    """Codes [S, H', W'] as ranks of their use, from 0, the most used, to 1, the rarest; none without a grid."""
    positions, counts = run.latent.positions, arrays.get("code_counts")
    if positions == (1, 1) or counts is None:
        return []
    codes = arrays["codes"].reshape(len(arrays["codes"]), *positions, len(counts))
    found = []
    for place, of_code in enumerate(counts[:MAX_MAPS_DRAWN]):
        rank = np.empty(len(of_code), np.float32)
        used = int(np.count_nonzero(of_code))
        rank[np.argsort(-of_code, kind="stable")] = np.arange(len(of_code)) / max(1, used - 1)
        found.append(rank[codes[..., place]])
    return found


def loss_curves(run: Run, width: float | None = None) -> Figure:
    """The minimised loss (left), and the test error on sampled codes, the mode and the relaxed sample (right).

    Below the loss, what its schedules did: each value in units of its largest, as it was at the last step before a row.
    """
    metrics = thinned(run.metrics)
    training = run.config.training
    places = [row[training.unit] for row in metrics]
    schedules = {key: found for (_, key), found in run.config.schedules.items() if key in metrics[0]}
    down = 2.9 + 0.9 * bool(schedules)
    narrow = (width or WIDTH) < COLUMN
    figure = Figure(figsize=(width or WIDTH, down + 3.4 * narrow))
    whole = figure.add_gridspec(2, 1, height_ratios=(down, 2.9)) if narrow else figure.add_gridspec(1, 2)
    grid = whole[0].subgridspec(2, 1, height_ratios=(3, 1)) if schedules else whole[0].subgridspec(1, 1)
    axes: list[Any] = [figure.add_subplot(place) for place in (grid[0], whole[1])]
    left, right = axes
    style: dict[str, Any] = {"marker": "o", "markersize": 3} if len(places) <= 30 else {}
    left.plot(places, [row["loss"] for row in metrics], color=COLOURS["train"], **style)
    unit = run.config.objective.unit
    left.set(title="training loss", ylabel=_loss_label(run, unit))
    discrete = metrics[-1]["test_perplexity"] is not None
    labels = {
        "mode": "most probable code" if discrete else "mean",
        "sampled": "sampled code" if discrete else "sample",
        "relaxed": "relaxed sample",
    }
    errors = {name: [row[f"test_mse_{name}"] for row in metrics] for name in labels}
    if errors["sampled"] == errors["mode"]:  # a point posterior: one line instead of two on top of each other
        labels["mode"] = "code (deterministic)"
        del labels["sampled"]
    for name, label in labels.items():
        if errors[name][-1] is not None:
            right.plot(places, errors[name], color=COLOURS[name], label=label, **style)
    references = references_of(run)
    for (label, value), dashes in zip(references.lines(run.latent) if references else (), (":", "--"), strict=False):
        right.axhline(value, color="0.5", linewidth=0.9, linestyle=dashes, label=label, zorder=0)
    right.set(title="test error", ylabel="mean squared error per pixel")
    lowest = left
    lines = [*right.get_lines()]
    if schedules:
        lowest = figure.add_subplot(grid[1], sharex=left)
        left.tick_params(labelbottom=False)
        for (key, schedule), (colour, dashes) in zip(schedules.items(), SCHEDULE_STYLES, strict=False):
            values = np.array([row[key] for row in metrics], np.float64)
            label = f"{key.replace('_', ' ')}:\n{schedule:g}".replace(", ", ",\n")
            share = values / max(values.max(), np.finfo(np.float64).tiny)
            lines += lowest.plot(places, share, color=colour, linestyle=dashes, label=label, **style)
        lowest.set(ylabel="share of\nits largest", ylim=(-0.08, 1.12))
    if narrow:
        longest = max(points_wide(str(line.get_label()), 7) for line in lines)
        columns = max(1, int(72 * (width or WIDTH) / (longest + 60)))
        right.legend(handles=lines, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)
    else:
        right.legend(handles=lines, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axis in (lowest, right):
        axis.set_xlabel(training.unit)
    for axis in axes:
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.margins(x=0.04)
    heading(figure, title(run), 9)
    return figure


def what_codes_draw(run: Run, arrays: Any, width: float | None = None) -> Figure:
    """Every code decoded, with its share of the test set and its labels; most used first."""
    prototypes, counts = arrays["prototypes"], arrays["code_counts"][0]
    order = np.argsort(-counts, kind="stable")[:MAX_CODES_DRAWN]
    columns = _fitting(min(10, len(order)), width, 0.7, 0.3)
    lines = -(-len(order) // columns)
    _, high = tile_size(prototypes)
    height = high + 0.75  # of a tile with its text
    across = width or max(LEAST_WIDTH, 0.86 * columns + 0.3)
    tile = min(1.46 / 1.75, (across - 0.3) / columns)  # inches
    figure = Figure(figsize=(across, tile * lines * height + 0.4))
    axis = figure.subplots()
    tiles(axis, [prototypes[order[line * columns :][:columns]] for line in range(lines)], cell=(1.0, height))
    table, values = labelled(arrays)
    for place, code in enumerate(order):
        y, x = divmod(place, columns)
        axis.text(x + 0.5, y * height - 0.03, f"code {code}", ha="center", va="bottom", fontsize=7)
        text = f"{100 * counts[code] / counts.sum():.1f}%"
        if table is not None:
            text += "\n" + labels_of(table[code], values)
        axis.text(x + 0.5, y * height + high + 0.03, text, ha="center", va="top", fontsize=7)
    axis.set_ylim(lines * height - 0.15, -0.2)
    axis.set_yticks([])
    left_out = "" if len(order) == len(counts) else f", the {len(order)} most used of {len(counts)} codes"
    heading(figure, f"{title(run)}\nwhat each code draws, its share of the test set, its labels{left_out}", 9)
    return figure


def what_cells_draw(run: Run, arrays: Any, width: float | None = None) -> Figure:
    """The codes of a grid: their share of all cells, what they draw in their places, and alone; most used first."""
    codes, counts = arrays["drawn"], arrays["code_counts"][0]
    columns = _fitting(min(12, len(codes)), width, 0.62, 1.2)
    lines = -(-len(codes) // columns)
    _, high = tile_size(arrays["alone"])
    height = max(1.0, high) + 0.08
    figure = Figure(figsize=(width or max(LEAST_WIDTH, 0.62 * columns + 1.2), 0.62 * lines * (2 * height + 0.55) + 0.7))
    axes = figure.subplots(lines, 1, squeeze=False)[:, 0]
    for line, axis in enumerate(axes):
        part = slice(line * columns, (line + 1) * columns)
        tiles(axis, [arrays["in_place"][part], arrays["alone"][part]], cell=(1.0, height))
        axis.set_xlim(0, columns)
        axis.set_yticks([high / 2, height + high / 2], ["in place", "alone"], fontsize=7)
        for place, code in enumerate(codes[part]):
            text = f"{code}: {100 * counts[code] / counts.sum():.3g}%"
            axis.text(place + 0.5, -0.06, text, ha="center", va="bottom", fontsize=6)
    used = np.count_nonzero(counts)
    words = f"{used} of {len(counts)} codes are used on the test set"
    words += f", the {len(codes)} most used:" if len(codes) < used else ":"
    heading(figure, f"{title(run)}\n{words} share of cells, mean decoded cell, and a grid of this code alone", 9)
    return figure


def code_use(run: Run, arrays: Any, width: float | None = None) -> Figure:
    """The share of each label's images that each code gets: each column sums to 1."""
    share, codes, names = code_use_of(arrays)
    lines, labels = share.shape
    column = (0.42 if labels <= 20 else 0.24) if width is None else (width - 1.6) / labels  # inches
    few = column >= 0.3
    figure = Figure(figsize=(width or max(LEAST_WIDTH, column * labels + 1.6), max(2.4, 0.26 * lines + 1.3)))
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set(xlabel="label", ylabel="code", xticks=range(labels), yticks=range(lines))
    axis.set_xticklabels(names, rotation=0 if max(map(len, names)) <= 4 * column / 0.42 - 1 else 90)
    axis.set_yticklabels([str(code) for code in codes])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    for (i, j), value in np.ndenumerate(share):
        if value >= 0.005 and column >= LEAST_COLUMN:
            axis.text(
                j,
                i,
                f"{100 * value:.0f}",
                ha="center",
                va="center",
                fontsize=7 if few else 6,
                color="k" if value < 0.6 else "w",
            )
    figure.colorbar(image, ax=axis, label="share of the label's images (numbers: %)", fraction=0.15 if few else 0.05)
    heading(figure, title(run).replace(" · ", "\n", 1), 9)
    return figure


def code_use_of(arrays: Any) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """The shares [codes, labels], the codes, and the names of the labels."""
    found, values = labelled(arrays)
    assert found is not None
    table, names = commonest(found, values)
    order = np.lexsort((-table.max(1), table.argmax(1)))  # codes of one label side by side, near the diagonal
    return table[order][:MAX_CODES_DRAWN] / np.maximum(table.sum(0), 1), order[:MAX_CODES_DRAWN], names


def codebook(run: Run, arrays: Any, width: float | None = None) -> Figure:
    """Rows among encodings in two dimensions, their use over the run, and the lengths of both.

    The plane is that of the encodings' largest variance; a dot grows with a row's use, a cross is a row never used.
    """
    rows, encodings, counts = arrays["codebook"], arrays["encodings"], arrays["code_counts"].sum(0)
    figure = Figure(figsize=(width or 10.5, 3.3))
    axes_of: list[Any] = panels(figure, 3, narrow=THREE_PANELS, width_ratios=(1.25, 1, 1))
    plane, over_time, lengths = axes_of
    placed, at = plane_of(encodings, rows)
    for points, style in (
        (placed, {"s": 3, "color": "0.75", "linewidths": 0, "label": "encodings"}),
        (at[counts == 0], {"s": 16, "marker": "x", "color": COLOURS["relaxed"], "label": "rows never used"}),
        (
            at[counts > 0],
            {
                "s": 8 + 120 * counts[counts > 0] / counts.max(),
                "color": COLOURS["sampled"],
                "alpha": 0.7,
                "label": "rows in use",
            },
        ),
    ):
        if len(points):
            plane.scatter(*points.T, **style)
    plane.set(title="codebook in the encodings' plane", xticks=[], yticks=[])
    columns = next(columns for columns, least in ((3, THREE_PANELS), (2, 3.0), (1, 0.0)) if (width or 10.5) >= least)
    plane.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=columns, handletextpad=0.2)
    metrics, unit = thinned(run.metrics), run.config.training.unit
    places, style = [row[unit] for row in metrics], {"marker": "o", "markersize": 3} if len(metrics) <= 30 else {}
    for name, label, colour in (
        ("codes_used", "codes used", COLOURS["sampled"]),
        ("perplexity", "perplexity", COLOURS["relaxed"]),
    ):
        values = [row.get(f"test_{name}") for row in metrics]
        if None not in values:
            share = np.array(values) / (1 if name == "codes_used" else len(rows))
            over_time.plot(places, 100 * share, color=colour, label=label, **style)
    over_time.set(title="use over the run", xlabel=unit, ylabel="% of the codes,\nwhole test set", ylim=(-4, 104))
    over_time.xaxis.get_major_locator().set_params(integer=True)
    over_time.legend(fontsize=7)
    of_both = [np.linalg.norm(x, axis=1) for x in (encodings, rows)]
    bins = np.linspace(0, max(x.max() for x in of_both) * 1.02 + 1e-9, 40)
    for values, label, colour in zip(of_both, ("encodings", "rows"), ("0.6", COLOURS["sampled"]), strict=True):
        lengths.hist(
            values, bins, weights=np.full(len(values), 100 / len(values)), color=colour, alpha=0.7, label=label
        )
    lengths.set(title="lengths", xlabel="length", ylabel="%")
    lengths.margins(y=0.3)
    lengths.legend(fontsize=7)
    heading(figure, f"{title(run)}\n{np.count_nonzero(counts)} of {len(rows)} codes are used on the test set", 9)
    return figure


def plane_of(
    encodings: NDArray[np.float32], rows: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Encodings and rows in the plane of the encodings' largest variance, [N, 2] each."""
    middle = encodings.mean(0)
    _, _, directions = np.linalg.svd(encodings - middle, full_matrices=False)
    axes = np.zeros((2, rows.shape[1]))
    axes[: min(2, len(directions))] = directions[:2]
    return (encodings - middle) @ axes.T, (rows - middle) @ axes.T


def commonest(table: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """The columns of the most common labels in the order of their values, and one for all others."""
    names = [str(value) for value in values]
    if len(names) <= MAX_LABELS_DRAWN:
        return table, names
    order = np.argsort(-table.sum(0), kind="stable")
    kept, others = np.sort(order[:MAX_LABELS_DRAWN]), order[MAX_LABELS_DRAWN:]
    together = np.column_stack([table[:, kept], table[:, others].sum(1)])
    return together, [*(names[place] for place in kept), f"{len(others):,} others"]


def gumbel_max(*, logits: tuple[float, ...], draws: int, seed: int, width: float | None = None) -> Figure:
    """The article's third figure: argmax(logits + Gumbel noise) has the probabilities softmax(logits)."""
    theta = np.array(logits)
    rng = np.random.default_rng(seed)
    probabilities = np.exp(theta - theta.max())
    probabilities /= probabilities.sum()
    by_softmax = rng.choice(len(theta), draws, p=probabilities)
    noise = -np.log(-np.log1p(-rng.random((draws, len(theta)))))  # 1 - u is never 0
    by_gumbel = (theta + noise).argmax(1)
    figure = Figure(figsize=(width or 5.6, 3.1))
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
    heading(figure, "The Gumbel-max trick draws from the softmax", 10)
    return figure


def labels_of(row: NDArray[np.int64], values: NDArray[np.int64]) -> str:
    """The most common labels of a code's images: "7: 52%", "9: 31%"."""
    if row.sum() == 0:
        return "unused"
    best = [label for label in np.argsort(-row, kind="stable")[:2] if row[label] >= 0.1 * row.sum()]
    return "\n".join(f"{values[label]}: {100 * row[label] / row.sum():.0f}%" for label in best)


def _loss_label(run: Run, unit: str) -> str:
    beta = run.config.objective.beta
    weight = "β" if isinstance(beta, Schedule) else f"{beta:g}"
    extra = [f"{weight} × rate"] * bool(beta) + ["penalty"] * bool(run.metrics[-1]["penalty"])
    return "\n+ ".join([unit, *extra])
