"""Every command reads well at 60, 80 and 120 columns: no word is broken, no number is cut, nothing is wider.

A screen is held against what the same command writes into a pipe without a width, where nothing is folded.
"""

import json
import re
import shlex

import pytest
from typer.main import get_command

from helpers import copied
from vaecli import api
from vaecli.cli.app import app
from vaecli.experiment import doctor
from vaecli.runs.files import write_json

WIDTHS = (60, 80, 120)


def walked(command, path=()):
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walked(child, (*path, name))


COMMANDS = dict(walked(get_command(app)))
NAMES = [" ".join(path) for path in COMMANDS]


def too_wide(text, width):
    """The lines that could have been folded: one word alone, such as a path, stays whole, with a label before it."""
    wide = [line for line in text.splitlines() if len(line) > width]
    return [line for line in wide if len(re.sub(r"^ *(\S+ )*\S+  +", "", line).split()) > 1]


def pieces(narrow, whole):
    """The words of a screen that are none of the pipe's: broken words and cut numbers; a backslash joins lines."""
    known = {*whole.split(), "\\"}
    return [word for word in narrow.split() if word not in known]


@pytest.fixture(scope="module")
def outputs(finished, tmp_path_factory):
    """A folder of finished runs, with a comparison, an audit, a reproduction and a measured quality."""
    folder = tmp_path_factory.mktemp("screens") / "outputs"
    runs = [copied(finished(name), folder) for name in ("gumbel", "vqvae", "categorical")]
    api.prior(runs[0].path, output_dir=folder, quiet=True)
    api.quality(runs[0].path, count=64, output_dir=folder, quiet=True)
    api.compare(*(run.path for run in runs), no_train=True, output_dir=folder, quiet=True)
    api.audit(
        objective="linear",
        estimators=["straight_through", "gumbel_st"],
        temperatures=[1.0],
        images=2,
        draws=128,
        output_dir=folder,
        quiet=True,
    )
    cells = api.reproduce(list_only=True, cells=["e20"], output_dir=folder, quiet=True)
    write_json(folder / "reproduce-00000000" / "reproduction.json", {"records": cells.records})
    return folder


@pytest.fixture
def screen(vaecli, outputs, monkeypatch, tmp_path):
    """`screen(line, width)`: what a command writes, both streams; without a width as into a pipe."""
    (tmp_path / "outputs").symlink_to(outputs)
    found = doctor.examination(outputs, None, tensorflow=False)  # free memory is another at each look
    monkeypatch.setattr(doctor, "examination", lambda *arguments, **options: found)

    def run(line, width=None, code=0):
        if width is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", str(width))
        result = vaecli(*shlex.split(line))
        assert result.exit_code == code, result.output
        assert not {"\x1b", "\r", "\b"} & set(result.output)
        return result.stdout + result.stderr

    return run


SHOWN = (
    *("list", "list digits --sort-by 'mse sampled'", "show gumbel", "show vqvae", "show categorical"),
    *("show compare-", "show audit-", "show reproduce-", "diff gumbel vqvae", "diff gumbel gumbel"),
    *("methods", "explain gumbel", "explain residual", "explain perplexity", "explain bias", "explain temperature"),
    *(
        "train gumbel --set data.name=digits --dry-run",
        "data",
        "doctor",
        "check gumbel",
        "init gumbel --output -",
        "prune --dry-run",
        "verify gumbel --files",
    ),
    *("reproduce --list pytorch_examples_vae kool2020_bernoulli_toy keras_io_vqvae", "reproduce --list --cells e20"),
    *("reproduce aistats2026_toys --dry-run", "compare outputs --no-train", "compare --set data.name=digits --dry-run"),
    *("quality gumbel --count 64", "prior gumbel"),
    "audit --objective linear --estimators straight_through,gumbel_st --temperatures 1 --images 2 --draws 128",
)


