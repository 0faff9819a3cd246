"""What README and the pages in .github/docs say of methods, commands, metrics, keys and limits is what the code has."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command

import reference
import vaecli
from helpers import small_config
from vaecli import errors
from vaecli.cli.app import app
from vaecli.config.latent import MOST_CODES
from vaecli.config.options import Schedule, described
from vaecli.config.read import preset_folders
from vaecli.config.schema import VARIANTS
from vaecli.data.dataset import MOST_TEST, TEST_SHARE
from vaecli.data.folder import MOST_FILES_NAMED, MOST_PIXELS
from vaecli.experiment import evaluate, journal, train
from vaecli.launch import pool, task
from vaecli.metrics.metric import METRICS
from vaecli.papers.schema import cells_of, source_names
from vaecli.registry import DATASETS, METHODS, RESIDUAL, VECTOR_QUANTIZER
from vaecli.reports import health
from vaecli.reports.comparison import panels

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md"
PAGES = sorted(reference.DOCS.glob("*.md"))
TEXT = {path: path.read_text(encoding="utf-8") for path in (README, *PAGES, CONTRIBUTING)}
MOST_BYTES = 6_656  # of the README: it is read whole
MOST_PICTURE_BYTES = 200_000


def page(name):
    """The text of a page."""
    return TEXT[reference.DOCS / name]


def flat(text):
    """The text on one line."""
    return " ".join(text.split())


DOCUMENTATION = "\n".join(TEXT[path] for path in (README, *PAGES))
EXACT_FOR = {
    "constant": r"biased\b.*",
    "linear": "exact for linear losses",
    "quadratic": r"exact for quadratic losses( at \w+ \S+)?",
    "every": "exact",
    "bound": r"exact for the bound of S samples, which it trains",
}


def rows(header):
    """The cells of the first table that has this header."""
    _, _, after = DOCUMENTATION.partition(header)
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


def without_code(text):
    """The text without its blocks of code, in which # is no heading and [1](2) no link."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path):
    return re.findall(r"^#+ (.*)", without_code(TEXT[path]), re.M)


def test_the_readme_is_short_and_begins_with_the_two_commands():
    assert len(TEXT[README].encode()) <= MOST_BYTES
    assert re.findall(r"^```sh\n(python3 .*)\n```$", TEXT[README], re.M) == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/vaecli train --config gumbel.yaml",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
    ]


