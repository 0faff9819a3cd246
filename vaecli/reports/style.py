"""The common parts of figures and the only access to matplotlib: colours, tiles of images, titles, files.

A figure is the same file whatever the user's matplotlib settings; no pyplot and no state. A picture that cannot be
drawn is reported, and the others are drawn.
"""

import contextlib
import importlib
import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.errors import ConfigError, RunError
from vaecli.registry import DATASETS, suggest
from vaecli.runs.files import write
from vaecli.runs.provenance import bare_name, binarized


def _import_matplotlib() -> None:
    """Imports matplotlib without the user's matplotlibrc and MPLBACKEND, since a wrong one ends the import.

    A file `matplotlibrc` in the working directory takes precedence over every other place, so it is hidden. Warnings of
    matplotlib, such as a settings folder that cannot be written, affect no figure.
    """
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    if "matplotlib" in sys.modules:
        return
    exists: Callable[[Any], bool] = os.path.exists
    before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    system: Any = os.path
    os.environ["MATPLOTLIBRC"] = os.devnull
    system.exists = lambda path: path != "matplotlibrc" and exists(path)
    try:
        importlib.import_module("matplotlib")
    finally:
        system.exists = exists
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in before.items() if value is not None})


_import_matplotlib()

import matplotlib  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.collections import PatchCollection  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402
from matplotlib.textpath import text_to_path  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator  # noqa: E402

__all__ = [
    "PLAIN",
    "Axes",
    "Draw",
    "Figure",
    "FixedLocator",
    "FuncFormatter",
    "Line2D",
    "MaxNLocator",
    "NullLocator",
    "PatchCollection",
    "Rectangle",
    "Undrawn",
    "checked_width",
    "chosen",
    "draw_each",
    "heading",
    "panels",
    "save",
    "styled",
]

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # names are plain text, whatever characters they contain
    "svg.hashsalt": "vaecli",  # the same figure is the same file
    "svg.fonttype": "none",  # text is text: it can be searched and changed
    "pdf.fonttype": 42,  # TrueType, which can be searched too; conferences refuse Type 3
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
}
FORMATS = ("png", "svg", "pdf")
DPI = 200
MOST_PIXELS, LONGEST_SIDE = 25_000_000, 12_000  # limits of a figure; a larger one gets fewer dots per inch
WIDTH = 7.2  # inches: the text of a page
NARROWEST, WIDEST = 3.0, 20.0  # inches that a figure may be asked to have
TITLE_MARGIN, HINTING = 6, 0.03  # points beside a title; how much wider than its outlines a line may be drawn
COLUMN = 5.0  # inches: in a narrower figure panels stand below each other
# Okabe and Ito's palette without its yellow, which is invisible on white. Marker and dashes alone distinguish 36 rows,
# so that grey prints and colour-blind readers lose nothing.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#E69F00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
MAX_POINTS_DRAWN = 2000  # of a curve; more than a figure can resolve
CODE_COLOURS = "viridis_r"  # from light to dark, which prints in grey too
TILE_GAP = 0.03
TILE_PIXELS, MOST_TILE_PIXELS = 56, 256  # along a side
THINNEST = 0.2  # shortest side of a tile relative to the longer one; a thinner image is widened
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")  # of a logarithmic axis
FRAME: Any = {"linewidth": 0.4, "edgecolor": "0.7"}


Draw = Callable[[], Figure]


class Undrawn(NamedTuple):
    """A picture that could not be drawn, and why."""

    path: Path
    error: Exception

    @property
    def line(self) -> str:
        if isinstance(self.error, RunError):  # its text names the file
            return str(self.error)
        kind = "out of memory" if isinstance(self.error, MemoryError) else type(self.error).__name__
        words = str(self.error).strip().splitlines()
        return f"{self.path}: could not be drawn ({': '.join([kind, *words[:1]])})"


