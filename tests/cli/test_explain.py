"""`vaecli explain METHOD --output FILE`."""

from pathlib import Path

import pytest

from vaecli.registry import METHODS, suggest


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_is_a_file_of_the_format_that_its_name_says(vaecli, ending):
    assert vaecli("explain", "gumbel", "--output", f"gumbel.{ending}").stdout == f"gumbel.{ending}\n"
    content = Path(f"gumbel.{ending}").read_bytes()
    assert content[:40].find({"png": b"PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]) >= 0
    again = vaecli("explain", "gumbel", "-o", f"gumbel.{ending}")
    assert (again.exit_code, "--force overwrites it" in again.stderr) == (2, True)
    assert vaecli("explain", "gumbel", "-o", f"gumbel.{ending}", "--force").exit_code == 0
    assert Path(f"gumbel.{ending}").read_bytes() == content


def test_only_a_method_has_a_figure_and_only_in_a_known_format(vaecli):
    refused = vaecli("explain", "perplexity", "--output", "x.png")
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"perplexity: only a method has a figure{suggest('perplexity', METHODS)}\n",
    )
    refused = vaecli("explain", "gumbel", "--output", "x.jpg")
    assert (refused.exit_code, refused.stderr) == (2, "x.jpg: the format is one of png, svg, pdf\n")


def test_what_draws_no_figure_takes_no_file_for_one(vaecli):
    result = vaecli("explain", "gumbel", "--format", "bibtex", "--output", "x.png")
    assert result.exit_code == 2
    assert result.stderr == "--output x.png: draws a figure, which --format bibtex is not\n"
