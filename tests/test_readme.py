"""What README says of methods and metrics is what the registry, the estimators and the table of metrics say."""

import re
from pathlib import Path

import pytest

from vaecli.config.options import described
from vaecli.metrics.metric import METRICS
from vaecli.registry import METHODS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXACT_FOR = {
    "constant": r"biased\b.*",
    "linear": "exact for linear losses",
    "quadratic": r"exact for quadratic losses( at \w+ \S+)?",
    "every": "exact",
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
    assert promises.reads in ("code", "set of codes")
    assert re.fullmatch(EXACT_FOR[promises.exact_for], row[2])
    assert all(f"{name} {value:g}" in row[2] for name, value in promises.exact_at.items())
    assert int(row[3].split()[-1]) == promises.decodings(options["num_latents"], options["num_classes"], **own)


def test_every_metric_is_described_in_the_words_of_its_entry():
    expected = [
        [f"`{metric.key}`", metric.column or "", metric.unit]
        + [text.replace("|", "\\|") for text in (metric.exists_for, metric.meaning)]
        for metric in METRICS
    ]
    assert rows("| key in `summary.json` |") == expected
