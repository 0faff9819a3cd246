"""The pictures of a run's page, with the same points as its figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from vaecli.reports.page.chart import MOST_POINTS, Chart, Guide, Panel, Point, Series
from vaecli.reports.page.render import Drawing
from vaecli.reports.page.tiles import Tile, TileChart, Tiles, tiles
from vaecli.reports.run.figures import code_maps, code_use_of, labels_of, plane_of, title
from vaecli.reports.style import coloured, labelled, thinned
from vaecli.runs import Run
from vaecli.runs.references import references_of

MOST_CODES = 60  # that are drawn
EVERYWHERE = (-math.inf, math.inf)


class Heat(NamedTuple):
    """A table of shares, the darker the larger."""

    title: str
    words: str
    corner: str
    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float]]]

    @property
    def picture(self) -> "Heat":
        return self


def pictures(run: Run) -> dict[str, Callable[[], Drawing]]:
    """The pictures that the run has data for, by name."""
    arrays = run.reconstructions()
    found: dict[str, Callable[[], Drawing]] = {
        "reconstructions": partial(reconstructions, run, arrays),
        "loss": partial(curves, run),
    }
    if "prototypes" in arrays:
        found["codes"] = partial(what_codes_draw, run, arrays)
    if "drawn" in arrays:
        found["codes"] = partial(what_cells_draw, arrays)
    if "contingency" in arrays:
        found["code_use"] = partial(code_use, arrays)
    if "codebook" in arrays:
        found["codebook"] = partial(codebook, arrays)
    return found


def reconstructions(run: Run, arrays: Any) -> TileChart:
    """Inputs above, outputs below, each with its error; of a grid of codes a map follows."""
    discrete, images = "code_counts" in arrays, arrays["images"]
    codes = arrays["codes"][:, 0] if discrete and arrays["codes"].shape[1] == 1 else None
    rows = [Tiles("input", "", tiles(images, [f"test image {number}" for number in arrays["index"]]))]
    names = {"mode": "most probable code" if discrete else "mean", "sampled": "sampled code" if discrete else "sample"}
    for key, name in {**names, "relaxed": "relaxed sample"}.items():
        if key not in arrays or (key == "sampled" and np.array_equal(arrays["mode"], arrays["sampled"])):
            continue
        errors = np.square(arrays[key].astype(np.float64) - images).reshape(len(images), -1).mean(1)
        tips = [f"{name}: squared error {error:.4f}" for error in errors]
        if key == "mode" and codes is not None:
            tips = [f"{tip}, code {code}" for tip, code in zip(tips, codes, strict=True)]
        mean = run.metrics[-1][f"test_mse_{key}"]
        rows.append(Tiles(name, f"test error {mean:.4f}", tiles(arrays[key], tips)))
    maps = code_maps(run, arrays)
    for number, found in enumerate(maps, 1):
        tips = [f"codes of test image {place}" for place in arrays["index"]]
        rows.append(Tiles(f"code {number}" if len(maps) > 1 else "codes", "", tiles(coloured(found), tips)))
    words = "Test error: over the whole test set, per pixel." + " Codes: the darker, the rarer." * bool(maps)
    return TileChart("Test images, and what becomes of them", words, rows)


def curves(run: Run) -> Chart:
    """The minimised loss, the test errors with their references, code use, and what schedules did."""
    metrics, training = thinned(run.metrics, MOST_POINTS), run.config.training
    places = [row[training.unit] or 0 for row in metrics]
    discrete = metrics[-1]["test_perplexity"] is not None
    errors = {
        "most probable code" if discrete else "mean": "test_mse_mode",
        "sampled code" if discrete else "sample": "test_mse_sampled",
        "relaxed sample": "test_mse_relaxed",
        "validation, sampled": "validation_mse_sampled",
    }
    if all(row["test_mse_mode"] == row["test_mse_sampled"] for row in metrics):  # a point posterior
        errors = {"code": "test_mse_mode", "validation": "validation_mse_sampled"}
    parts = {
        "Training loss": (run.config.objective.unit, {"training loss": "loss"}),
        "Test error": ("squared error per pixel", errors),
        "Code use": ("codes", {"perplexity": "test_perplexity"}),
        **{key.replace("_", " ").capitalize(): ("", {key.replace("_", " "): key}) for _, key in run.config.schedules},
    }
    references = references_of(run)
    lines = list(references.lines(run.latent)) if references else []
    guides = [Guide([(x, value) for x in EVERYWHERE], f"{name} {value:.4f}") for name, value in lines]
    panels, place = [], 0
    for name, (unit, columns) in parts.items():
        series = []
        for label, column in columns.items():
            values = [row.get(column) for row in metrics]
            if any(value is None for value in values):
                continue
            points = [
                Point(at, value, f"{label}, {training.unit} {at:,.6g}: {value:.5g}", size=float(len(places) <= 30))
                for at, value in zip(places, values, strict=True)
                if value is not None
            ]
            series.append(Series(label, place, points))
            place += 1
        if series:
            behind = guides if name == "Test error" else []
            panels.append(Panel(name, training.unit, unit, series, behind, counted=True))
    return Chart("Training", f"{title(run)}.", panels)


def what_codes_draw(run: Run, arrays: Any) -> TileChart:
    """Every code decoded, with its share of the test set and its labels; most used first."""
    counts = arrays["code_counts"][0]
    order = np.argsort(-counts, kind="stable")[:MOST_CODES]
    table, values = labelled(arrays)
    words = []
    for code in order:
        told = f"{code}\n{100 * counts[code] / counts.sum():.1f}%"
        words.append(told if table is None else f"{told}\n{labels_of(table[code], values)}")
    tips = [f"code {' · '.join(told.splitlines())}" for told in words]
    left_out = "" if len(order) == len(counts) else f", the {len(order)} most used of {len(counts):,} codes"
    told = f"Below each its number, its share of the test set and its labels{left_out}."
    return TileChart(
        "What each code draws", told, [Tiles("codes", "", tiles(arrays["prototypes"][order], tips, words))], True
    )


def what_cells_draw(arrays: Any) -> TileChart:
    """The codes of a grid: what they draw in their places, and alone; most used first."""
    codes, counts = arrays["drawn"][:MOST_CODES], arrays["code_counts"][0]
    words = [f"{code}\n{100 * counts[code] / counts.sum():.3g}%" for code in codes]
    tips = [f"code {' · '.join(told.splitlines())} of the cells" for told in words]

    def drawn(name: str) -> list[Tile]:
        return tiles(arrays[name][: len(codes)], tips, words)

    rows = [Tiles("in place", "mean decoded cell", drawn("in_place")), Tiles("alone", "a grid of it", drawn("alone"))]
    used = np.count_nonzero(counts)
    told = (
        f"{used:,} of {len(counts):,} codes are used on the test set, the most used first, with their share of cells."
    )
    return TileChart("What each code draws", told, rows, True)


def code_use(arrays: Any) -> Heat:
    """The share of each label's images that each code gets: each column sums to 1."""
    share, codes, names = code_use_of(arrays)
    rows = [(str(code), [float(value) for value in line]) for code, line in zip(codes, share, strict=True)]
    words = "Share of a label's images that a code gets, in percent; each column sums to 100 over all codes."
    return Heat("Codes and labels", words, "code", names, rows)


