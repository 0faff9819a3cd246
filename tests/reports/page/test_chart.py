"""Charts: where points are, what axes show, and that every word in them is text."""

import math
import re
import xml.etree.ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaecli.reports.page import chart
from vaecli.reports.page.chart import Axis, Chart, Guide, Interval, Intervals, Panel, Point, Series

NAME = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b onload='x'>&\"</b>"


def drawn(*panels):
    """The parsed SVG of each panel."""
    return [xml.fromstring(svg) for _, svg in Chart("title", "words", panels).picture.panels]


def line(name="a", points=((0, 0), (1, 2), (2, 1)), **others):
    return Series(name, others.pop("place", 0), [Point(x, y, f"{name} at {x}: {y}") for x, y in points], **others)


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.sampled_from(["linear", "symlog"]))
def test_every_point_is_inside_the_axes(points, scale):
    (svg,) = drawn(Panel("", "x", "y", [line(points=points)], x_scale=scale if min(points)[0] >= 0 else "linear"))
    for place in svg.find(f".//{NAME}polyline" if svg.tag.startswith(NAME) else ".//polyline").get("points").split():
        x, y = map(float, place.split(","))
        assert chart.LEFT <= x <= chart.WIDE - chart.RIGHT
        assert chart.TOP <= y <= chart.HIGH - chart.BOTTOM


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e5), st.sampled_from(["linear", "log"]))
def test_an_axis_has_a_few_round_numbers(low, factor, scale):
    ticks = Axis(low, low * factor, scale).ticks()
    assert 1 <= len(ticks) <= chart.MOST_TICKS + 1
    assert ticks == sorted(ticks)
    assert all(low * (1 - 1e-6) <= tick <= low * factor * (1 + 1e-6) for tick in ticks)
    if scale == "log" and factor > 20:
        assert all(f"{tick:e}"[0] in "125" and not f"{tick:e}"[2:8].strip("0") for tick in ticks)


def test_the_number_at_the_last_tick_is_not_cut_off():
    (svg,) = drawn(Panel("", "x", "y", [line(points=((1, 0), (1000, 1)))], x_range=(1, 1000), x_scale="log"))
    (last,) = (text for text in svg.iter() if text.text == "1000")
    assert float(last.get("x")) + len("1000") / 2 * chart.DIGIT <= chart.WIDE
    assert float(last.get("x")) < chart.WIDE - chart.RIGHT  # where the tick is


def test_epochs_are_whole_numbers():
    assert Axis(0.9, 2.1, "linear").ticks(counted=True) == [1.0, 2.0]


def test_a_logarithmic_axis_puts_equal_factors_at_equal_distances():
    axis = Axis(1.0, 100.0, "log")
    assert [axis.share(value) for value in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert axis.share(0) == 0  # which has no logarithm


def test_above_one_equal_factors_are_at_equal_distances_and_below_it_equal_steps():
    axis = Axis(0.0, 100.0, "symlog")
    assert [3 * axis.share(value) for value in (0, 0.5, 1, 10, 100)] == pytest.approx([0, 0.5, 1, 2, 3])


def test_what_a_user_named_is_text_and_the_svg_is_whole():
    series = line(HOSTILE, band=((0, 1), (1, 3), (0, 2)), bars=((0, 0, 0, 1),))
    guides = [Guide([(x, 1.5) for x in (-math.inf, math.inf)], HOSTILE)]
    (svg,) = drawn(Panel(HOSTILE, HOSTILE, HOSTILE, [series], guides, x_ticks={0.0: HOSTILE}))
    texts = [text.text for text in svg.iter() if text.tag.endswith("text")]
    assert texts.count(HOSTILE) == 4
    assert [group.get("data-name") for group in svg if group.tag.endswith("g")] == [HOSTILE]
    ((_, rows),) = Intervals(HOSTILE, "", HOSTILE, [Interval(HOSTILE, 1.0, 0.5, HOSTILE, True)]).picture.panels
    assert [text.text for text in xml.fromstring(rows).iter() if text.tag.endswith("text")].count(HOSTILE) == 2


def test_each_point_has_its_words_and_one_marker():
    ((_, svg),) = Chart("", "", [Panel("", "x", "y", [line("a"), line("b", place=1)])]).picture.panels
    assert re.findall('data-tips="([^"]*)"', svg) == ["\n".join(point.tip for point in line(n).points) for n in "ab"]
    assert svg.count("<use") == 6


def test_guides_that_no_point_needs_are_seen_and_those_beyond_the_axes_end_there():
    far = Guide([(x, 10.0) for x in (-math.inf, math.inf)], "mean image")
    curve = Guide([(0.5, 1.0), (1.0, 1.5), (50.0, 2.0)], "curve", "")
    (svg,) = drawn(Panel("", "x", "y", [line()], [far, curve]))
    lines = [part.get("points").split() for part in svg.iter() if part.get("class") == "guide" and part.get("points")]
    assert [len(places) for places in lines] == [2, 2]  # the end of the curve is beyond the axis
    (left, y), (right, _) = (map(float, place.split(",")) for place in lines[0])
    assert (left, right) == (chart.LEFT, chart.WIDE - chart.RIGHT)
    assert chart.TOP < y < chart.HIGH / 2


def test_a_name_is_once_in_the_legend_and_looks_the_same_in_every_panel():
    found = Chart(
        "", "", [Panel("", "", "", [line("a", place=8)]), Panel("", "", "", [line("a", place=8), line("b")])]
    ).picture
    assert [name for name, _ in found.legend] == ["a", "b"]
    looks = {part for _, svg in found.panels for part in re.findall(r'class="(c\d)" data-name="a"', svg)}
    assert looks == {"c1"} == set(re.findall(r'class="(c\d)"', found.legend[0][1]))


def test_as_many_rows_as_a_figure_shows_look_different():
    from vaecli.reports.comparison.panels import MOST_ROWS

    swatches = Chart("", "", [Panel("", "", "", [line(str(n), place=n) for n in range(MOST_ROWS)])]).picture.legend
    assert len({str(swatch) for _, swatch in swatches}) == MOST_ROWS


def test_long_names_are_above_their_rows_and_never_cut():
    name = "gumbel, temperature 0.5, num_classes 20"
    ((_, svg),) = Intervals("", "", "", [Interval(name, 1.0, 0.1, ""), Interval("a", 1.2, None, "")]).picture.panels
    texts = [part for part in xml.fromstring(svg).iter() if part.get("class") == "name"]
    assert [text.text for text in texts] == [name, "a"]
    assert all(text.get("text-anchor") is None for text in texts)