def draw_each(figures: Mapping[str, Draw], folder: Path, failed: Callable[[Undrawn], None]) -> list[Path]:
    """Draws and writes each figure; one that cannot be drawn is passed to `failed`, and the others are drawn.

    Args:
        figures: the figures by file name.

    Returns:
        The files written.
    """
    paths = []
    for name, draw in figures.items():
        path = folder / name
        try:
            with styled():
                paths.append(save(draw(), path))
        except Exception as error:  # whatever is wrong, a picture must not cost the results beside it
            failed(Undrawn(path, error))
    return paths


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """A context with STYLE and matplotlib's defaults, without warnings such as those about missing glyphs."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure to a temporary file and renames it; raises RunError if the folder cannot be written."""
    buffer = io.BytesIO()
    fmt = checked_format(path.suffix[1:], path)
    dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[fmt]
    width, height = figure.get_size_inches()
    dpi = min(DPI, LONGEST_SIDE / max(width, height), math.sqrt(MOST_PIXELS / (width * height)))
    figure.savefig(buffer, format=fmt, dpi=dpi, metadata=dated)
    write(path, buffer.getvalue())
    return path


def checked_format(fmt: str, path: Path) -> str:
    """The format of a figure file; raises RunError for an unknown one."""
    if fmt not in FORMATS:
        raise RunError(f"{path}: the format is one of {', '.join(FORMATS)}")
    return fmt


def checked_width(width: float) -> float:
    """The width of a figure in inches; raises ConfigError for one that no figure has room in, or that is too wide."""
    if isinstance(width, bool) or not isinstance(width, int | float) or not NARROWEST <= width <= WIDEST:
        raise ConfigError([f"--width {width}: a number of inches from {NARROWEST:g} to {WIDEST:g} is needed"])
    return float(width)


def chosen(figures: Mapping[str, Draw], name: str | None, place: object) -> Mapping[str, Draw]:
    """The figures that can be drawn, or the one of this name; raises RunError if there is none."""
    if name is None:
        return figures
    if name not in figures:
        raise RunError(f"{place}: has no figure {name}{suggest(name, figures)}")
    return {name: figures[name]}


def panels(figure: Figure, count: int, *, narrow: float = COLUMN, **options: Any) -> list[Axes]:
    """Axes side by side; below each other in a figure of less than `narrow` inches, which grows by as many."""
    wide, high = figure.get_size_inches()
    if count > 1 and wide < narrow:
        figure.set_size_inches(wide, high * (0.5 + 0.5 * count))
        options.pop("width_ratios", None)
        return list(figure.subplots(count, 1, squeeze=False, **options)[:, 0])
    return list(figure.subplots(1, count, squeeze=False, **options)[0])


def heading(figure: Figure, text: str, fontsize: float, *, left: bool = False, beside: float = 0.0) -> None:
    """Sets the figure's title; a line wider than its room is broken at its dots, or between words.

    Args:
        left: aligned at the left edge, for figures with a legend at the right.
        beside: points at the right that are not free, such as those of a legend.
    """
    room = (1 - HINTING) * 72 * figure.get_size_inches()[0] - beside - TITLE_MARGIN
    place: Any = {"x": 0.01, "ha": "left"} if left else {}
    figure.suptitle(broken(text, room, fontsize, (" · ", " ")), fontsize=fontsize, **place)


def broken(text: str, room: float, fontsize: float, separators: Sequence[str] = (", ", " ")) -> str:
    """The text in lines of at most `room` points, broken at the first of the separators, or at the next."""
    lines = text.split("\n")
    for separator in separators:
        lines = [part for line in lines for part in _broken(line, separator, room, fontsize)]
    return "\n".join(lines)


def _broken(line: str, separator: str, room: float, fontsize: float) -> list[str]:
    if points_wide(line, fontsize) <= room:
        return [line]
    first, *others = line.split(separator)
    parts = [first]
    for piece in others:
        longer = f"{parts[-1]}{separator}{piece}"
        if points_wide(longer, fontsize) > room:
            parts.append(piece)
        else:
            parts[-1] = longer
    return parts


def points_wide(text: str, fontsize: float) -> float:
    """The width of the longest line of a text, in points."""
    if "\n" in text:
        return max(points_wide(line, fontsize) for line in text.split("\n"))
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=fontsize), ismath=False)
    return float(width)


def data_title(data: Mapping[str, Any]) -> str:
    """The title of run.json's data block: the data set, and what it is a fallback for."""
    stands_for = data["fallback_for"]
    return _title(bare_name(data)) + binarized(data) + (f" (fallback for {_title(stands_for)})" if stands_for else "")


def _title(name: str) -> str:
    known = DATASETS.get(name)
    return known.title if known and known.title else name


def labelled(arrays: Any) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """The counts of codes and labels [K, V] without labels that no image has, and the labels [V].

    Older files have no `label_values`: their labels are 0, 1, 2, ... Returns None and no labels if there is no table.
    """
    if "contingency" not in arrays:
        return None, np.zeros(0, np.int64)
    table = arrays["contingency"]
    values = arrays.get("label_values", np.arange(table.shape[1]))
    there = np.flatnonzero(table.sum(0))
    return table[:, there], values[there]