def test_the_pictures_are_small_and_fetch_nothing():
    pictures = [ROOT / name for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT[README])]
    assert len(pictures) == 3
    assert {path.name for path in pictures if path.stat().st_size > MOST_PICTURE_BYTES} == set()
    assert [path.name for path in pictures if b"url(http" in path.read_bytes()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_whom_it_is_for_and_the_readme_leads_to_it(path):
    assert re.match(r"# \S.*\n\nFor (those|everybody|newcomers|researchers) ", TEXT[path])
    assert f"](.github/docs/{path.name})" in TEXT[README]


def test_no_two_sections_have_one_name():
    found = [heading for path in (README, *PAGES) for heading in headings(path)]
    assert len(set(found)) == len(found) > 50


@pytest.mark.parametrize("path", TEXT, ids=lambda path: path.stem)
def test_every_link_leads_to_a_file_or_a_section(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(TEXT[path])):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.is_file(), target
        assert file.is_relative_to(ROOT), target
        anchors = (
            {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(file)} if anchor else ""
        )
        assert anchor in anchors, target


MEASURED = re.compile(r"\d[\d.]* ± \d[\d.]*|\d[\d.,]* (?:h|min|minutes|s|ms|µs|GB|MB)\b")


def test_no_measured_figure_stands_on_two_pages():
    found = {path: set(MEASURED.findall(flat(without_code(TEXT[path])))) for path in (README, *PAGES)}
    assert sum(map(len, found.values())) > 100
    pairs = itertools.combinations(found, 2)
    assert {(one.name, other.name): both for one, other in pairs if (both := found[one] & found[other])} == {}


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_list_is_that_of_the_code(name):
    """In the words of each Typer: its releases differ in the order of what stands in brackets."""

    def words(lines):
        return [
            (re.findall(r"^\| `?[^|]*?(--?[\w-]+|[\w.]+)", line), sorted(re.split(r"[\[\];|] *", line)[2:]))
            for line in lines
        ]

    assert words(reference.parts(name)[1].splitlines()) == words(reference.PAGES[name]())


BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", DOCUMENTATION, re.DOTALL | re.MULTILINE)
TYPED = [
    line.partition("  #")[0].partition(";")[0] for block in BLOCKS for line in re.findall(r"^vaecli (.*)", block, re.M)
]
NAMED = [flat(words) for words in re.findall(r"`vaecli ([^`]+)`", without_code(DOCUMENTATION))]


def called(line):
    """The command that a line calls with its name, and the words that it receives."""
    words, command, name = shlex.split(line, comments=True), get_command(app), "vaecli"
    while hasattr(command, "commands") and words and words[0] in command.commands:
        name += f" {words[0]}"
        command = command.commands[words.pop(0)]
    return name, command, words


@pytest.mark.parametrize("line", sorted({*TYPED, *NAMED}))
def test_a_command_has_these_arguments_and_options(line):
    name, command, words = called(line)
    assert name != "vaecli" or words[0].startswith("-")
    command.make_parser(Context(command)).parse_args(words)


def test_every_command_is_typed_somewhere():
    known = {name for name, _ in reference.every(get_command(app), "vaecli")}
    assert known - {called(line)[0] for line in {*TYPED, *NAMED}} == set()


def test_every_shipped_config_is_named():
    shipped = {file.stem for folder in preset_folders() for file in folder.rglob("*.yaml")}
    assert {name for name in shipped if f"`{name}`" not in DOCUMENTATION} == set()


def test_the_words_of_a_config_are_those_of_the_code():
    sentences = {
        "`data.name` is ": list(DATASETS),
        "`training.optimizer`: ": list(VARIANTS["training"][1]),
        "`objective.likelihood` is ": list(VARIANTS["objective"][1]),
    }
    for begin, names in sentences.items():
        sentence = flat(DOCUMENTATION).partition(begin)[2].partition(". ")[0]
        assert set(re.findall(r"`(\w+)`", sentence)) >= set(names), begin


def test_every_key_of_a_schedule_is_explained():
    section = page("config.md").partition("\n## Schedules\n")[2].partition("\n## ")[0]
    assert {key for key in Schedule.model_fields if f"`{key}`" not in section} == set()


def test_the_scripts_that_it_names_are_there():
    named = set(re.findall(r"python (tests/\S+?\.py)", flat("\n".join(TEXT.values()))))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_the_functions_are_those_that_it_names():
    sentence = page("python.md").partition("## The functions\n\n")[2].partition(" are functions too")[0]
    assert {*re.findall(r"`(\w+)`", sentence), "load_run", "VaecliError", "__version__"} == set(vaecli.__all__)


def test_the_exit_codes_are_those_of_the_errors():
    line = flat(page("run-folder.md")).partition(" Exit codes: ")[2].partition(". Data")[0]
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.VaecliError)]
    codes = {cls.exit_code for cls in classes if hasattr(cls, "exit_code")} | {errors.SOME_FAILED}
    assert {int(code) for code in re.findall(r"\b\d+\b", line)} == {0, 143, 130} | codes


def test_all_is_every_estimator_but_those_that_it_names():
    without = flat(page("compare.md")).partition("with `vae` and `vqvae`, but without ")[2].partition(".")[0]
    left_out = [name for name, method in METHODS.items() if method.estimator and not method.in_all]
    assert re.findall(r"`(\w+)`", without) == left_out


def test_the_keys_of_a_codebook_are_those_of_its_methods():
    keys = [re.match(r"`(\w+)", cells[0])[1] for cells in rows("| key of `model` |")]
    assert set(keys) <= set(VECTOR_QUANTIZER.options)
    assert {key for key in keys if key not in RESIDUAL.options} == {"distance"}


def test_published_figures_and_sources_are_counted():
    cells, sources = (f"{len(found):,}" for found in ([c for n in source_names() for c in cells_of(n)], source_names()))
    assert f"has {cells} of them, of {sources} sources" in flat(page("reproduce.md"))


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
    assert LIMITS[limit] in flat(DOCUMENTATION)


def expanded(name):
    """The names that a pattern such as {test,validation}_rate stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return {"".join(words) for words in itertools.product(*parts)}


def test_the_columns_of_metrics_csv_are_those_that_it_names(once):
    names = [name for cells in rows("| column of `metrics.csv` |") for name in re.findall(r"`([\w{},]+)`", cells[0])]
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
