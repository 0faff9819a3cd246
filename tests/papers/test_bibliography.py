"""The papers of methods, as BibTeX."""

import re

import pytest

from vaecli.config.options import OPTIONS, described
from vaecli.errors import ConfigError
from vaecli.papers.bibliography import OF_CHOICES, bibtex, entries, of_method, of_methods, papers_of
from vaecli.registry import BUILT_IN

FIELDS = {
    "inproceedings": {"title", "author", "booktitle", "year"},
    "article": {"title", "author", "journal", "year"},
    "misc": {"title", "author", "year", "eprint"},
}
WITHOUT = ["categorical", "exact"]


@pytest.mark.parametrize("key", entries())
def test_an_entry_is_whole_and_named_by_its_first_author_and_year(key):
    kind, name, *lines = re.fullmatch(r"@(\w+)\{(\w+),\n(.*)\n\}", entries()[key], re.S).groups()
    fields = dict(re.findall(r"  (\w+) = \{(.*)\},?$", lines[0], re.M))
    assert name == key
    assert len(fields) == len(lines[0].splitlines())
    assert fields.keys() >= FIELDS[kind]
    assert ("eprint" in fields) == ("archiveprefix" in fields)
    assert entries()[key].count("{") == entries()[key].count("}")
    assert entries()[key].isascii()
    first = re.sub(r"\W", "", fields["author"].split(",")[0]).lower()
    assert key.startswith(f"{first}{fields['year']}")


def test_every_entry_is_of_a_method_or_a_choice_and_every_method_but_two_has_one():
    cited = {key for method in BUILT_IN.values() for key in method.papers} | {*OF_CHOICES.values()}
    assert cited == {*entries()}
    assert [name for name, method in BUILT_IN.items() if not method.papers] == WITHOUT


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in WITHOUT])
def test_the_arxiv_number_in_the_help_of_a_method_is_that_of_its_paper(name):
    written = re.findall(r"\d{4}\.\d{5}", BUILT_IN[name].help)
    cited = re.findall(r"eprint = \{(.*)\}", bibtex(BUILT_IN[name].papers))
    assert set(written) <= set(cited)


def test_a_choice_is_a_value_of_an_option():
    for option, value in OF_CHOICES:
        assert value in OPTIONS[option].type.__args__
        assert any(option in described(method) for method in BUILT_IN.values())


def test_what_an_option_chooses_is_cited_too():
    assert list(papers_of("vqvae", {"gradient": "straight_through"})) == ["vandenoord2017vqvae"]
    assert list(papers_of("vqvae", {"gradient": "rotation"})) == ["vandenoord2017vqvae", "fifty2025rotation"]
    assert list(papers_of("residual", {"of": "simvq"})) == ["zeghidour2021soundstream", "zhu2025simvq"]


def test_a_file_has_each_paper_once_and_names_what_has_none():
    text = of_methods([("gumbel", {}), ("exact", {}), ("gumbel_st", {}), ("gumbel", {})])
    assert re.findall(r"@\w+\{(\w+)", text) == ["jang2017gumbel", "maddison2017concrete"]
    assert "% Without a paper of their own: exact.\n" in text
    assert re.findall("@", of_methods([("exact", {})])) == []


def test_a_method_without_a_paper_and_what_is_no_method_are_a_line():
    assert of_method("rloo").startswith("@inproceedings{kool2019buy,")
    with pytest.raises(ConfigError, match=r"^exact: has no paper of its own$"):
        of_method("exact")
    with pytest.raises(ConfigError, match=r"^perplexity: no such method, and only methods have papers"):
        of_method("perplexity")
