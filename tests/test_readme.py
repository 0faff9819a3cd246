"""What README says of methods, metrics, commands, limits and files is what the code has."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command

import vaecli
from helpers import small_config
from vaecli import errors
from vaecli.cli.app import app
from vaecli.config.latent import MOST_CODES
from vaecli.config.options import described
from vaecli.data.dataset import MOST_TEST, TEST_SHARE
from vaecli.data.folder import MOST_FILES_NAMED, MOST_PIXELS
from vaecli.experiment import evaluate, journal, train
from vaecli.launch import pool, task
from vaecli.metrics.metric import METRICS
from vaecli.papers.schema import cells_of, source_names
from vaecli.registry import METHODS, RESIDUAL, VECTOR_QUANTIZER
from vaecli.reports import health
from vaecli.reports.comparison import panels

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXACT_FOR = {
    "constant": r"biased\b.*",
    "linear": "exact for linear losses",
    "quadratic": r"exact for quadratic losses( at \w+ \S+)?",
    "every": "exact",
    "bound": r"exact for the bound of S samples, which it trains",
}


def rows(header):
    """The cells of the first table that has this header."""
    _, _, after = README.partition(header)
    assert after, header
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


FIRST, OTHERS, QUANTIZERS = (
    rows("| `model.name` | what the decoder reads"),
    rows("| `model.name` | gradient to the encoder | in exp"),
    rows("| `model.name` | codes of a position"),
)


def test_every_method_stands_in_one_of_the_three_tables_once():
    assert sorted(row[0].strip("`") for row in FIRST + OTHERS + QUANTIZERS) == sorted(METHODS)


@pytest.mark.parametrize("row", OTHERS, ids=[row[0].strip("`") for row in OTHERS])
def test_a_promise_in_the_table_is_that_of_the_estimator(row):
    method = METHODS[row[0].strip("`")]
    promises = method.estimator.load().promises
    options = {name: option.default for name, option in described(method).items()}
    own = {name: options[name] for name in method.estimator.options}
    assert promises.reads in ("code", "set of codes", "weighted codes")
    assert re.fullmatch(EXACT_FOR["bound" if promises.of_bound else promises.exact_for], row[2])
    assert all(f"{name} {value:g}" in row[2] for name, value in promises.exact_at.items())
    assert int(row[3].split()[-1]) == promises.decodings(options["num_latents"], options["num_classes"], **own)


def test_every_metric_is_described_in_the_words_of_its_entry():
    expected = [
        [f"`{metric.key}`", metric.column or "", metric.unit]
        + [text.replace("|", "\\|") for text in (metric.exists_for, metric.meaning)]
        for metric in METRICS
    ]
    assert rows("| key in `summary.json` |") == expected


HEADINGS = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.M)
COMMANDS = re.findall(r"^vaecli (.*)", README, re.M)


def test_no_two_sections_have_one_name():
    assert len(set(HEADINGS)) == len(HEADINGS) > 10


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_these_arguments_and_options(line):
    words, command = shlex.split(line.partition("  #")[0].partition(";")[0], comments=True), get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    command.make_parser(Context(command)).parse_args(words)


def test_the_scripts_that_it_names_are_there():
    root = Path(__file__).parents[1]
    named = set(re.findall(r"python (tests/\S+\.py)", README))
    assert len(named) > 5
    assert {name for name in named if not (root / name).is_file()} == set()


def test_the_functions_are_those_that_it_names():
    sentence = README.partition("## From Python\n\n")[2].partition(" are functions too")[0]
    assert {*re.findall(r"`(\w+)`", sentence), "load_run", "VaecliError", "__version__"} == set(vaecli.__all__)


def test_the_exit_codes_are_those_of_the_errors():
    line = README.partition("\nExit codes: ")[2].partition(". Data")[0]
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.VaecliError)]
    codes = {cls.exit_code for cls in classes if hasattr(cls, "exit_code")} | {errors.SOME_FAILED}
    assert {int(code) for code in re.findall(r"\b\d+\b", line)} == {0, 143, 130} | codes


def test_all_is_every_estimator_but_those_that_it_names():
    without = README.partition("with `vae` and `vqvae`, but without ")[2].partition(".")[0]
    left_out = [name for name, method in METHODS.items() if method.estimator and not method.in_all]
    assert re.findall(r"`(\w+)`", without) == left_out


def test_the_keys_of_a_codebook_are_those_of_its_methods():
    keys = [re.match(r"`(\w+)", cells[0])[1] for cells in rows("| key of `model` |")]
    assert set(keys) <= set(VECTOR_QUANTIZER.options)
    assert {key for key in keys if key not in RESIDUAL.options} == {"distance"}


def test_published_figures_and_sources_are_counted():
    cells, sources = (f"{len(found):,}" for found in ([c for n in source_names() for c in cells_of(n)], source_names()))
    assert f"has\n{cells} of them, of {sources} sources" in README


WORDS = {2: "two", 3: "three", 6: "six", 20: "twenty", 100: "hundred"}
LIMITS = {
    "codes that are enumerated": f"at most {MOST_CODES:,} of them",
    "samples of a bound": f"as m ({evaluate.SAMPLES})",
    "images of a test set of one's own": f"one image in {WORDS[TEST_SHARE]} (at most {MOST_TEST:,})",
    "pixels of a picture": f"more than {MOST_PIXELS // 10**6} million pixels",
    "pictures that cannot be read": f"the first {WORDS[MOST_FILES_NAMED]}",
    "rows and groups of a figure": f"at most {panels.MOST_ROWS} rows and {panels.MOST_SCENES} groups",
    "settings of a worker": f"renewed after {WORDS[task.SETTINGS_PER_PROCESS]}",
    "patience with workers": f"no worker can be started for {WORDS[pool.PATIENCE]} seconds",
    "a young state": f"younger than {WORDS[train.YOUNG]} seconds",
    "few steps": f"at most {health.FEW_STEPS:,} steps, after which the loss still falls by {100 * health.STEEP:g} %",
    "nothing": f"a rate of at most {health.NOTHING} nats",
    "one code": f"a perplexity of at most {health.ONE_CODE} over",
    "divergence": f"by {100 * health.RISE:g} % in all, while the gradient grew by {100 * health.GROWTH - 100:.0f} %",
    "dead codes": f"{100 * health.UNUSED:g} % of the codes or more are never used",
    "dying codes": f"{100 * health.DIED:g} % of a codebook's codes or more",
    "a relaxation gap": f"{100 * health.GAP:g} % or more above that on the relaxed",
    "overfit": f"is {100 * health.OVERFIT:g} % above its lowest",
    "the mean image": f"at least {100 * health.LIKE_THE_MEAN:g} % of the mean image's",
    "milestones": f"after epochs 0, {', '.join(map(str, sorted(journal.MILESTONES)[:6]))}, ...",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_that_of_the_code(limit):
    assert LIMITS[limit] in README.replace("\n", " ")


def expanded(name):
    """The names that a pattern such as {test,validation}_rate stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return {"".join(words) for words in itertools.product(*parts)}


def test_the_columns_of_metrics_csv_are_those_that_it_names(once):
    names = [name for cells in rows("\n| column | unit |") for name in re.findall(r"`([\w{},]+)`", cells[0])]
    described = set().union(*map(expanded, names))
    schedule = "{schedule: linear, start: 1.0, end: 0.5}"
    config = small_config(
        f"{{name: gumbel, temperature: {schedule}}}",
        epochs=1,
        extra="objective: {beta: {schedule: linear, start: 0.0, end: 1.0}}",
        extra_training=f", evaluate_at: [3], learning_rate: {schedule}",
    )
    config = config.model_copy(update={"data": config.data.model_copy(update={"validation": 100})})
    assert set(once(config).metrics[0]) - {"epoch"} == described
