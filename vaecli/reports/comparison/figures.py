"""Figures over several runs: methods side by side, drawn from their folders alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from textwrap import wrap
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vaecli.metrics.intervals import Interval, interval
from vaecli.reports.columns import numbers
from vaecli.reports.comparison.groups import LENGTH, SQUARED, seed_of
from vaecli.reports.comparison.panels import Member, Reference, Scene, apart
from vaecli.reports.style import (
    COLOURS,
    WIDTH,
    Axes,
    Figure,
    FixedLocator,
    FuncFormatter,
    Line2D,
    MaxNLocator,
    NullLocator,
    data_title,
    heading,
    labelled,
    look,
    points_wide,
    thinned,
    tile_size,
    tiles,
)
from vaecli.runs import Run

REFERENCES: Mapping[str, Any] = {
    "mean image": {"linestyle": (0, (1, 1.5)), "marker": ""},
    "k-means": {"linestyle": (0, (4, 2)), "marker": "*"},
    "PCA": {"linestyle": (0, (4, 1.5, 1, 1.5)), "marker": ""},
}
REFERENCE_COLOUR = "0.45"
MOST_CODES = 20  # per row; the most used
WIDE = 20  # times the shortest code length; a longer axis is logarithmic
WIDEST_LEGEND = 0.35  # of a figure, beside the axes
LEGEND_SIZE = 7  # points
WIDEST_LABEL = 26  # characters in a line beside reconstructions
LINEAR_BITS = 16  # codes of at most this many bits are on a linear axis
ERROR = "test error on sampled codes\n(mean squared error per pixel)"


def figures(scene: Scene) -> dict[str, Callable[[], Figure]]:
    """The figures that can be drawn of a scene, by name."""
    found: dict[str, Callable[[], Figure]] = {
        "reconstructions": partial(reconstructions, scene),
        "loss": partial(loss_curves, scene),
        "bits": partial(distortion_and_bits, scene),
    }
    if with_code_length(scene):
        found["rate_distortion"] = partial(rate_and_distortion, scene)
    if with_prototypes(scene):
        found["codes"] = partial(what_codes_draw, scene)
    return found


def title(scene: Scene, seeds: Sequence[int]) -> str:
    """The title of every figure: data (and their fallback), epochs, seeds, and how many rows are shown."""
    words = f"{data_title(scene.data)} · {scene.training.length} · seed{'s' * (len(seeds) != 1)} {numbers(seeds)}"
    return words + f" · the first {len(scene.members)} of {scene.rows:,} rows" * (len(scene.members) < scene.rows)


def reconstructions(scene: Scene) -> Figure:
    """Inputs above; below them, for each method, what the decoder makes of the most probable codes."""
    firsts = [member.row.runs[0] for member in scene.members]
    arrays = [run.reconstructions() for run in firsts]
    lines = [arrays[0]["images"], *(found["mode"] for found in arrays)]
    tests = [run.summary["test"] for run in firsts]
    labels = [
        "input",
        *(
            "\n".join([*wrap(member.label, WIDEST_LABEL), f"MSE {test['mse']['sampled']:.4f}"])
            for member, test in zip(scene.members, tests, strict=True)
        ),
    ]
    count = len(lines[0])
    wide, high = tile_size(lines[0])
    cell = max(wide, 0.4), max(high, 0.5)  # room for two lines of text at the left
    scale = 0.54 * min(1, 10 / (count * cell[0]))  # inches of one
    figure = Figure(figsize=(WIDTH, scale * cell[1] * len(lines) + 0.6))
    axis = figure.subplots()
    tiles(axis, lines, cell=cell)
    axis.set_yticks([line * cell[1] + high / 2 for line in range(len(lines))], labels, fontsize=7)
    _rules(axis, scene, count * cell[0], cell[1])
    shown = "most probable codes (a Gaussian's mean); MSE: test error on sampled codes"
    heading(figure, f"{title(scene, sorted({seed_of(run) for run in firsts}))}\n{shown}", 8)
    return figure


def _rules(axis: Axes, scene: Scene, right: float, down: float) -> None:
    """Draws a line above each group, unless it is the only one, with its latent at the right."""
    if len(scene.groups) == 1:
        return
    top = down
    for group in scene.groups:
        axis.axhline(top, color="0.2", linewidth=0.8)
        words = apart(group, scene.groups).removeprefix("latent ").replace(", ", ",\n").replace(" of ", " of\n")
        axis.text(right + 0.1, top + 0.1 * down, words, ha="left", va="top", fontsize=7)
        top += down * sum(member.group is group for member in scene.members)
    axis.set_xlim(0, right + 1.4)


def loss_curves(scene: Scene) -> Figure:
    """Test error on sampled codes during training: the mean over seeds, and a band from the lowest to the highest."""
    figure, axes = _panels(scene)
    for member in scene.members:
        axis, (places, errors) = axes[member.discrete], error_by_row(member, scene.training.unit)
        every = max(1, len(places) // 8)
        axis.plot(places, errors.mean(0), markevery=(member.place % every, every), **_look(member))
        if len(errors) > 1:
            colour = COLOURS[member.place % len(COLOURS)]
            axis.fill_between(places, errors.min(0), errors.max(0), color=colour, alpha=0.18, linewidth=0)
    for discrete, axis in axes.items():
        for reference in _fitting(scene, discrete):
            style = REFERENCES[reference.kind]
            axis.axhline(reference.mse, color=REFERENCE_COLOUR, linewidth=1, linestyle=style["linestyle"], zorder=0)
        axis.set_xlabel(scene.training.unit)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.margins(x=0.04)
    band = "mean over seeds; band: from the lowest to the highest seed"
    heading(figure, title(scene, scene.seeds) + (f"\n{band}" if len(scene.seeds) > 1 else ""), 8, left=True)
    return figure


def error_by_row(member: Member, unit: Literal["epoch", "step"]) -> tuple[list[float], NDArray[np.float64]]:
    """The epochs or steps P that every run of a row has been measured after, and the errors [runs, P]."""
    found = [{row[unit] or 0: row["test_mse_sampled"] for row in run.metrics} for run in member.row.runs]
    places = list(thinned(sorted(set.intersection(*map(set, found)))))
    return places, np.array([[of_run[place] for place in places] for of_run in found], np.float64)


def distortion_and_bits(scene: Scene) -> Figure:
    """Test error against the measured rate; codes and Gaussian vectors on separate axes of the same height."""
    figure, axes = _panels(scene, lines=False)
    for discrete, axis in axes.items():
        reference = _reference_points(axis, _fitting(scene, discrete))
        of_seeds = [bits_and_errors(member.row.runs) for member in scene.members if member.discrete == discrete]
        members = (member for member in scene.members if member.discrete == discrete)
        for member, (bits, errors) in zip(members, of_seeds, strict=True):
            look = {**_look(member), "linestyle": ""}
            axis.plot([bits.mean()], [errors.mean()], **{**look, "markersize": 8, "alpha": 0.75})
            if len(bits) > 1:
                dots: Any = {
                    "marker": "o",
                    "markersize": 3,
                    "markeredgecolor": "white",
                    "markeredgewidth": 0.5,
                    "zorder": 3,
                }
                axis.plot(bits, errors, linestyle="", color=look["color"], **dots)
        axis.set_xlabel("rate (bits per image)" if discrete else "rate (bits per image, log scale)")
        _bits_axis(axis, np.concatenate([*(bits for bits, _ in of_seeds), reference]), discrete)
    means = "large: mean over seeds; dots: seeds" if len(scene.seeds) > 1 else "rate: KL(q(z|x) ‖ p(z)) on the test set"
    heading(figure, f"{title(scene, scene.seeds)}\n{means}", 8, left=True)
    return figure


def with_code_length(scene: Scene) -> list[Member]:
    """The members that have a prior over their codes."""
    return [member for member in scene.members if member.row.values[LENGTH]]


def rate_and_distortion(scene: Scene) -> Figure:
    """Test error against the code length under a prior, with intervals over seeds; a thin mark at the capacity."""
    members = with_code_length(scene)
    handles = [Line2D([], [], label=member.label, **{**_look(member), "linestyle": ""}) for member in members]
    figure = Figure(figsize=(WIDTH, 3.6))
    axis = figure.subplots()
    places = []
    for member in members:
        length, error = lengths_and_errors(member)
        look, capacity = _look(member), member.row.runs[0].latent.capacity_bits or length.mean
        thin: Any = {"color": look["color"], "linewidth": 0.6, "zorder": 1}
        axis.plot([length.mean, capacity], [error.mean] * 2, **thin)
        axis.plot([capacity], [error.mean], marker="|", markersize=9, **thin)
        bars: Any = {"xerr": length.half_width, "yerr": error.half_width, "capsize": 2, "elinewidth": 1}
        axis.errorbar(length.mean, error.mean, **{**look, "linestyle": "", "markersize": 6}, **bars)
        places += [length.mean, capacity]
    axis.set(xlabel="code length (bits per image)", ylabel=ERROR, xlim=(0, 1.05 * max(places)))
    if max(places) > WIDE * min(places):
        axis.set(xscale="log", xlabel="code length (bits per image, log scale)")
        axis.set_xlim(min(places) / 1.5, max(places) * 1.5)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.margins(y=0.1)
    _explained(figure, handles)
    kinds = dict.fromkeys(kind for member in members for kind in member.row.priors)
    words = f"test images' codes under {' and '.join(kinds)} priors; at the right their capacity"
    words += "\nbars: 95 % intervals over seeds" * (len(scene.seeds) > 1)
    heading(figure, f"{title(scene, scene.seeds)}\n{words}", 8, left=True)
    return figure


def lengths_and_errors(member: Member) -> tuple[Interval, Interval]:
    """Code length and test error on sampled codes, over the seeds that have a prior."""
    lengths, errors = member.row.values[LENGTH], member.row.values[SQUARED]
    return interval([*lengths.values()]), interval([errors[seed] for seed in lengths])


def bits_and_errors(runs: Sequence[Run]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The measured rates in bits per image, and the test errors on sampled codes, [runs] each."""
    tests = [run.summary["test"] for run in runs]
    return np.array([t["rate"] for t in tests]) / math.log(2), np.array([t["mse"]["sampled"] for t in tests])


