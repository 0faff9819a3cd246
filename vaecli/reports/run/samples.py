"""Figures of images that a run draws: a grid, samples beside training images, and lines of images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaecli.reports.run.figures import LEAST_WIDTH, title
from vaecli.reports.run.line import Line
from vaecli.reports.style import COLOURS, TILE_GAP, Axes, Figure, Rectangle, heading, tile_size, tiles
from vaecli.runs import Run

MOST_DRAWN = 400  # images; a figure of more shows the first
MOST_LINES = 40
INCHES = 0.5  # of an image, along its longer side
ACROSS = 16  # pairs in a line
LETTER = 0.065  # inches of a label's letter
WORDS = 0.24  # height of a line of words, in units of an image's longer side


def figure_of(
    run: Run, images: NDArray[np.float32], how: str, lines: Sequence[Line], also: Mapping[str, NDArray[Any]]
) -> Figure:
    """The images in their lines if they have any, beside their nearest training images if those are there."""
    if lines:
        return rows(run, lines, how)
    if "nearest" in also:
        return pairs(run, images, also["nearest"], also["nearest_distance"], how)
    return grid(run, images, how)


def grid(run: Run, images: NDArray[np.float32], how: str) -> Figure:
    """The first MOST_DRAWN images [N, H, W] or [N, H, W, C] in a square; `how` they were drawn, in words."""
    shown = np.clip(images[:MOST_DRAWN], 0, 1)
    across = math.ceil(math.sqrt(len(shown)))
    rows = [shown[start : start + across] for start in range(0, len(shown), across)]
    wide, high = tile_size(shown)
    figure = Figure(figsize=(max(LEAST_WIDTH, INCHES * across * wide + 0.2), INCHES * len(rows) * high + 0.6))
    axis = figure.subplots()
    tiles(axis, rows, cell=(wide, high))
    axis.set_yticks([])
    heading(figure, f"{title(run)}\n{_number(len(shown), len(images), 'samples')} · {how}", 9)
    return figure


def pairs(
    run: Run,
    images: NDArray[np.float32],
    training: NDArray[np.float32],
    distances: NDArray[np.float64],
    how: str,
) -> Figure:
    """Samples above, below each its nearest training image and their squared distance per pixel."""
    count = min(MOST_DRAWN, len(images))
    across = min(ACROSS, count)
    errors = distances[:count] / math.prod(images.shape[1:])
    lines = []
    for start in range(0, count, across):
        part = slice(start, min(count, start + across))
        lines.append(Line("sample", images[part]))
        lines.append(Line("nearest", training[part], [f"{error:.3f}" for error in errors[part]]))
    words = f"{_number(count, len(images), 'samples')} · {how}"
    return _lines(run, lines, f"{words}\nbelow each its nearest training image, and the squared distance per pixel")


def rows(run: Run, lines: Sequence[Line], how: str) -> Figure:
    """The first MOST_LINES lines of images, under the words `how` they came about."""
    more = f", the first {MOST_LINES} of {len(lines):,} lines" if len(lines) > MOST_LINES else ""
    return _lines(run, lines[:MOST_LINES], f"{how}{more}")


def _lines(run: Run, lines: Sequence[Line], how: str) -> Figure:
    wide, high = tile_size(lines[0].images)
    worded = any(line.words for line in lines)
    cell = max(wide, 0.6 if worded else 0.0), high + WORDS * worded  # room for a number
    cell = cell[0], max(cell[1], 0.3 * max(1 + line.label.count("\n") for line in lines))
    across = max(len(line.images) for line in lines)
    beside = 0.4 + LETTER * max(len(part) for line in lines for part in line.label.split("\n"))
    width = max(LEAST_WIDTH, INCHES * across * cell[0] + beside)
    figure = Figure(figsize=(width, INCHES * len(lines) * cell[1] + 0.8))
    axis = figure.subplots()
    tiles(axis, [np.clip(line.images, 0, 1) for line in lines], cell=cell)
    for place, line in enumerate(lines):
        for column, word in enumerate(line.words):
            where = (column + 0.5) * cell[0], place * cell[1] - 0.02
            axis.text(*where, word, ha="center", va="bottom", fontsize=5.5, color="0.35")
        if line.marked is not None:
            _frame(axis, line.marked, place, cell, (wide, high))
    axis.set_ylim((len(lines) - 1) * cell[1] + high + 0.05, -WORDS if worded else -0.05)
    axis.set_yticks([place * cell[1] + high / 2 for place in range(len(lines))], [line.label for line in lines])
    axis.tick_params(axis="y", labelsize=7)
    heading(figure, f"{title(run)}\n{how}", 9)
    return figure


def _frame(axis: Axes, column: int, line: int, cell: tuple[float, float], size: tuple[float, float]) -> None:
    """A frame around a tile."""
    left = column * cell[0] + (cell[0] - size[0]) / 2 + TILE_GAP
    inner = size[0] - 2 * TILE_GAP, size[1] - 2 * TILE_GAP
    axis.add_patch(
        Rectangle((left, line * cell[1] + TILE_GAP), *inner, fill=False, linewidth=1.6, edgecolor=COLOURS[1])
    )


def _number(shown: int, count: int, what: str) -> str:
    return f"{shown:,} {what}" + (f", the first of {count:,}" if count > shown else "")
