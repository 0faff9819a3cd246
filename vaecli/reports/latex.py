"""Tables in LaTeX, with the rules of booktabs."""

import re
from collections.abc import Iterator, Mapping, Sequence

from vaecli.errors import printable

NEEDS = r"% \usepackage{booktabs}"
SIGNS: Mapping[str, str] = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"$\sim$",
    "^": r"\textasciicircum{}",
    **{sign: f"${sign}$" for sign in "<>|"},  # of which a font of LaTeX's first encoding makes other signs
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\to$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≈": r"$\approx$",
    "√": r"$\surd$",
    "Σ": r"$\Sigma$",
    "‖": r"$\|$",
    "−": "$-$",
}
MINUS = re.compile(r"(?<!\w)-(?=[\w.])")  # a sign, and not a hyphen
NUMBER = re.compile(r"[~<]? ?[-+−]?[\d.,]+( ± [\d.,]+)?|none|\*|")


def latex_text(text: str) -> str:
    """The text in LaTeX: what it would take for a command is escaped, and signs that its fonts lack are in math."""
    return "".join(SIGNS.get(sign, sign) for sign in MINUS.sub("−", printable(text)))


def tabular(tables: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> Iterator[str]:
    """The lines of one tabular.

    Args:
        tables: a title, or nothing, and columns of as many cells, the header first. Tables stand below each other, and
            a column that one of them lacks is empty there. Columns of numbers are aligned at the right.
    """
    header = list(dict.fromkeys(head for _, columns in tables for head, *_ in columns)) or [""]
    parts = [(title, _rows(columns, header)) for title, columns in tables]
    rows = [row for _, part in parts for row in part]
    places = "".join("r" if place and _numeric(rows, place) else "l" for place in range(len(header)))
    yield rf"\begin{{tabular}}{{{places}}}"
    yield r"\toprule"
    yield _line(header)
    for title, part in parts:
        yield r"\midrule"
        if title:
            yield rf"\multicolumn{{{len(header)}}}{{l}}{{\emph{{{latex_text(title)}}}}} \\"
        yield from map(_line, part)
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _rows(columns: Sequence[Sequence[str]], header: Sequence[str]) -> list[Sequence[str]]:
    cells = {head: rest for head, *rest in columns}
    empty = [""] * len(next(iter(cells.values())))
    return [*zip(*(cells.get(head, empty) for head in header), strict=True)]


def _numeric(rows: Sequence[Sequence[str]], place: int) -> bool:
    return all(NUMBER.fullmatch(row[place]) for row in rows)


def _line(cells: Sequence[str]) -> str:
    texts = [latex_text(cell) for cell in cells]
    start = "{}" * texts[0].startswith(("[", "*"))  # after the end of a line these would begin an option of it
    return rf"{start}{' & '.join(texts)} \\"


def comment(text: str) -> str:
    """A line that LaTeX does not read."""
    return f"% {printable(text)}"
