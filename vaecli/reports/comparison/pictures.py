"""The pictures of a comparison's page, with the same points as the figures beside it."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from vaecli.metrics.metric import COLUMNS
from vaecli.reports.comparison.figures import (
    LINEAR_BITS,
    LOGARITHMIC,
    MOST_CODES,
    WIDE,
    bits_and_errors,
    error_by_row,
    lengths_and_errors,
    title,
    use_of_code,
    with_code_length,
    with_prototypes,
)
from vaecli.reports.comparison.groups import Group, seed_of
from vaecli.reports.comparison.panels import MOST_ROWS, Member, Reference, Scene
from vaecli.reports.comparison.sweeps import Curve, sweeps
from vaecli.reports.page.chart import MOST_POINTS, Chart, Guide, Interval, Intervals, Panel, Point, Scale, Series
from vaecli.reports.page.render import Drawing
from vaecli.reports.page.tiles import TileChart, Tiles, tiles
from vaecli.reports.style import labelled, thinned

EVERYWHERE = (-math.inf, math.inf)
ERROR = "test error on sampled codes, per pixel"


def intervals(group: Group) -> Intervals:
    """The column that decides, of every row of a group."""
    measure = COLUMNS[group.judged]
    rows = []
    for row in group.rows[:MOST_ROWS]:
        found = row.interval(group.judged)
        if found is None:
            continue
        spread = f" ± {found.half_width:.{measure.decimals}f}" if found.half_width else ""
        seeds = f"{found.runs} seed{'s' * (found.runs != 1)}"
        tip = f"{row.name}: {found.mean:.{measure.decimals}f}{spread}, {seeds}"
        rows.append(Interval(row.name, found.mean, found.half_width, tip, row is group.best))
    of_seeds = any(row.half_width for row in rows)
    left_out = f" The first {MOST_ROWS} of {len(group.rows):,} rows." if len(group.rows) > MOST_ROWS else ""
    words = (
        "95 % intervals over seeds; shaded: that of the lowest. Differences are paired by seed, so two that overlap "
    )
    words += "may still be resolved: the table says so."
    unit = f", {measure.unit}" if measure.unit else ""
    return Intervals(
        f"{group.judged}{unit}",
        (words if of_seeds else "One seed gives no interval.") + left_out,
        f"{group.judged}{unit}",
        rows,
    )


def pictures(scene: Scene) -> dict[str, Callable[[], Drawing]]:
    """The pictures that can be drawn of a scene, by name."""
    found: dict[str, Callable[[], Drawing]] = {
        "reconstructions": partial(reconstructions, scene),
        "loss": partial(loss_curves, scene),
        "bits": partial(distortion_and_bits, scene),
    }
    if with_code_length(scene):
        found["rate_distortion"] = partial(rate_and_distortion, scene)
    if with_prototypes(scene):
        found["codes"] = partial(what_codes_draw, scene)
    if swept := sweeps(scene):
        found["sweep"] = partial(over_swept_keys, scene, swept)
    return found


def reconstructions(scene: Scene) -> TileChart:
    """Inputs above; below them what each method makes of the most probable codes, with the error of each image."""
    firsts = [member.row.runs[0] for member in scene.members]
    arrays = [run.reconstructions() for run in firsts]
    images = arrays[0]["images"]
    rows = [Tiles("input", "", tiles(images, [f"test image {number}" for number in arrays[0]["index"]]))]
    for member, run, found in zip(scene.members, firsts, arrays, strict=True):
        errors = np.square(found["mode"].astype(np.float64) - images).reshape(len(images), -1).mean(1)
        tips = [f"{member.label}: squared error {error:.4f}" for error in errors]
        mean = f"test error {run.summary['test']['mse']['sampled']:.4f}"
        rows.append(Tiles(member.label, mean, tiles(found["mode"], tips)))
    seeds = sorted({seed_of(run) for run in firsts})
    words = "Images of the most probable codes (a Gaussian's mean); test error: on sampled codes, per pixel"
    return TileChart("Test images, and what each method makes of them", f"{words}. {title(scene, seeds)}.", rows)


def loss_curves(scene: Scene) -> Chart:
    """Test error on sampled codes during training: the mean over seeds, and a band from the lowest to the highest."""
    unit, lines = scene.training.unit, {}
    for member in scene.members:
        places, errors = error_by_row(member, unit)
        kept = thinned(range(len(places)), MOST_POINTS)
        every = max(1, len(kept) // 8)
        points = []
        for order, place in enumerate(kept):
            of_seeds = errors[:, place]
            spread = f" ({of_seeds.min():.4f} to {of_seeds.max():.4f})" if len(of_seeds) > 1 else ""
            tip = f"{member.label}, {unit} {places[place]:,.6g}: {of_seeds.mean():.4f}{spread}"
            marked = float(order % every == member.place % every)
            points.append(Point(places[place], of_seeds.mean(), tip, not member.discrete, marked))
        band = [(errors[:, place].min(), errors[:, place].max()) for place in kept] if len(errors) > 1 else []
        lines[id(member)] = Series(member.label, member.place, points, band=band)
    panels = [
        Panel(name, unit, ERROR, [lines[id(member)] for member in members], _guides(scene, discrete), counted=True)
        for discrete, name, members in _kinds(scene)
    ]
    words = "Mean over seeds, band from the lowest to the highest. " if len(scene.seeds) > 1 else ""
    return Chart("Test error during training", f"{words}{title(scene, scene.seeds)}.", _of_one_height(panels))


def distortion_and_bits(scene: Scene) -> Chart:
    """Test error against the measured rate: the mean, and each seed."""
    panels = []
    for discrete, name, members in _kinds(scene):
        series = []
        for member in members:
            bits, errors = bits_and_errors(member.row.runs)
            words = f"{member.label}: {bits.mean():,.2f} bits, error {errors.mean():.4f}"
            points = [Point(bits.mean(), errors.mean(), words, not discrete, 1.5)]
            if len(bits) > 1:
                tips = [
                    f"{member.label}, seed {seed_of(run)}: {bit:,.2f} bits, error {error:.4f}"
                    for run, bit, error in zip(member.row.runs, bits, errors, strict=True)
                ]
                seeds = zip(bits, errors, tips, strict=True)
                points += [Point(bit, error, tip, not discrete, 0.6) for bit, error, tip in seeds]
            series.append(Series(member.label, member.place, points, line=False))
        fitting = _fitting(scene, discrete)
        marked = [found for found in fitting if found.discrete and found.bits is not None]
        most = max([point.x for found in series for point in found.points] + [found.bits or 0 for found in marked])
        scale: Scale = "log" if not discrete else "linear" if most <= LINEAR_BITS else "symlog"
        if scale == "log":
            series = [found._replace(points=[p._replace(x=max(p.x, 0.1)) for p in found.points]) for found in series]
        for found in marked:
            tip = f"{found.kind}, {found.size}: {found.bits:.2f} bits, error {found.mse:.4f}"
            at = Point(found.bits or 0, found.mse, tip)
            series.append(Series(f"{found.kind}, {found.size}", None, [at], line=False))
        panels.append(Panel(name, "rate, bits per image", ERROR, series, _guides(scene, discrete), scale))
    words = "Large: mean over seeds; small: seeds. " if len(scene.seeds) > 1 else ""
    words += f"Rate: KL(q(z|x) ‖ p(z)) on the test set. {title(scene, scene.seeds)}."
    return Chart("Test error against the rate", words, _of_one_height(panels))


def rate_and_distortion(scene: Scene) -> Chart:
    """Test error against the code length under a prior, with intervals over seeds and the capacity."""
    series, places = [], []
    kinds: dict[str, None] = {}
    for member in with_code_length(scene):
        length, error = lengths_and_errors(member)
        capacity = member.row.runs[0].latent.capacity_bits or length.mean
        bars = [(length.mean, error.mean, capacity, error.mean)]
        if error.half_width:
            bars.append((length.mean, error.mean - error.half_width, length.mean, error.mean + error.half_width))
        tip = f"{member.label}: {length.mean:,.2f} of {capacity:,.2f} bits, error {error.mean:.4f}"
        points = [Point(length.mean, error.mean, tip, not member.discrete, 1.4)]
        points.append(Point(capacity, error.mean, f"{member.label}: capacity {capacity:,.2f} bits", size=0.4))
        series.append(Series(member.label, member.place, points, line=False, bars=bars))
        places += [length.mean, capacity]
        kinds |= dict.fromkeys(member.row.priors)
    scale: Scale = "log" if max(places) > WIDE * min(places) else "linear"
    words = f"Test images' codes under {' and '.join(kinds)} priors; the line leads to their capacity"
    words += ", the upright one is the 95 % interval over seeds" * (len(scene.seeds) > 1)
    panel = Panel("", "code length, bits per image", ERROR, series, x_scale=scale)
    return Chart("Test error against the code length", f"{words}. {title(scene, scene.seeds)}.", [panel])


def what_codes_draw(scene: Scene) -> TileChart:
    """Every code decoded, a row for each method, the most used first, with its share and its commonest label."""
    rows = []
    for member in with_prototypes(scene):
        run = member.row.runs[0]
        found = run.reconstructions()
        counts = found["code_counts"][0]
        order = np.argsort(-counts, kind="stable")[:MOST_CODES]
        table, values = labelled(found)
        words = [use_of_code(counts, code, None if table is None else table[code], values) for code in order]
        tips = [
            f"{member.label}, code {code}: {' · '.join(w.splitlines())}" for code, w in zip(order, words, strict=True)
        ]
        nmi, codes = run.summary["test"]["nmi"], run.latent.most_values
        told = [] if nmi is None else [f"NMI {nmi:.2f}"]
        told += [f"{len(order)} of {codes:,} codes"] if codes is not None and len(order) < codes else []
        rows.append(Tiles(member.label, ", ".join(told), tiles(found["prototypes"][order], tips, words)))
    below = "The most used first; below each its share of the test set, and the commonest label among its images"
    return TileChart("What each code draws", f"{below}.", rows, wrapped=True)


def over_swept_keys(scene: Scene, swept: Mapping[str, Sequence[Curve]]) -> Chart:
    """What rows are judged by against each key that was swept, with intervals over seeds; a level lacks the key."""
    judged = scene.groups[0].judged
    places = {name: n for n, name in enumerate(dict.fromkeys(c.label for curves in swept.values() for c in curves))}
    panels = []
    for key, curves in swept.items():
        values = sorted({value for curve in curves for value, _ in curve.points if value is not None})
        logarithmic = values[0] > 0 and values[-1] >= LOGARITHMIC * values[0]
        series = []
        for curve in curves:
            points, bars = [], []
            for value, row in curve.points:
                found = row.interval(judged)
                if found is None:
                    continue
                spread = f" ± {found.half_width:.4f}" if found.half_width else ""
                tip = f"{row.name}: {found.mean:.4f}{spread}"
                ends = [value] if value is not None else [values[0], values[-1]]  # where the key has no effect
                points += [Point(end, found.mean, tip, not curve.discrete) for end in ends]
                half = found.half_width or 0.0
                bars += [(end, found.mean - half, end, found.mean + half) for end in ends]
            series.append(Series(curve.label, places[curve.label], points, bars=bars))
        ticks = {value: f"{value:g}" for value in values[:: 1 + len(values) // 8]}
        panels.append(Panel("", key, judged, series, x_scale="log" if logarithmic else "linear", x_ticks=ticks))
    words = "Mean over seeds; bars: 95 % intervals. " if len(scene.seeds) > 1 else ""
    return Chart("Over the swept keys", f"{words}{title(scene, scene.seeds)}.", panels)


def _kinds(scene: Scene) -> list[tuple[bool, str, list[Member]]]:
    """Codes, then Gaussian vectors, as far as there are any."""
    kinds = [(True, "Codes"), (False, "Gaussian vectors (not comparable)")]
    found = [(kind, name, [member for member in scene.members if member.discrete == kind]) for kind, name in kinds]
    there = [(kind, name, members) for kind, name, members in found if members]
    return there if len(there) > 1 else [(kind, "", members) for kind, _, members in there]


def _fitting(scene: Scene, discrete: bool) -> list[Reference]:
    return [found for found in scene.references() if found.discrete in (None, discrete)]


def _guides(scene: Scene, discrete: bool) -> list[Guide]:
    return [
        Guide(
            [(x, found.mse) for x in EVERYWHERE], f"{', '.join(filter(None, [found.kind, found.size]))} {found.mse:.4f}"
        )
        for found in _fitting(scene, discrete)
    ]


def _of_one_height(panels: Sequence[Panel]) -> list[Panel]:
    """The same axis of errors for all."""
    values = [point.y for panel in panels for series in panel.series for point in series.points]
    values += [edge for panel in panels for series in panel.series for edges in series.band for edge in edges]
    values += [guide.points[0][1] for panel in panels for guide in panel.guides]
    margin = 0.06 * (max(values) - min(values)) or 0.06 * abs(max(values)) or 1.0
    return [panel._replace(y_range=(min(values) - margin, max(values) + margin)) for panel in panels]
