"""Tables in LaTeX: what a strict reader finds in them, and LaTeX itself where it is installed."""

import re
import shutil
import subprocess

import pytest

from helpers import audit_row, made_up
from vaecli.errors import ConfigError
from vaecli.metrics.intervals import deviation
from vaecli.reports.audit.table import latex_lines as of_audit
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.table import Selection, columns, latex_lines, selected
from vaecli.reports.latex import SIGNS, latex_text, tabular

DOCUMENT = r"\documentclass{article}\usepackage{booktabs}\begin{document}%s\end{document}"
HOSTILE = [["method", "a_b & c"], [r"\input{/etc/passwd}", "50 % of $x$"], ["[2ex] {}~^#", "< 0.5 → 1_1 | é"]]


def cells(lines):
    """The cells of each row; refuses whatever LaTeX would not read as the text of a table."""
    begin, top, *rows, bottom, end = [line for line in lines if not line.startswith("%")]
    aligned = re.fullmatch(r"\\begin\{tabular\}\{(l[lr]*)\}", begin)[1]
    assert (top, bottom, end) == (r"\toprule", r"\bottomrule", r"\end{tabular}")
    found = []
    for row in rows:
        if row == r"\midrule":
            continue
        text = row.removesuffix(r" \\")
        assert text != row
        plain = text
        for known in sorted([*SIGNS.values(), r"\emph", r"\multicolumn", "{}"], key=len, reverse=True):
            plain = plain.replace(known, "")
        assert not re.search(r"[\\$%#_~^]", plain)
        assert plain.count("{") == plain.count("}")
        if not text.startswith(r"\multicolumn"):
            found.append(re.split(r"(?<!\\)&", text))
            assert len(found[-1]) == len(aligned)
    return found


def test_each_row_has_a_cell_for_each_column_whatever_the_group(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 0, 0.06, epochs=20, accuracy=0.5)]
    lines = list(latex_lines(compared(runs), {"vqvae-s0": "diverged\n\\end{tabular}"}))
    header, *rows = cells(lines)
    assert "accuracy" in [head.strip() for head in header]
    assert [row[0].strip() for row in rows] == ["exact", "gumbel"]
    assert rf"\multicolumn{{{len(header)}}}{{l}}{{\emph{{epochs 20}}}} \\" in lines
    assert r"% failed: vqvae-s0: diverged\n\end{tabular}" in lines


def test_whatever_a_cell_has_is_text(tmp_path):
    found = list(tabular([("100 % of it", HOSTILE)]))
    assert len(cells(found)) == 2
    assert latex_text("a_b & 50 %") == r"a\_b \& 50 \%"
    assert latex_text("straight-through, -elbo, -0.5 ± 1") == r"straight-through, $-$elbo, $-$0.5 $\pm$ 1"


def test_the_columns_are_those_that_are_asked_for_in_their_order(three_seeds):
    (group,) = compared(three_seeds)
    found = columns(group, selected(["bits", "mse-sampled", "bound"], "interval"))
    assert [column[0] for column in found] == ["method", "bits", "mse sampled", "bound"]
    with pytest.raises(ConfigError, match=r"^--columns mse sampeld: no such column, did you mean 'mse sampled'\?$"):
        selected(["mse sampeld"], "interval")


def test_the_spread_is_the_interval_or_the_standard_deviation(three_seeds):
    (group,) = compared(three_seeds)
    (exact,) = (row for row in group.rows if row.name == "exact")
    by_spread = {kind: columns(group, Selection(("mse sampled",), kind))[1][1] for kind in ("interval", "std")}
    assert by_spread["interval"] == f"0.0600 ± {exact.interval('mse sampled').half_width:.4f}"
    assert by_spread["std"] == f"0.0600 ± {deviation([0.05, 0.06, 0.07]):.4f}"
    legends = [
        next(line for line in latex_lines([group], {}, Selection((), kind)) if "±" in line) for kind in by_spread
    ]
    assert legends[0].startswith("% ± is the 95 % interval")
    assert legends[1].startswith("% ± is the standard deviation")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-base, booktabs)")
def test_it_compiles(three_seeds, tmp_path):
    rows = [audit_row("gumbel", 0.1, 0.2, temperature=0.5), audit_row("exact", 0.0, 0.0, told=False)]
    tables = [latex_lines(compared(three_seeds), {"a": "b"}), of_audit(rows, {"x": "y"}), tabular([("#1", HOSTILE)])]
    (tmp_path / "paper.tex").write_text(DOCUMENT % "\n\n".join("\n".join(lines) for lines in tables), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout
    assert "Missing character" not in done.stdout
