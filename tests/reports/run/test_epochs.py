"""Rows of metrics.csv as a table that grows."""

import pytest

from vaecli.reports.run.epochs import EpochTable

ROW = {
    "epoch": 3.0,
    "loss": 0.0512,
    "test_mse_sampled": 0.061,
    "test_mse_mode": 0.055,
    "test_mse_relaxed": None,
    "validation_mse_sampled": None,
    "test_perplexity": None,
    "seconds": 1.25,
}
CODES = {**ROW, "test_mse_relaxed": 0.05, "validation_mse_sampled": 0.07, "test_perplexity": 9.5}


def lines(row, width=None):
    return list(EpochTable(width).lines(row, 10))


def test_what_was_measured_has_a_column_and_nothing_else():
    assert lines(ROW) == [
        "epoch    loss  mse sampled  mse mode  seconds",
        " 3/10  0.0512       0.0610    0.0550      1.2",
    ]
    assert lines({**CODES, "step": 7.0}) == [
        " step    loss  mse sampled  mse mode  mse relaxed  validation  perplexity  seconds",
        " 7/10  0.0512       0.0610    0.0550       0.0500      0.0700        9.50      1.2",
    ]


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (90, ""),
        (80, "seconds"),
        (60, "mse mode, perplexity"),
        (30, "seconds, mse mode, perplexity, validation, mse relaxed"),
        (10, "all"),
    ],
)
def test_columns_are_left_out_before_a_figure_is_cut(width, left_out):
    header, row = lines(CODES, width)
    for name in ("mse sampled", "mse mode", "mse relaxed", "validation", "perplexity", "seconds"):
        assert (name in header) == (left_out != "all" and name not in left_out), name
    assert set(row.split()) <= {"3/10", "0.0512", "0.0610", "0.0550", "0.0500", "0.0700", "9.50", "1.2"}
    assert max(len(header), len(row)) <= width or header.split() == ["epoch", "loss"]


def test_the_header_stands_once_and_the_columns_stay_below_it():
    table = EpochTable()
    first = list(table.lines(ROW, 10))
    (later,) = table.lines({**ROW, "epoch": 10.0, "seconds": 12.25}, 10)
    assert [len(line) for line in first] == [len(later)] * 2
    assert later.startswith("10/10  ")


def test_rows_of_several_runs_have_their_names_and_one_header():
    table = EpochTable(named=True)
    found = [*table.lines(ROW, 10, "vae-s0"), *table.lines(CODES, 10, "gumbel-s1")]
    header, *rows = (line.split() for line in found)
    assert header[0] == "epoch"
    assert [row[-1] for row in rows] == ["vae-s0", "gumbel-s1"]
    places = {line.index(name) for line, name in zip(found, ("run", "vae-s0", "gumbel-s1"), strict=True)}
    assert len(places) == 1


def test_runs_by_epochs_and_by_steps_with_and_without_a_validation_split_share_a_table():
    """The columns are those of the first row; what another run has not is empty, and its unit is said."""
    by_steps = {**ROW, "step": 1000.0}
    for first, other, cell in ((CODES, by_steps, "step 1000/5000"), (by_steps, CODES, "epoch 3/5000")):
        table = EpochTable(named=True)
        header, _ = table.lines(first, 10, "one")
        (row,) = table.lines(other, 5000, "other")
        assert header.split()[0] == ("epoch" if first is CODES else "step")
        assert row.startswith(cell), row
        assert row.endswith("  other")
        assert "0.0512" in row
