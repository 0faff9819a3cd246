"""An audit in words and figures, from rows whose figures are chosen."""

import pytest

from helpers import audit_row
from vaecli.reports.audit import figures
from vaecli.reports.audit.table import best, figure, front, table_lines, verdict
from vaecli.runs.audits import Bounded

ROWS = [
    audit_row("categorical", 1.0, 0.0, cosine=None),
    audit_row("gumbel", 0.2, 4.0, temperature=0.1),
    audit_row("gumbel", 0.8, 0.5, temperature=1.0),
    audit_row("straight_through", 0.9, 2.0, cosine=0.8),
    audit_row("exact", 0.0, 0.0),
    audit_row("rloo", 0.005, 1.2, told=False),
    audit_row("reinforce", 0.004, 3.0, told=False),
]


def test_the_front_is_what_no_other_beats_in_both():
    """exact aside; biases not distinguishable from 0 are equal, so that among them the least variance counts."""
    assert [(r.estimator, r.temperature) for r in front(ROWS, "logits")] == [
        ("categorical", None),
        ("gumbel", 1.0),
        ("rloo", None),
    ]


def test_each_estimator_is_best_where_its_squared_error_is_least():
    assert [r.temperature for r in best(ROWS) if r.estimator == "gumbel"] == [1.0]


def test_the_verdict_names_the_least_spread_without_bias_and_the_best_direction_with_one():
    assert verdict(ROWS) == (
        "With a bias not distinguishable from 0, rloo has the least spread (1.20 ± 0.02). Among the biased, "
        "straight_through points closest to the exact gradient (cosine 0.800 ± 0.016, bias 0.900 ± 0.018)."
    )
    assert verdict([row for row in ROWS if row.estimator == "exact"]) == ""


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Bounded(0.4271, 0.42, 0.4342), "0.427 ± 0.007"),
        (Bounded(0.4271, 0.3, 0.55), "~0.427 ± 0.125"),
        (Bounded(0.01, 0.0, 0.0213), "< 0.021"),
        (Bounded(12345.6, 12300.0, 12391.2), "12,346 ± 46"),
        (Bounded(1.0, 1.0, 1.0), "1.00"),
        (Bounded(0.9996, 0.9996, 0.9996), "1.00"),
        (Bounded(0.0, 0.0, 0.0), "0.0000"),
        (None, "none"),
    ],
)
def test_a_figure_says_how_well_it_is_known(found, words):
    assert figure(found) == words


def test_the_table_folds_to_a_terminal_and_says_what_is_left_out():
    wide = list(table_lines(ROWS, {"arsm": "too much"}, None))
    assert wide[0] == "logits' gradient after 10 epochs"
    header = ["estimator", "bias", "scaled", "bias", "std", "cosine", "mse", "front", "ms", "decodings", "draws"]
    assert wide[1].split() == header
    assert wide.index("encoder's weights after 10 epochs") == 2 + len(ROWS) + 1
    assert "left out: arsm: too much" in wide
    narrow = list(table_lines(ROWS, {}, 60))
    assert max(map(len, narrow[:-5])) <= 60
    assert sum(line.split()[:1] == ["estimator"] for line in narrow) > 2


def test_bias_against_variance_has_a_marker_for_each_row_and_a_ring_for_each_of_the_front():
    figure = figures.bias_against_variance("t", ROWS)
    for axis, part in zip(figure.axes, ("logits", "weights"), strict=True):
        points = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if len(line.get_xdata()) == 1}
        assert len(points) == 6  # all but exact
        assert any(x == pytest.approx(16) and y == pytest.approx(0.04) for x, y in points)
        assert any(x == pytest.approx(1.44) and y == pytest.approx(0.01**2) for x, y in points)  # the highest it may be
        rings = [line for line in axis.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata()) == 1]
        assert len(rings) == len(front(ROWS, part))
        assert all(
            axis.get_xlim()[0] <= x <= axis.get_xlim()[1] and axis.get_ylim()[0] <= y <= axis.get_ylim()[1]
            for x, y in points
        )


def test_lines_of_equal_error_are_of_equal_error():
    axis = figures.bias_against_variance("t", ROWS).axes[0]
    curves = [line for line in axis.lines if line.get_color() == figures.EQUAL_MSE]
    assert curves
    for curve in curves:
        total = curve.get_xdata() + curve.get_ydata()
        assert total == pytest.approx(total[0])


def test_what_is_not_told_from_zero_stands_on_the_lowest_line():
    axis = figures.against_temperature("t", ROWS).axes[0]
    heights = [line.get_ydata()[0] for line in axis.lines if line.get_marker() != "None"]
    assert heights.count(min(heights)) == 2  # rloo and reinforce
    assert axis.get_ylim()[0] < min(heights) < 0.2


def test_over_training_each_estimator_keeps_its_best_temperature():
    early = [r._replace(epoch=0) for r in ROWS]
    drawn = figures.figures("t", [*early, *ROWS])
    assert list(drawn) == ["bias_variance", "temperature", "training"]
    figure = drawn["training"]()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["categorical", "gumbel, 1", "straight_through", "rloo", "reinforce"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "10"]
