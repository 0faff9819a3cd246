"""Figures over several runs: methods side by side, drawn from their folders alone."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vaecli.metrics.intervals import Interval, interval
from vaecli.reports.columns import numbers
from vaecli.reports.comparison.groups import LENGTH, SQUARED, Group, seed_of
from vaecli.reports.comparison.panels import Member, Reference, Scene, apart
from vaecli.reports.comparison.sweeps import Curve, sweeps
from vaecli.reports.style import (
    COLOURS,
    COLUMN,
    PLAIN,
    WIDTH,
    Axes,
    Draw,
    Figure,
    FixedLocator,
    Line2D,
    MaxNLocator,
    NullLocator,
    broken,
    chosen,
    data_title,
    heading,
    labelled,
    look,
    panels,
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
WIDEST_COUNT = "20 of 65,536 codes"  # beside a row
WIDE = 20  # times the shortest code length; a longer axis is logarithmic
LOGARITHMIC = 8  # the largest of a key's values over the smallest, from which its axis is logarithmic
WIDEST_LEGEND = 0.35  # of a figure, beside the axes
LEGEND_SIZE = 7  # points
LEGEND_INCHES = 6.5  # of a figure that is wide enough for a legend beside its axes
LEGEND_POINTS = 45  # that its handles and its margins take
LABEL_INCHES, NARROW_LABEL_INCHES = 1.6, 0.9  # of a line beside tiles, at most; the latter in a narrow figure
LINE_INCHES = 0.125  # between such lines
MARGIN_INCHES = 0.4  # beside tiles and their labels
TILE_INCHES, LEAST_TILE_INCHES = 0.54, 0.36  # along a side; in a narrow figure there are fewer tiles
CODE_INCHES, LEAST_CODE_INCHES, NARROW_CODE_INCHES = 0.6, 0.28, 0.4  # the same of what codes draw, with text below
LINEAR_BITS = 16  # codes of at most this many bits are on a linear axis
ERROR = "test error on sampled codes\n(mean squared error per pixel)"


def files(found: Sequence[Scene], fmt: str, *, width: float = WIDTH, only: str | None = None) -> dict[str, Draw]:
    """The figures of all scenes by the names of their files: bits.png, or bits-1.png and bits-2.png of two scenes.

    Args:
        only: the name of a figure; the others are left out.

    Raises:
        RunError: no scene has such a figure.
    """
    of_scenes = [figures(scene, width) for scene in found]
    names = chosen({name: draw for of_scene in of_scenes for name, draw in of_scene.items()}, only, "the comparison")
    return {
        f"{name}-{number}.{fmt}" if len(found) > 1 else f"{name}.{fmt}": draw
        for number, of_scene in enumerate(of_scenes, 1)
        for name, draw in of_scene.items()
        if name in names
    }


def figures(scene: Scene, width: float = WIDTH) -> dict[str, Draw]:
    """The figures that can be drawn of a scene, by name.

    Args:
        width: of a figure, in inches; letters keep their size.
    """
    found: dict[str, Draw] = {
        "reconstructions": partial(reconstructions, scene, width),
        "loss": partial(loss_curves, scene, width),
        "bits": partial(distortion_and_bits, scene, width),
    }
    if with_code_length(scene):
        found["rate_distortion"] = partial(rate_and_distortion, scene, width)
    if with_prototypes(scene):
        found["codes"] = partial(what_codes_draw, scene, width)
    if swept := sweeps(scene):
        found["sweep"] = partial(over_swept_keys, scene, swept, width)
    return found


def title(scene: Scene, seeds: Sequence[int]) -> str:
    """The title of every figure: data (and their fallback), epochs, seeds, and how many rows are shown."""
    words = f"{data_title(scene.data)} · {scene.training.length} · seed{'s' * (len(seeds) != 1)} {numbers(seeds)}"
    return words + f" · the first {len(scene.members)} of {scene.rows:,} rows" * (len(scene.members) < scene.rows)


def reconstructions(scene: Scene, width: float = WIDTH) -> Figure:
    """Inputs above; below them, for each method, what the decoder makes of the most probable codes."""
    firsts = [member.row.runs[0] for member in scene.members]
    arrays = [run.reconstructions() for run in firsts]
    tests = [run.summary["test"] for run in firsts]
    told = [f"MSE {test['mse']['sampled']:.4f}" for test in tests]
    labels = ["input", *(f"{_beside(m, width)}\n{error}" for m, error in zip(scene.members, told, strict=True))]
    of_groups = [_of_group(group, scene) for group in scene.groups]
    wide, high = tile_size(arrays[0]["images"])
    across = max(wide, 0.4)
    room = (width - _inches(labels) - _inches(of_groups) - MARGIN_INCHES) / across
    count = min(len(arrays[0]["images"]), max(1, int(room / LEAST_TILE_INCHES)))
    scale = min(TILE_INCHES, room / count)  # inches of one
    cell = across, max(high, _lines(labels) * LINE_INCHES / scale)
    lines = [arrays[0]["images"][:count], *(found["mode"][:count] for found in arrays)]
    figure = Figure(figsize=(width, scale * cell[1] * len(lines) + 0.6))
    axis = figure.subplots()
    tiles(axis, lines, cell=cell)
    axis.set_yticks([line * cell[1] + high / 2 for line in range(len(lines))], labels, fontsize=LEGEND_SIZE)
    _rules(axis, scene, of_groups, count * across, cell[1])
    axis.set_xlim(0, count * across + _inches(of_groups) / scale)
    shown = "most probable codes (a Gaussian's mean); MSE: test error on sampled codes"
    heading(figure, f"{title(scene, sorted({seed_of(run) for run in firsts}))}\n{shown}", 8, left=True)
    return figure


def _beside(member: Member, width: float) -> str:
    """The label of a row beside its tiles."""
    return broken(member.label, 72 * (LABEL_INCHES if width >= COLUMN else NARROW_LABEL_INCHES), LEGEND_SIZE)


def _inches(labels: Sequence[str]) -> float:
    return max(points_wide(label, LEGEND_SIZE) for label in labels) / 72


def _lines(labels: Sequence[str]) -> int:
    return max(label.count("\n") + 1 for label in labels)


def _of_group(group: Group, scene: Scene) -> str:
    """What stands at the right of a group's rows, unless it is the only one."""
    return apart(group, scene.groups).removeprefix("latent ").replace(", ", ",\n").replace(" of ", " of\n")


