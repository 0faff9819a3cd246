"""The pictures of a reproduction: our curves over published points."""

from itertools import pairwise

from vaecli.papers.schema import cells_of
from vaecli.papers.verdict import Found, verdict
from vaecli.reports.reproduction.figures import draw, panels
from vaecli.reports.style import styled

SOURCE = "ramesh2019_discrete_vae"
SETTINGS = ("st_categorical, t 1 -> .5", "st_argmax, t 1 -> .5")


def found():
    """The cells of two settings, each verified to the digit: one has more of a metric, the other of the other."""
    cells = [cell for cell in cells_of(SOURCE) if cell.setting in SETTINGS]
    return [Found(cell, verdict(cell, [cell.published]), {0: cell.published}, {}) for cell in cells]


def test_a_setting_looks_alike_in_every_panel():
    shown = panels(found(), {})
    assert len({tuple(curve.setting for curve in panel.curves) for panel in shown}) == 2  # in another order
    lines = [
        {line.get_label(): line.get_color() for line in axis.get_legend().get_lines()}
        for axis in draw(SOURCE, shown).axes
    ]
    assert lines[0].keys() == lines[1].keys() == set(SETTINGS)
    assert lines[0] == lines[1]
    assert len(set(lines[0].values())) == 2


def test_the_steps_below_an_axis_do_not_touch():
    with styled():
        figure = draw(SOURCE, panels(found(), {}))
        figure.canvas.draw()
    for axis in figure.axes:
        labels = axis.get_xticklabels()
        assert "50,000" in [label.get_text() for label in labels]
        assert all(left.x1 < right.x0 for left, right in pairwise(label.get_window_extent() for label in labels))
