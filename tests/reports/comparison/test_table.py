import pytest

from helpers import made_up
from vaecli.reports.columns import folded
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.table import columns, markdown_lines, rich_tables, table_lines


def test_what_the_seeds_do_not_resolve_says_so(three_seeds):
    text = "\n".join(table_lines(compared(three_seeds), {}))
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert "+0.0010 ± 0.0043, not resolved" in rows["categorical"]
    assert "+0.0100 ± 0.0000 " in rows["gumbel"]
    assert "lowest" in rows["exact"]


def test_one_seed_has_no_interval_and_says_so(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 0, 0.06)]
    text = "\n".join(list(table_lines(compared(runs), {}))[:-1])
    assert "+0.0100, one seed" in text
    assert "±" not in text


def test_without_a_common_seed_there_is_no_difference(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 1, 0.06)]
    assert "no common seed" in "\n".join(table_lines(compared(runs), {}))


def test_a_failure_stands_in_the_table_with_its_reason(three_seeds):
    failures = {"vqvae-1-s0": "diverged in epoch 1"}
    line = "failed: vqvae-1-s0: diverged in epoch 1"
    assert line in list(table_lines(compared(three_seeds), failures))
    assert f"- {line}" in list(markdown_lines(compared(three_seeds), failures))
    assert line in [str(part) for part in rich_tables(compared(three_seeds), failures, 80)]


def test_markdown_has_as_many_cells_in_every_row(three_seeds):
    table = [line for line in markdown_lines(compared(three_seeds), {}) if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1


def test_nothing_to_compare_is_an_empty_table():
    assert len(list(table_lines([], {}))) == 1


def test_a_column_without_any_value_is_left_out(tmp_path):
    (group,) = compared([made_up(tmp_path, "exact", 0, 0.05)])
    assert "accuracy" not in [header for header, *_ in columns(group)]
    (group,) = compared([made_up(tmp_path, "exact", 0, 0.05, accuracy=0.5)])
    assert ["accuracy", "0.50"] in columns(group)


@pytest.mark.parametrize("width", [10, 40, 60, 500])
def test_a_narrow_terminal_gets_every_column_in_parts_that_fit(three_seeds, width):
    (group,) = compared(three_seeds)
    whole = columns(group)
    parts = list(folded(whole, width))
    assert [part[0] for part in parts] == [whole[0]] * len(parts)
    assert [column for part in parts for column in part[1:]] == whole[1:]
    wide = [part for part in parts if len(part) > 2]  # a single column may be wider than the terminal
    assert all(sum(max(map(len, column)) + 2 for column in part) - 2 <= width for part in wide)
    assert (len(parts) == 1) == (width == 500)


@pytest.mark.parametrize("width", [60, 61, 62, 63, 64, 80, 100, 120])
def test_rich_tables_show_the_same_cells_and_cut_none(three_seeds, width):
    from rich.console import Console

    console = Console(width=width, file=None, record=True)
    with console.capture() as captured:
        for part in rich_tables(compared(three_seeds), {}, width):
            console.print(part)
    shown = captured.get()
    assert "+0.0010 ± 0.0043, not resolved" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    whole = {*"\n".join(table_lines(compared(three_seeds), {})).split()}
    assert [word for word in shown.split() if word not in whole and word.strip("─")] == []  # but for the rules