def thinned(points: Sequence[Any], most: int = MAX_POINTS_DRAWN) -> Sequence[Any]:
    """At most so many of the points, evenly spaced, including the first and the last."""
    if len(points) <= most:
        return points
    return [points[place] for place in np.linspace(0, len(points) - 1, most).round().astype(int)]


def coloured(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values in [0, 1] as colours [..., 3], from light to dark."""
    return np.asarray(matplotlib.colormaps[CODE_COLOURS](values)[..., :3], np.float32)


def tile_size(images: NDArray[np.float32]) -> tuple[float, float]:
    """The width and height of the images [N, H, W] or [N, H, W, 3] as tiles: in their proportion, the longer side 1."""
    height, width = images.shape[1:3]
    longer = max(height, width)
    return max(THINNEST, width / longer), max(THINNEST, height / longer)


def tiles(
    axis: Axes, lines: Sequence[NDArray[np.float32]], *, cell: tuple[float, float], coloured: Collection[int] = ()
) -> None:
    """Draws lines of images side by side, each at the top centre of a cell of this width and height.

    Each line is one picture, which is fastest. The lines `coloured` show values in [0, 1] as colours, others as greys;
    images [N, H, W, 3] are in colour.
    """
    across, down = cell
    size = wide, high = tile_size(lines[0])
    frames = []
    for i, line in enumerate(lines):
        margin = np.nan if i in coloured else float(line.ndim == 4)  # white: of greys it is 0
        picture = _side_by_side(line, size, across, margin)
        extent = (0, len(line) * across, i * down + high, i * down)
        axis.imshow(picture, vmin=0, vmax=1, extent=extent, cmap=CODE_COLOURS if i in coloured else None)
        inner = wide - 2 * TILE_GAP, high - 2 * TILE_GAP
        left = (across - wide) / 2 + TILE_GAP
        frames += [Rectangle((j * across + left, i * down + TILE_GAP), *inner) for j in range(len(line))]
    axis.add_collection(PatchCollection(frames, facecolor="none", **FRAME))
    bottom = (len(lines) - 1) * down + high
    # At the left: of axes in the middle of their room the layout takes the labels beside them for narrower.
    axis.set(xlim=(0, max(map(len, lines)) * across), ylim=(bottom, 0), xticks=[], aspect="equal", anchor="W")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _side_by_side(
    images: NDArray[np.float32], size: tuple[float, float], across: float, margin: float
) -> NDArray[np.float32]:
    """Joins images [N, H, W] or [N, H, W, 3] to one, each with a margin of TILE_GAP and the extra width of its cell.

    Margins are whole pixels, so small images are enlarged first; large ones are reduced, because nobody sees more.
    """
    wide, high = size
    grown = images
    for side, length in ((1, high), (2, wide)):
        grown = _shrunk(grown, side).repeat(max(1, -int(-TILE_PIXELS * length // images.shape[side])), side)
    rows, columns = grown.shape[1:3]
    above = round(TILE_GAP / high * rows)
    beside = round((TILE_GAP + (across - wide) / 2) / wide * columns)
    around = [(0, 0), (above, above), (beside, beside), (0, 0)][: grown.ndim]
    padded = np.pad(grown.clip(0, 1), around, constant_values=margin)
    return np.concatenate(list(padded), axis=1)


def _shrunk(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Reduces images to at most MOST_TILE_PIXELS along a side; each pixel is the mean of those it replaces."""
    pixels = images.shape[side]
    if pixels <= MOST_TILE_PIXELS:
        return images
    edges = np.linspace(0, pixels, MOST_TILE_PIXELS + 1).astype(int)
    shape = [1] * images.ndim
    shape[side] = MOST_TILE_PIXELS
    means = np.add.reduceat(images, edges[:-1], side) / np.diff(edges).reshape(shape)
    return means.astype(np.float32)


def look(place: int) -> dict[str, Any]:
    """The colour, dashes and marker of the line with this number."""
    colour = COLOURS[place % len(COLOURS)]
    return {
        "color": colour,
        "linestyle": DASHES[place % len(DASHES)],
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 4,
        "markerfacecolor": colour,
        "linewidth": 1.3,
    }
