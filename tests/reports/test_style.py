"""The same figure is the same file, whatever the user's environment says, and one that fails takes no other with it."""

import ast
import errno
import io
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import pytest

import vaecli
from vaecli.errors import RunFailed
from vaecli.reports import style

DRAW = """
import sys
from pathlib import Path
from vaecli.reports.style import draw_each
from vaecli.reports.run.figures import gumbel_max

draw = lambda: gumbel_max(logits=(1.0, 2.0), draws=100, seed=0)
draw_each({"x.png": draw}, Path(sys.argv[1]), lambda picture: print(picture.line))
"""


def size(raw):
    return struct.unpack(">II", raw[16:24])


def picture(width, height):
    with style.styled():
        return style.Figure(figsize=(width, height))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of a figure drawn where nobody asks for anything."""
    return drawn_in(tmp_path_factory.mktemp("plain"))


def drawn_in(folder, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "MATPLOTLIB"))}
    command = [sys.executable, "-c", DRAW, "out"]
    done = subprocess.run(command, cwd=folder, env=clean | environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return (folder / "out" / "x.png").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"text.usetex: True\n",
        b"image.origin: lower\nfigure.facecolor: black\naxes.grid: True\nfont.family: monospace\n",
        b"no such: key\nlines.linewidth: wide\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_matplotlibrc_in_the_working_directory_changes_no_figure(expected, tmp_path, content):
    (tmp_path / "matplotlibrc").write_bytes(content)
    assert drawn_in(tmp_path) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"MPLBACKEND": "no such"},
        {"MATPLOTLIBRC": "mine.conf"},
        {"MPLCONFIGDIR": "mine"},
        {"MPLCONFIGDIR": "/proc/none"},
    ],
)
def test_a_variable_of_matplotlib_changes_no_figure(expected, tmp_path, environment):
    (tmp_path / "mine.conf").write_text("text.usetex: True\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "matplotlibrc").write_text("savefig.facecolor: black\n")
    assert drawn_in(tmp_path, **environment) == expected


def test_settings_of_the_process_around_it_change_no_figure_and_stay_as_they_were(expected, tmp_path):
    from vaecli.reports.run.figures import gumbel_max

    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black", "savefig.dpi": 30}):
        figures = {"x.png": lambda: gumbel_max(logits=(1.0, 2.0), draws=100, seed=0)}
        (path,) = style.draw_each(figures, tmp_path, pytest.fail)
        assert matplotlib.rcParams["text.usetex"]
    assert path.read_bytes() == expected


def test_nothing_else_imports_matplotlib():
    """Then no import can come before the door's."""
    importing = []
    for path in Path(vaecli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importing += [path.name for name in names if name.partition(".")[0] == "matplotlib"]
    assert set(importing) == {"style.py"}


@pytest.mark.parametrize("inches", [(850, 26), (5, 20_000), (3000, 3000), (1, 900)])
def test_no_figure_has_more_pixels_than_there_may_be(tmp_path, inches):
    """The first is that of two labels 1990 and 2020 once."""
    with style.styled():
        width, height = size(style.save(picture(*inches), tmp_path / "x.png").read_bytes())
    assert width * height <= 1.01 * style.MOST_PIXELS
    assert max(width, height) <= style.LONGEST_SIDE + 1


def test_a_figure_of_the_usual_size_has_all_its_dots(tmp_path):
    with style.styled():
        assert size(style.save(picture(7.2, 5.0), tmp_path / "x.png").read_bytes()) == (1440, 1000)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\nlines"), "b.png: could not be drawn (ValueError: two)"),
        (MemoryError(), "b.png: could not be drawn (out of memory)"),
        (OverflowError("Exceeded cell block limit"), "could not be drawn (OverflowError: Exceeded cell block limit)"),
        (RunFailed("b.png: cannot be written (No space left on device)"), "b.png: cannot be written (No space"),
    ],
)
def test_a_picture_that_fails_is_a_line_and_the_others_are_drawn(tmp_path, error, line):
    def fail():
        raise error

    failures = []
    figures = {"a.png": lambda: picture(1, 1), "b.png": fail, "c.png": lambda: picture(1, 1)}
    paths = style.draw_each(figures, tmp_path, failures.append)
    assert [path.name for path in paths] == ["a.png", "c.png"]
    (failure,) = failures
    assert line in failure.line
    assert "\n" not in failure.line


def test_a_full_disk_is_a_line_for_each_picture(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    failures = []
    figures = {"a.png": lambda: picture(1, 1), "b.png": lambda: picture(1, 1)}
    assert style.draw_each(figures, tmp_path, failures.append) == []
    assert [failure.line for failure in failures] == [
        f"{tmp_path}/{name}.png: cannot be written (No space left on device)" for name in "ab"
    ]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["日本語の手書き文字", "𝕏 ☃ \u0e01\u0e32", "עברית"])
def test_signs_that_no_font_has_are_drawn_without_a_warning(tmp_path, text, capfd):
    def draw():
        figure = style.Figure(figsize=(4, 1))
        style.heading(figure, text, 9)
        return figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert style.draw_each({"x.png": draw}, tmp_path, pytest.fail)
    assert capfd.readouterr() == ("", "")


def test_a_heading_breaks_between_words_where_it_is_wider_than_the_figure():
    def lines(text, width):
        figure = picture(width, 1)
        style.heading(figure, text, 9)
        return figure.get_suptitle().split("\n")

    words = "gumbel (K = 10) · something of my own · 10 epochs · seed 0"
    assert lines(words, 7) == [words]
    assert lines(words, 3) == ["gumbel (K = 10) · something of my own", "10 epochs · seed 0"]
    assert " ".join(lines(words.replace(" · ", " "), 2)) == words.replace(" · ", " ")
    assert lines("W" * 60, 2) == ["W" * 60]
    with style.styled():
        figure = picture(2, 3)
        style.heading(figure, words, 9)
        figure.savefig(io.BytesIO(), format="png")
        (title,) = figure.texts
        box = title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= 2 * figure.dpi