@pytest.mark.parametrize("line", SHOWN)
def test_no_word_is_broken_and_no_number_is_cut(screen, line):
    whole = screen(line)
    for width in WIDTHS:
        shown = screen(line, width)
        assert too_wide(shown, width) == []
        left_out = re.search(r"left out, as \d+ columns have\s+no room for them:[^;]*;\s+--json\s+has\s+all", shown)
        rest = shown.replace(left_out.group(), "") if left_out else shown
        assert pieces(rest, whole) == []


REFUSED = (
    *("train no-such-config", "train gumbel --set modle.temperature=1", "compare --family estimator"),
    *("explain perplexty", "show no-such-run", "trian gumbel", "train --epochs few", "audit --objective quartic"),
    *("init gumbl", "list --sort-by x", "evaluate vqvae"),
)


@pytest.mark.parametrize("line", REFUSED)
def test_a_refusal_is_folded_too(screen, line):
    whole = screen(line, code=2)
    for width in WIDTHS:
        shown = screen(line, width, code=2)
        assert too_wide(shown, width) == []
        assert pieces(shown, whole) == []


def test_a_training_is_a_table_that_fits(screen):
    line = "train gumbel --set data.name=digits --set network.hidden=[16] --set training.compile=graph --epochs 2"
    line += " --output-dir elsewhere"
    first = screen(line, 60)
    assert too_wide(first, 60) == []
    header = first.splitlines()[[line.split()[:1] for line in first.splitlines()].index(["epoch"])]
    assert header.split() == ["epoch", "loss", "mse", "sampled", "mse", "relaxed", "perplexity", "seconds"]
    again = [screen(line, width) for width in (None, *WIDTHS)]
    for width, shown in zip(WIDTHS, again[1:], strict=True):
        assert too_wide(shown, width) == []
        assert pieces(shown, again[0]) == []


WRITING = (
    *("encode gumbel test --output codes.npz --force", "reconstruct gumbel test --output images.npz --force"),
    *("export gumbel --output model.keras --force", "sample gumbel --output samples.png --force"),
    *("plot gumbel", "explain gumbel --output gumbel.png --force"),
)


@pytest.mark.parametrize("line", WRITING)
def test_what_is_written_is_named_within_60_columns(screen, line):
    assert too_wide(screen(line, 60), 60) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_help_begins_with_two_examples_and_fits(screen, name):
    whole = screen(f"{name} --help")
    for width in WIDTHS:
        shown = screen(f"{name} --help", width)
        assert too_wide(shown, width) == []
        assert pieces(shown, whole) == []
        assert "..." not in re.sub(r"\S+\.\.\.|\[ARGS\]\.\.\.", "", shown)  # nothing is shortened
        usage, _, rest = shown.partition("\n\n")
        examples = rest.partition("\n\n")[0].replace(" \\\n", " ").splitlines()
        assert usage.startswith("Usage: ")
        assert [" ".join(line.split()) for line in examples] == COMMANDS[tuple(name.split())].callback.examples
        assert len(examples) == 2


@pytest.mark.parametrize("name", NAMES)
def test_what_a_command_takes_is_named_in_words(name):
    command = COMMANDS[tuple(name.split())]
    takes = {param.name: param.metavar for param in command.params if not getattr(param, "is_flag", False)}
    assert [name for name, metavar in takes.items() if not metavar] == []
    assert [name for name, metavar in takes.items() if re.search(r"[<>\[]|\b(int|str|path|float)\b", metavar)] == []


EXAMPLES = [line for command in COMMANDS.values() for line in command.callback.examples]


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_a_command_with_these_arguments(line):
    program, *words = shlex.split(line.partition(" > ")[0])
    command = get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    assert program == "vaecli"
    command.make_context(command.name, words)  # raises a refusal


def test_in_a_pipe_nothing_is_left_out_and_json_is_never_folded(screen):
    header, *_ = screen("list").splitlines()
    assert all(name in header for name in ("data", "seed", "started", "duration", "differs", "perplexity"))
    for line in ("list --json", "show gumbel --json", "show compare- --json", "show audit- --json", "methods --json"):
        assert json.loads(screen(line, 60)) == json.loads(screen(line))