def _rules(axis: Axes, scene: Scene, of_groups: Sequence[str], right: float, down: float) -> None:
    """Draws a line above each group, unless it is the only one, with its latent at the right."""
    if len(scene.groups) == 1:
        return
    top = down
    for group, words in zip(scene.groups, of_groups, strict=True):
        axis.plot([0, right], [top, top], color="0.2", linewidth=0.8)
        axis.annotate(
            words, (right, top), (3, -3), textcoords="offset points", ha="left", va="top", fontsize=LEGEND_SIZE
        )
        top += down * sum(member.group is group for member in scene.members)


def loss_curves(scene: Scene, width: float = WIDTH) -> Figure:
    """Test error on sampled codes during training: the mean over seeds, and a band from the lowest to the highest."""
    band = "\nmean over seeds; band: from the lowest to the highest seed" if len(scene.seeds) > 1 else ""
    figure, axes = _panels(scene, width, title(scene, scene.seeds) + band)
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
    return figure


def error_by_row(member: Member, unit: Literal["epoch", "step"]) -> tuple[list[float], NDArray[np.float64]]:
    """The epochs or steps P that every run of a row has been measured after, and the errors [runs, P]."""
    found = [{row[unit] or 0: row["test_mse_sampled"] for row in run.metrics} for run in member.row.runs]
    places = list(thinned(sorted(set.intersection(*map(set, found)))))
    return places, np.array([[of_run[place] for place in places] for of_run in found], np.float64)


def distortion_and_bits(scene: Scene, width: float = WIDTH) -> Figure:
    """Test error against the measured rate; codes and Gaussian vectors on separate axes of the same height."""
    means = "large: mean over seeds; dots: seeds" if len(scene.seeds) > 1 else "rate: KL(q(z|x) ‖ p(z)) on the test set"
    figure, axes = _panels(scene, width, f"{title(scene, scene.seeds)}\n{means}", lines=False)
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
        axis.set_xlabel("rate (bits per image)" if discrete else "rate (bits per image,\nlog scale)")
        _bits_axis(axis, np.concatenate([*(bits for bits, _ in of_seeds), reference]), discrete)
    return figure


def with_code_length(scene: Scene) -> list[Member]:
    """The members that have a prior over their codes."""
    return [member for member in scene.members if member.row.values[LENGTH]]