def codebook(arrays: Any) -> Chart:
    """Rows among encodings in the plane of the encodings' largest variance; a row grows with its use."""
    rows, counts = arrays["codebook"], arrays["code_counts"].sum(0)
    encodings, at = plane_of(arrays["encodings"], rows)
    kinds: Mapping[str, list[Point]] = {
        "encodings": [
            Point(where[0], where[1], "an encoding", size=0.35) for where in encodings[:: 1 + len(encodings) // 400]
        ],
        "rows never used": [
            Point(at[code, 0], at[code, 1], f"row {code}: never used") for code in np.flatnonzero(counts == 0)
        ],
        "rows in use": [
            Point(
                at[code, 0],
                at[code, 1],
                f"row {code}: {100 * counts[code] / counts.sum():.3g}% of the codes",
                False,
                size,
            )
            for code in np.flatnonzero(counts)
            for size in [0.7 + 1.6 * math.sqrt(counts[code] / counts.max())]
        ],
    }
    looks = {"encodings": 0, "rows never used": 6, "rows in use": 1}
    series = [Series(name, looks[name], points, line=False) for name, points in kinds.items() if points]
    words = (
        f"The plane of the encodings' largest variance. {np.count_nonzero(counts):,} of {len(counts):,} codes are used."
    )
    return Chart("The codebook among encodings", words, [Panel("", "first direction", "second direction", series)])
