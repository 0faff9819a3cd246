"""A method as a figure for a slide: the way forward, the way of the gradient back, and its rule."""

from itertools import pairwise
from typing import Any, NamedTuple

from vaecli.errors import printable
from vaecli.reports.columns import words
from vaecli.reports.style import COLOURS, Axes, Figure, points_wide

FORWARD, BACK, STOP, QUIET = COLOURS[0], COLOURS[1], "#B00020", "0.55"
WIDTH, HEAD, SCALE, LINE = 10.0, 0.8, 3.1, 0.2  # inches: the figure, its title, one unit of height, a line of the rule
LETTERS = 12  # points
PLACES = {"image": 0.05, "encoder": 0.19, "encoded": 0.335, "drawn": 0.5, "read": 0.665, "decoder": 0.81, "loss": 0.95}
UP, DOWN, LOW = 0.72, 0.40, 0.10  # heights of the ways forward, back, and around the choice
TOP, FLOOR, LOW_FLOOR = 0.97, 0.16, 0.02  # of the diagram, the last where there is a way around


class Drawing(NamedTuple):
    """What the figure shows, in words."""

    name: str
    help: str
    encoded: str  # what the encoder gives
    drawn: str  # what happens to it
    read: str  # what the decoder reads
    back: str  # how the gradient passes that, or that it stops
    passes: bool  # whether a gradient of what the decoder reads comes through
    around: bool  # whether losses teach the encoder on another way
    held_fixed: bool  # whether what passes is an ordinary gradient, and no rule in its place
    learns: bool
    rule: tuple[str, ...]  # lines of the formula
    promises: str
    paper: str


def draw(found: Drawing) -> Figure:
    """Forward above, backward below; the rule and the promises under both."""
    rule = list(map(printable, found.rule))
    floor = LOW_FLOOR if found.around else FLOOR
    below, middle = LINE * (len(rule) + 3.5), SCALE * (TOP - floor)
    whole = below + middle + HEAD
    figure = Figure(figsize=(WIDTH, whole))
    figure.set_layout_engine("none")
    axis = figure.add_axes((0.02, below / whole, 0.96, middle / whole))
    axis.set(xlim=(0, 1), ylim=(floor, TOP))
    axis.set_axis_off()
    _forward(axis, found)
    _backward(axis, found)

    def write(height: float, text: str, size: float, colour: str, **look: Any) -> None:
        figure.text(0.03, height / whole, text, fontsize=size, color=colour, va="center", **look)

    write(whole - 0.3, found.name, 18, "0", fontweight="bold")
    write(whole - 0.64, found.help, 12, "0.25")
    size = min(11.0, 11 * 0.94 * 72 * WIDTH / max([1, *(_mono(line, 11) for line in rule)]))
    for number, line in enumerate(rule):
        write(below - LINE * (number + 0.6), line, size, "0", family="monospace")
    write(LINE * 2.1, found.promises, 10, "0.2")
    write(LINE * 0.9, found.paper, 8.5, "0.4")
    return figure


def _mono(line: str, size: float) -> float:
    """The width of a line of equally wide letters, in points."""
    return 0.602 * size * len(line)


def _forward(axis: Axes, found: Drawing) -> None:
    texts = {"encoded": found.encoded, "drawn": found.drawn, "read": found.read}
    for place, x in PLACES.items():
        text = "\n".join(words(texts.get(place, place), 13))
        boxed = place in ("encoder", "decoder", "drawn")
        face = {"drawn": "#FFF3D6"}.get(place, "#E3EEF6")
        edge = {"drawn": COLOURS[6]}.get(place, FORWARD)
        box: Any = {"boxstyle": "round,pad=0.55", "facecolor": face, "edgecolor": edge, "linewidth": 1.3}
        axis.text(x, UP, text, ha="center", va="center", fontsize=LETTERS, bbox=box if boxed else None, zorder=3)
    ends = [(place, x, _half(found, place)) for place, x in PLACES.items()]
    for (_, left, half), (_, right, other) in pairwise(ends):
        _arrow(axis, (left + half, UP), (right - other, UP), FORWARD)
    axis.text(PLACES["image"], UP + 0.13, "forward", ha="center", fontsize=10, color=FORWARD, style="italic")


def _half(found: Drawing, place: str) -> float:
    """Half the width of a place, in axes."""
    text = {"encoded": found.encoded, "drawn": found.drawn, "read": found.read}.get(place, place)
    wide = max(points_wide(line, LETTERS) for line in words(text, 13))
    pad = 16 if place in ("encoder", "decoder", "drawn") else 7
    return (wide / 2 + pad) / (0.96 * 72 * WIDTH)


def _backward(axis: Axes, found: Drawing) -> None:
    x = PLACES
    here, _, around = found.back.rpartition(": ") if found.around and not found.passes else (found.back, "", "")
    axis.text(x["image"], DOWN, "gradient", ha="center", va="center", fontsize=10, color=BACK, style="italic")
    axis.plot([x["loss"]], [DOWN], "o", color=BACK, markersize=8)
    axis.text(x["loss"], DOWN - 0.11, "begins here", ha="center", va="center", fontsize=10, color=BACK)
    _arrow(axis, (x["loss"] - 0.015, DOWN), (x["decoder"] + 0.005, DOWN), BACK)
    axis.text(x["decoder"], DOWN - 0.11, "learns", ha="center", va="center", fontsize=10, color=BACK)
    colour = BACK if found.learns else QUIET
    says = "learns" if found.learns else "learns nothing"
    axis.text(x["encoder"], DOWN - 0.11, says, ha="center", va="center", fontsize=10, color=colour)
    if found.passes:
        _arrow(axis, (x["decoder"] - 0.005, DOWN), (x["read"], DOWN), BACK)
        style = "-" if found.held_fixed else (0, (4, 2.5))
        _arrow(axis, (x["read"] - 0.01, DOWN), (x["encoded"] + 0.005, DOWN), BACK, style)
        _note(axis, x["drawn"], DOWN - 0.06, here, BACK)
    else:
        _arrow(axis, (x["decoder"] - 0.005, DOWN), (x["drawn"] + 0.015, DOWN), BACK)
        axis.plot([x["drawn"]], [DOWN], "x", color=STOP, markersize=13, markeredgewidth=3.2)
        _note(axis, x["drawn"], DOWN - 0.09, here, STOP)
    if found.around:
        axis.text(x["drawn"] + 0.07, LOW + 0.03, around, ha="center", fontsize=10, color=BACK)
        _arrow(axis, (x["loss"], DOWN - 0.16), (x["loss"], LOW), BACK, (0, (4, 2.5)), head=False)
        _arrow(axis, (x["loss"], LOW), (x["encoded"], LOW), BACK, (0, (4, 2.5)), head=False)
        _arrow(axis, (x["encoded"], LOW), (x["encoded"], DOWN - 0.02), BACK, (0, (4, 2.5)))
    if found.learns:
        _arrow(axis, (x["encoded"] - 0.005, DOWN), (x["encoder"] + 0.005, DOWN), BACK)


def _note(axis: Axes, x: float, y: float, text: str, colour: str) -> None:
    axis.text(x, y, "\n".join(words(text, 27)), ha="center", va="top", fontsize=10, color=colour)


def _arrow(
    axis: Axes,
    begin: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    style: Any = "-",
    *,
    head: bool = True,
) -> None:
    look = {"arrowstyle": "-|>" if head else "-", "color": colour, "linewidth": 1.8, "linestyle": style}
    axis.annotate("", end, begin, arrowprops={**look, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14})