def _reference_points(axis: Axes, references: Sequence[Reference]) -> list[float]:
    """Draws a line for each reference, and a marker if it is a code; returns the bits of the markers."""
    marked = [found for found in references if found.discrete and found.bits is not None]
    for reference in references:
        style = REFERENCES[reference.kind]
        axis.axhline(reference.mse, color=REFERENCE_COLOUR, linewidth=1, linestyle=style["linestyle"], zorder=0)
    for reference in marked:
        mark = REFERENCES[reference.kind]["marker"]
        axis.plot([reference.bits or 0], [reference.mse], color=REFERENCE_COLOUR, marker=mark, markersize=8)
    return [found.bits for found in marked if found.bits is not None]


def _bits_axis(axis: Axes, bits: NDArray[np.float64], discrete: bool) -> None:
    """Sets the axis of bits: from 0 for codes, linear while they are few; logarithmic for Gaussian vectors."""
    low, high = float(bits.min()), float(bits.max())
    if discrete and high <= LINEAR_BITS:
        axis.set_xlim(-0.06 * max(high, 1), 1.1 * max(high, 1))
        return
    if discrete:
        axis.set_xlabel("rate (bits per image, logarithmic above 1)")
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(-0.15, 1.4 * high)
    else:
        axis.set_xscale("log")
        axis.set_xlim(max(low, 0.1) / 2.5, max(high, 0.1) * 2.5)
    left, right = axis.get_xlim()
    steps = [0.0, *(digit * 10.0**power for power in range(-1, 7) for digit in (1, 2, 5))]
    inside = [step for step in steps if left <= step <= right]
    axis.xaxis.set_major_locator(FixedLocator(inside[:: 1 + len(inside) // 7]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())


def with_prototypes(scene: Scene) -> list[Member]:
    """The members with one code per image, whose codes can be decoded one by one."""
    return [member for member in scene.members if "prototypes" in member.row.runs[0].reconstructions()]


def what_codes_draw(scene: Scene) -> Figure:
    """Every code decoded, one row per method, the most used first, with its share and its commonest label."""
    members = with_prototypes(scene)
    firsts = [member.row.runs[0] for member in members]
    arrays = [run.reconstructions() for run in firsts]
    orders = [np.argsort(-found["code_counts"][0], kind="stable")[:MOST_CODES] for found in arrays]
    with_labels = any("contingency" in found for found in arrays)
    _, high = tile_size(arrays[0]["prototypes"])
    columns, height = max(map(len, orders)), high + (0.62 if with_labels else 0.36)
    scale = min(0.6, 5.9 / columns)
    figure = Figure(figsize=(WIDTH, scale * height * len(members) + 0.65))
    axis = figure.subplots()
    tiles(axis, [found["prototypes"][order] for found, order in zip(arrays, orders, strict=True)], cell=(1.0, height))
    for line, (found, order) in enumerate(zip(arrays, orders, strict=True)):
        table, values = labelled(found)
        for column, code in enumerate(order):
            words = _use(found["code_counts"][0], code, None if table is None else table[code], values)
            place = (column + 0.5, line * height + high + 0.02)
            axis.text(*place, words, ha="center", va="top", fontsize=min(6.5, 12 * scale), linespacing=1.1)
    labels = [_of_codes(member, len(order)) for member, order in zip(members, orders, strict=True)]
    axis.set_ylim(len(members) * height - 0.05, -0.1)
    axis.set_yticks([line * height + high / 2 for line in range(len(members))], labels, fontsize=7)
    words = "what each code draws; below it its share of the test set" + ", and its commonest label" * with_labels
    heading(figure, f"{title(scene, sorted({seed_of(run) for run in firsts}))}\n{words}", 8)
    return figure


def _use(counts: NDArray[np.int64], code: int, of_labels: NDArray[np.int64] | None, values: NDArray[np.int64]) -> str:
    """Two lines, "12.3%" and "7: 52%": the code's share of the test set, and the commonest label among its images."""
    if counts[code] == 0:
        return "unused"
    words = f"{100 * counts[code] / counts.sum():.1f}%"
    if of_labels is None:
        return words
    return f"{words}\n{values[of_labels.argmax()]}: {100 * of_labels.max() / of_labels.sum():.0f}%"


def _of_codes(member: Member, shown: int) -> str:
    test = member.row.runs[0].summary["test"]
    codes = member.row.runs[0].latent.most_values
    words = [member.label]
    if test["nmi"] is not None:
        words.append(f"NMI {test['nmi']:.2f}")
    if codes is not None and shown < codes:
        words.append(f"{shown} of {codes} codes")
    return "\n".join(words)


def _panels(scene: Scene, *, lines: bool = True) -> tuple[Figure, dict[bool, Axes]]:
    """Axes of the same height for codes (True) and Gaussian vectors (False), if there are any, and the legend."""
    kinds = sorted({member.discrete for member in scene.members}, reverse=True)
    handles = _legend(scene, {} if lines else {"linestyle": ""})
    figure = Figure(figsize=(WIDTH, 3.2))
    drawn = figure.subplots(1, len(kinds), sharey=True, squeeze=False, width_ratios=[3, 2][: len(kinds)])[0]
    axes = dict(zip(kinds, drawn, strict=True))
    for discrete, axis in axes.items():
        axis.set_title("codes" if discrete else "Gaussian vectors (not comparable)", fontsize=8)
    drawn[0].set_ylabel(ERROR if kinds[0] else ERROR.replace("codes", "vectors"))
    _explained(figure, handles)
    return figure, axes


def _explained(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Adds the legend: at the right, or below where it would take more than WIDEST_LEGEND of the figure's width."""
    wide, high = figure.get_size_inches()
    longest = max(points_wide(str(handle.get_label()), LEGEND_SIZE) for handle in handles)
    options: Any = {"handles": handles, "fontsize": LEGEND_SIZE, "handlelength": 3.2}
    if longest <= WIDEST_LEGEND * 72 * wide:
        figure.set_size_inches(wide, max(high, 0.2 * len(handles) + 0.7))
        figure.legend(loc="outside right upper", **options)
    else:
        figure.set_size_inches(wide, high + 0.4 + 0.17 * len(handles))
        figure.legend(loc="outside lower left", **options)


def _legend(scene: Scene, look: Mapping[str, Any]) -> list[Line2D]:
    """Members under the names of their groups, then the references."""
    found = []
    for group in scene.groups:
        if len(scene.groups) > 1 and any(member.group is group for member in scene.members):
            found.append(_heading(apart(group, scene.groups).removeprefix("latent ")))
        found += [Line2D([], [], label=m.label, **{**_look(m), **look}) for m in scene.members if m.group is group]
    references = scene.references()
    if references:
        found.append(_heading("references"))
    for reference in references:
        label = ", ".join(filter(None, [reference.kind, reference.size]))
        found.append(Line2D([], [], color=REFERENCE_COLOUR, linewidth=1, label=label, **REFERENCES[reference.kind]))
    return found


def _heading(words: str) -> Line2D:
    return Line2D([], [], linestyle="", label=f"– {words} –")


def _fitting(scene: Scene, discrete: bool) -> list[Reference]:
    return [found for found in scene.references() if found.discrete in (None, discrete)]


def _look(member: Member) -> dict[str, Any]:
    """The marker style: open for Gaussian vectors."""
    found = look(member.place)
    return found if member.discrete else found | {"markerfacecolor": "white"}
