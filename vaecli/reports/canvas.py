"""The only door to matplotlib: a figure is the same file whatever the user's environment says of matplotlib.

No pyplot and no state. A picture that cannot be drawn is told, and the others are drawn.
"""

import contextlib
import importlib
import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.errors import RunError
from vaecli.runs.files import write


def _import_matplotlib() -> None:
    """As if the user had no matplotlibrc and no MPLBACKEND; a wrong one ends the import.

    A file `matplotlibrc` in the working directory goes before every other place, so that one is hidden. What matplotlib
    logs, such as a folder of settings that cannot be written, changes no figure.
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
from matplotlib.textpath import TextPath  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator  # noqa: E402

__all__ = [
    "Axes",
    "Figure",
    "FixedLocator",
    "FuncFormatter",
    "Line2D",
    "MaxNLocator",
    "NullLocator",
    "PatchCollection",
    "Rectangle",
    "Undrawn",
    "draw_each",
    "heading",
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
    "text.parse_math": False,  # a name is a name, whatever signs it has
    "svg.hashsalt": "vaecli",  # the same figure is the same file
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
}
FORMATS = ("png", "svg", "pdf")
DPI = 200
MOST_PIXELS, LONGEST_SIDE = 25_000_000, 12_000  # of a figure; a larger one has fewer dots per inch


class Undrawn(NamedTuple):
    """A picture that could not be drawn, and why."""

    path: Path
    error: Exception

    @property
    def line(self) -> str:
        if isinstance(self.error, RunError):  # which names the file
            return str(self.error)
        kind = "out of memory" if isinstance(self.error, MemoryError) else type(self.error).__name__
        words = str(self.error).strip().splitlines()
        return f"{self.path}: could not be drawn ({': '.join([kind, *words[:1]])})"


def draw_each(
    figures: Mapping[str, Callable[[], Figure]], folder: Path, failed: Callable[[Undrawn], None]
) -> list[Path]:
    """Draws and writes each figure; one that cannot be is handed to `failed`, and the others are drawn.

    Args:
        figures: by the name of the file in the folder.

    Returns:
        The files written.
    """
    paths = []
    for name, draw in figures.items():
        path = folder / name
        try:
            with styled():
                paths.append(save(draw(), path))
        except Exception as error:  # a picture is not worth the results beside it, whatever is wrong
            failed(Undrawn(path, error))
    return paths


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Inside, figures look as STYLE and matplotlib's defaults say, and warnings, as of missing signs, are mute."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure: Figure, path: Path) -> Path:
    """Written beside and renamed; raises RunError if the folder cannot be written."""
    buffer = io.BytesIO()
    fmt = checked_format(path.suffix[1:], path)
    dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[fmt]
    width, height = figure.get_size_inches()
    dpi = min(DPI, LONGEST_SIDE / max(width, height), math.sqrt(MOST_PIXELS / (width * height)))
    figure.savefig(buffer, format=fmt, dpi=dpi, metadata=dated)
    write(path, buffer.getvalue())
    return path


def checked_format(fmt: str, path: Path) -> str:
    """A format that figures can have; raises RunError."""
    if fmt not in FORMATS:
        raise RunError(f"{path}: the format is one of {', '.join(FORMATS)}")
    return fmt


def heading(figure: Figure, text: str, fontsize: float, *, left: bool = False) -> None:
    """The figure's title; a line that is wider than the figure is broken at its dots, or else between words.

    Args:
        left: begins at the left edge, where a legend stands at the right.
    """
    room = 72 * figure.get_size_inches()[0]
    lines = text.split("\n")
    for separator in (" · ", " "):
        lines = [part for line in lines for part in _broken(line, separator, room, fontsize)]
    place: Any = {"x": 0.01, "ha": "left"} if left else {}
    figure.suptitle("\n".join(lines), fontsize=fontsize, **place)


def _broken(line: str, separator: str, room: float, fontsize: float) -> list[str]:
    if _width(line, fontsize) <= room:
        return [line]
    first, *others = line.split(separator)
    parts = [first]
    for piece in others:
        longer = f"{parts[-1]}{separator}{piece}"
        if _width(longer, fontsize) > room:
            parts.append(piece)
        else:
            parts[-1] = longer
    return parts


def _width(text: str, fontsize: float) -> float:
    """Of one line, in points."""
    if not text.strip():
        return 0.0
    return float(TextPath((0, 0), text, prop=FontProperties(size=fontsize)).get_extents().width)
