"""Every column that any table can show is explained."""

import pytest

from helpers import audit_row, made_up, small_config
from vaecli.metrics.metric import COLUMNS as METRICS
from vaecli.reports import explanation
from vaecli.reports.audit.table import PARTS
from vaecli.reports.audit.table import columns as audit_columns
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.table import columns as comparison_columns
from vaecli.reports.glossary import GLOSSARY
from vaecli.reports.kept import kept_table
from vaecli.reports.reproduction.table import COLUMNS as REPRODUCED
from vaecli.reports.run import epochs, listing, summary


def of_audits(finished, tmp_path):
    rows = [audit_row("gumbel_st", 0.4, 0.9, temperature=0.5), audit_row("relax", 0.1, 0.9)._replace(warm_up=9)]
    return [header for part in PARTS for header, *_ in audit_columns(rows, part)]


def of_comparisons(finished, tmp_path):
    runs = [made_up(tmp_path, name, seed, 0.05) for name in ("gumbel", "reinmax") for seed in (0, 1)]
    found = [header for header, *_ in comparison_columns(compared(runs, None, [], None)[0])]
    assert {"method", "seeds", "behind"} <= set(found)
    return [*found, *METRICS]


def of_metrics_csv(finished, tmp_path):
    row = finished("gumbel").metrics[0]
    config = small_config("gumbel", extra_training=", learning_rate: {schedule: linear, start: 1.0, end: 0.5}")
    return [*row, "step", *(key for _, key in config.schedules)]


def of_differences(finished, tmp_path):
    header = next(filter(None, listing.difference_lines({"figures": {"test.rate": [1.0, 2.0]}}, None)))
    found = [part.strip() for part in header.split("  ") if part.strip()]
    assert found[0] == "figures"
    return found[1:]


TABLES = {
    "list": lambda finished, tmp_path: listing.COLUMNS,
    "list, of comparisons": lambda finished, tmp_path: next(kept_table([], None)).split(),
    "train": lambda finished, tmp_path: ["epoch", "step", "run", *(column.header for column in epochs.COLUMNS)],
    "metrics.csv": of_metrics_csv,
    "compare": of_comparisons,
    "audit": of_audits,
    "reproduce": lambda finished, tmp_path: [*REPRODUCED, "minutes"],
    "quality": lambda finished, tmp_path: summary.OF_SAMPLES,
    "diff": of_differences,
    "methods": lambda finished, tmp_path: explanation.HEADER,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_every_table_is_explained(table, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(explanation, "_loaded", lambda component: pytest.fail("TensorFlow is imported"))
    headers = TABLES[table](finished, tmp_path)
    assert len(headers) > 2
    for header in headers:
        found = list(explanation.explanation(header, 60))
        assert found[0].endswith((": a column", ": a metric", ": a key of a config")), header
        assert len(found) > 2


def test_a_term_stands_once_for_each_table_and_is_a_sentence():
    assert len({(term.name, term.where) for term in GLOSSARY}) == len(GLOSSARY)
    assert [term.name for term in GLOSSARY if not term.meaning.endswith(".")] == []


def test_a_column_of_two_tables_has_both_meanings():
    found = "\n".join(explanation.explanation("decodings", 80))
    assert all(table in found for table in ("vaecli audit", "vaecli methods"))
