"""Tables and lines that fit a width: words are not broken, and columns go before a number is cut."""

import subprocess

import pytest

from vaecli.reports.columns import aligned, beside, filled, folded_lines, narrowed, typed

TABLE = [
    ["run", "mse", "what it is"],
    ["gumbel", "0.0571", "a relaxed code instead of a hard one"],
    ["straight_through", "0.0612", "hard code forward"],
]


def tokens(lines):
    return sorted(word for line in lines for word in line.split())


@pytest.mark.parametrize("width", [None, 80, 60, 50])
def test_words_are_folded_until_a_table_fits(width):
    found = list(aligned(TABLE, width))
    assert max(map(len, found)) <= (width or 100)
    assert tokens(found) == tokens(aligned(TABLE))
    assert (len(found) == 3) == (width in (None, 80))


def test_a_word_stays_whole_where_nothing_can_be_folded():
    assert list(aligned([["a_long_name", "12345.678"]], 10)) == ["a_long_name  12345.678"]


def test_columns_are_dropped_in_their_order_and_come_back_where_there_is_room():
    rows = [["run", "data", "started", "mse"], ["gumbel-s0", "mnist", "2026-11-29 10:15", "0.0571"]]
    assert narrowed(rows, 80, ["data", "started"]) == (rows, [])
    assert narrowed(rows, 40, ["data", "started"])[1] == ["data"]
    assert narrowed(rows, 30, ["data", "started"])[1] == ["started"]  # without it, there is room for data again
    assert narrowed(rows, 5, ["data", "started"])[1] == ["data", "started"]
    assert narrowed(rows, None, ["data", "started"])[1] == []


def test_a_column_of_words_needs_little_room_where_it_may_be_folded():
    rows, dropped = narrowed(TABLE, 52, ["mse"], folds="what it is")
    assert dropped == []
    assert max(map(len, aligned(rows, 52))) <= 52
    assert narrowed(TABLE, 52, ["mse"])[1] == ["mse"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_line_is_folded_under_its_text(width):
    line = "  learned             48% of the way from the mean image (0.0737) to k-means, K = 10 (0.0420)"
    found = filled(line, width)
    assert max(map(len, found)) < width
    assert tokens(found) == tokens([line])
    indents = {len(part) - len(part.lstrip()) for part in found[1:]}
    assert indents == ({22} if width > 44 else {4})
    assert filled(line, None) == filled(line, 200) == [line]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_command_that_is_folded_is_one_for_a_shell(width):
    command = "vaecli compare gumbel vqvae --set data.name=digits --set training.epochs=2 --seeds 5"
    found = typed(command, width, begin="next     ")
    assert max(map(len, found)) < width
    assert " ".join("\n".join(found).replace("\\\n", " ").split()) == f"next {command}"


@pytest.mark.parametrize("width", [40, 61, 80])
def test_a_command_is_not_folded_inside_quotes_nor_between_an_option_and_its_value(width):
    command = "printf %s. --set 'data={name: folder, path: my pictures}' --set 'network={kind: conv}'"
    found = typed(command, width, begin="next     ")
    assert len(found) > 1
    assert not any(line.endswith("--set \\") for line in found)
    typed_again = subprocess.check_output("\n".join(found).removeprefix("next"), shell=True, text=True)
    assert typed_again == "--set.data={name: folder, path: my pictures}.--set.network={kind: conv}."


def test_names_that_are_too_long_have_lines_of_their_own():
    found = list(beside([("--code-prior independent|autoregressive", "Fit this prior."), ("-q", "Say less.")], 60))
    assert found == ["--code-prior independent|autoregressive", "    Fit this prior.", "-q  Say less."]


def test_a_table_of_many_columns_is_folded_with_its_first_one():
    rows = [["method", *(f"column {n}" for n in range(8))], ["gumbel", *("0.0571 ± 0.0012" for _ in range(8))]]
    found = list(folded_lines(rows, 60))
    assert max(map(len, found)) <= 60
    assert sum(line.startswith("gumbel") for line in found) == sum(line.startswith("method") for line in found) > 1
    assert list(folded_lines(rows, None)) == list(aligned(rows))
