"""The papers of the methods, as BibTeX: what a paper that uses them cites."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vaecli.errors import ConfigError
from vaecli.registry import METHODS, suggest

FILE = Path(__file__).with_name("methods.bib")
# A choice that has a paper of its own, by the option and its value.
OF_CHOICES: Mapping[tuple[str, str], str] = {
    **{("parameterization", name): "manenti2026catnat" for name in ("catnat", "catnat_sigmoid")},
    ("gradient", "rotation"): "fifty2025rotation",
    ("distance", "cosine"): "yu2022vitvqgan",
}


@cache
def entries() -> Mapping[str, str]:
    """The entries by their keys."""
    found = FILE.read_text(encoding="utf-8").strip().split("\n\n")
    return {re.match(r"@\w+\{(\w+),", entry)[1]: entry for entry in found}  # type: ignore[index]


def papers_of(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a method's papers, with those of what its options choose."""
    yield from METHODS[name].papers
    if "of" in options:  # the quantiser of each stage
        yield from METHODS[options["of"]].papers
    yield from (key for choice, key in OF_CHOICES.items() if choice in options.items())


def bibtex(keys: Iterable[str]) -> str:
    """The entries of these keys, each once."""
    return "\n\n".join(entries()[key] for key in dict.fromkeys(keys))


def of_method(name: str) -> str:
    """The entries of a method's papers; raises ConfigError where it has none."""
    if name not in METHODS:
        raise ConfigError([f"{name}: no such method, and only methods have papers{suggest(name, METHODS)}"])
    if not METHODS[name].papers:
        raise ConfigError([f"{name}: has no paper of its own"])
    return bibtex(METHODS[name].papers)


def of_methods(used: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A file of the entries of all these methods with their options, and of the names of those that have none."""
    without = [name for name in dict.fromkeys(name for name, _ in used) if not METHODS[name].papers]
    head = ["% The papers of the methods compared here."]
    head += [f"% Without a paper of their own: {', '.join(without)}."] * bool(without)
    found = bibtex(key for name, options in used for key in papers_of(name, options))
    return "\n".join([*head, *(["", found] if found else []), ""])