def rate_and_distortion(scene: Scene, width: float = WIDTH) -> Figure:
    """Test error against the code length under a prior, with intervals over seeds; a thin mark at the capacity."""
    members = with_code_length(scene)
    handles = [Line2D([], [], label=member.label, **{**_look(member), "linestyle": ""}) for member in members]
    figure = Figure(figsize=(width, 3.6))
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
        axis.xaxis.set_major_formatter(PLAIN)
    axis.margins(y=0.1)
    kinds = dict.fromkeys(kind for member in members for kind in member.row.priors)
    words = f"test images' codes under {' and '.join(kinds)} priors; at the right their capacity"
    words += "\nbars: 95 % intervals over seeds" * (len(scene.seeds) > 1)
    _explained(figure, handles, f"{title(scene, scene.seeds)}\n{words}")
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
        axis.set_xlabel("rate (bits per image,\nlogarithmic above 1)")
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(-0.15, 1.4 * high)
    else:
        axis.set_xscale("log")
        axis.set_xlim(max(low, 0.1) / 2.5, max(high, 0.1) * 2.5)
    left, right = axis.get_xlim()
    steps = [0.0, *(digit * 10.0**power for power in range(-1, 7) for digit in (1, 2, 5))]
    inside = [step for step in steps if left <= step <= right]
    axis.xaxis.set_major_locator(FixedLocator(inside[:: 1 + len(inside) // 7]))
    axis.xaxis.set_major_formatter(PLAIN)
    axis.xaxis.set_minor_locator(NullLocator())


def with_prototypes(scene: Scene) -> list[Member]:
    """The members with one code per image, whose codes can be decoded one by one."""
    return [member for member in scene.members if "prototypes" in member.row.runs[0].reconstructions()]


def what_codes_draw(scene: Scene, width: float = WIDTH) -> Figure:
    """Every code decoded, one row per method, the most used first, with its share and its commonest label."""
    members = with_prototypes(scene)
    firsts = [member.row.runs[0] for member in members]
    arrays = [run.reconstructions() for run in firsts]
    with_labels = any("contingency" in found for found in arrays)
    names = [_beside(member, width) for member in members]
    room = width - _inches([*names, WIDEST_COUNT]) - MARGIN_INCHES
    most = min(MOST_CODES, int(room / (LEAST_CODE_INCHES if width >= COLUMN else NARROW_CODE_INCHES)))
    orders = [np.argsort(-found["code_counts"][0], kind="stable")[:most] for found in arrays]
    labels = [_of_codes(*of_one) for of_one in zip(members, names, map(len, orders), strict=True)]
    _, high = tile_size(arrays[0]["prototypes"])
    columns = max(map(len, orders))
    scale = min(CODE_INCHES, room / columns)
    height = max(high + (0.62 if with_labels else 0.36), _lines(labels) * LINE_INCHES / scale)
    figure = Figure(figsize=(width, scale * height * len(members) + 0.65))
    axis = figure.subplots()
    tiles(axis, [found["prototypes"][order] for found, order in zip(arrays, orders, strict=True)], cell=(1.0, height))
    for line, (found, order) in enumerate(zip(arrays, orders, strict=True)):
        table, values = labelled(found)
        for column, code in enumerate(order):
            words = use_of_code(found["code_counts"][0], code, None if table is None else table[code], values)
            place = (column + 0.5, line * height + high + 0.02)
            axis.text(*place, words, ha="center", va="top", fontsize=min(6.5, 12 * scale), linespacing=1.1)
    axis.set_ylim(len(members) * height - 0.05, -0.1)
    axis.set_yticks([line * height + high / 2 for line in range(len(members))], labels, fontsize=7)
    words = "what each code draws; below it its share of the test set" + ", and its commonest label" * with_labels
    heading(figure, f"{title(scene, sorted({seed_of(run) for run in firsts}))}\n{words}", 8, left=True)
    return figure


def use_of_code(
    counts: NDArray[np.int64], code: int, of_labels: NDArray[np.int64] | None, values: NDArray[np.int64]
) -> str:
    """Two lines, "12.3%" and "7: 52%": the code's share of the test set, and the commonest label among its images."""
    if counts[code] == 0:
        return "unused"
    words = f"{100 * counts[code] / counts.sum():.1f}%"
    if of_labels is None:
        return words
    return f"{words}\n{values[of_labels.argmax()]}: {100 * of_labels.max() / of_labels.sum():.0f}%"


def _of_codes(member: Member, name: str, shown: int) -> str:
    test = member.row.runs[0].summary["test"]
    codes = member.row.runs[0].latent.most_values
    words = [name]
    if test["nmi"] is not None:
        words.append(f"NMI {test['nmi']:.2f}")
    if codes is not None and shown < codes:
        words.append(f"{shown} of {codes} codes")
    return "\n".join(words)


def over_swept_keys(scene: Scene, swept: Mapping[str, Sequence[Curve]], width: float = WIDTH) -> Figure:
    """What rows are judged by against each key that was swept, with intervals over seeds; a level lacks the key."""
    judged = scene.groups[0].judged
    names = list(dict.fromkeys(curve.label for curves in swept.values() for curve in curves))
    kinds = {curve.label: curve.discrete for curves in swept.values() for curve in curves}
    looks = {
        name: look(place) | ({} if kinds[name] else {"markerfacecolor": "white"}) for place, name in enumerate(names)
    }
    figure = Figure(figsize=(width, 3.2))
    axes = panels(figure, len(swept), sharey=True)
    for axis, (key, curves) in zip(axes, swept.items(), strict=True):
        _over_key(axis, curves, judged, looks)
        axis.set_xlabel(key)
    axes[0].set_ylabel(ERROR if judged == SQUARED else f"{judged} on the test set\n(nats per image)")
    handles = [Line2D([], [], label=name, **looks[name]) for name in names]
    bars = "\nmean over seeds; bars: 95 % intervals" if len(scene.seeds) > 1 else ""
    _explained(figure, handles, title(scene, scene.seeds) + bars)
    return figure


def _over_key(axis: Axes, curves: Sequence[Curve], judged: str, looks: Mapping[str, Mapping[str, Any]]) -> None:
    values = sorted({value for curve in curves for value, _ in curve.points if value is not None})
    if values[0] > 0 and values[-1] >= LOGARITHMIC * values[0]:
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_locator(FixedLocator(values[:: 1 + len(values) // 8]))
    axis.xaxis.set_major_formatter(PLAIN)
    for curve in curves:
        found = [(value, row.intervals[judged]) for value, row in curve.points if judged in row.intervals]
        style = dict(looks[curve.label])
        if found and found[0][0] is None:
            axis.axhline(found[0][1].mean, color=style["color"], linestyle=style["linestyle"], linewidth=1, zorder=0)
        elif found:
            places, measured = zip(*found, strict=True)
            bars = [one.half_width or 0.0 for one in measured]
            axis.errorbar(places, [one.mean for one in measured], bars, capsize=2, elinewidth=1, **style)


def _panels(scene: Scene, width: float, text: str, *, lines: bool = True) -> tuple[Figure, dict[bool, Axes]]:
    """Axes of the same height for codes (True) and Gaussian vectors (False), if there are any, title and legend."""
    kinds = sorted({member.discrete for member in scene.members}, reverse=True)
    handles = _legend(scene, {} if lines else {"linestyle": ""})
    figure = Figure(figsize=(width, 3.2))
    drawn = panels(figure, len(kinds), sharey=True, width_ratios=[3, 2][: len(kinds)])
    axes = dict(zip(kinds, drawn, strict=True))
    for discrete, axis in axes.items():
        axis.set_title("codes" if discrete else "Gaussian vectors\n(not comparable)", fontsize=8)
    drawn[0].set_ylabel(ERROR if kinds[0] else ERROR.replace("codes", "vectors"))
    _explained(figure, handles, text)
    return figure, axes


def _explained(figure: Figure, handles: Sequence[Line2D], text: str) -> None:
    """Adds title and legend: at the right, or below where it would take more than WIDEST_LEGEND of the width."""
    wide, high = figure.get_size_inches()
    for handle in handles:
        handle.set_label(broken(str(handle.get_label()), 72 * wide - LEGEND_POINTS, LEGEND_SIZE))
    longest = max(points_wide(str(handle.get_label()), LEGEND_SIZE) for handle in handles)
    taken = longest + LEGEND_POINTS
    options: Any = {"handles": handles, "fontsize": LEGEND_SIZE, "handlelength": 3.2}
    if wide >= LEGEND_INCHES and longest <= WIDEST_LEGEND * 72 * wide:
        figure.set_size_inches(wide, max(high, 0.2 * len(handles) + 0.7))
        figure.legend(loc="outside right upper", **options)
        heading(figure, text, 8, left=True, beside=taken)
        return
    lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
    columns = min(len(handles), max(1, int(72 * wide / taken)))
    figure.set_size_inches(wide, high + 0.4 + 0.17 * math.ceil(lines / columns))
    figure.legend(loc="outside lower left", ncols=columns, **options)
    heading(figure, text, 8, left=True)


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
