"""Where mixed_bfloat16 is refused, on machines that are made up."""

import pytest

from vaecli.config import config_from_text, config_of_run, machine
from vaecli.config.resolve import resolved
from vaecli.data.digits import digits
from vaecli.errors import ConfigError
from vaecli.reports.comparison.groups import protocol_of
from vaecli.runs import run_name
from vaecli.runs.provenance import facts

CONV, WIDE = "kind: conv", "hidden: [2048, 64]"


def text(network, more="", precision="mixed_bfloat16"):
    return f"model: gumbel\nnetwork: {{{network}}}\ntraining: {{precision: {precision}{more}}}"


@pytest.fixture(autouse=True)
def flags(tmp_path, monkeypatch):
    """Writes the flags of the processor; there is no GPU."""
    monkeypatch.setattr(machine, "PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    write = (tmp_path / "cpuinfo").write_text
    write("flags\t\t: fpu avx512_bf16\n")
    return write


@pytest.mark.parametrize(
    ("network", "more"), [(CONV, ""), (WIDE, ", batch_size: 512"), ("", ", force_precision: true")]
)
def test_where_it_is_faster_or_forced_it_runs_as_a_graph(network, more):
    assert resolved(config_from_text(text(network, more))).training.compile == "graph"


def test_amx_gains_with_fewer_units(flags):
    network = "hidden: [512, 64]"
    with pytest.raises(ConfigError, match="here from 2,048 units and batches of 512 on"):
        config_from_text(text(network, ", batch_size: 512"))
    flags("flags\t\t: fpu avx512_bf16 amx_bf16\n")
    assert resolved(config_from_text(text(network, ", batch_size: 512"))).training.compile == "graph"
    for network, batch in (("hidden: [511, 64]", 512), ("hidden: [512, 64]", 511)):
        with pytest.raises(ConfigError, match="here from 512 units and batches of 512 on"):
            config_from_text(text(network, f", batch_size: {batch}"))


@pytest.mark.parametrize(
    ("network", "more", "reason"),
    [
        (CONV, ", compile: xla", "XLA computes it slower"),
        ("", ", batch_size: 512", "dense layers gain by it"),
        (WIDE, ", batch_size: 128", "dense layers gain by it"),
    ],
)
def test_where_it_is_slower_it_is_refused_with_its_place(network, more, reason):
    with pytest.raises(ConfigError, match=f"^config:3:12: training.precision: mixed_bfloat16 .*{reason}"):
        config_from_text(text(network, more))


def test_a_processor_without_its_instructions_refuses_and_still_reads_a_run(flags, tmp_path):
    config = config_from_text(text(CONV))
    flags("flags\t\t: fpu avx2\n")
    with pytest.raises(ConfigError, match="neither AMX nor AVX512_BF16"):
        config_from_text(text(CONV))
    assert config_of_run(config.to_dict(), "run.json") == config
    (tmp_path / "nvidia0").touch()
    assert config_from_text(text("")) != config


def test_force_without_it_has_no_effect():
    with pytest.raises(ConfigError, match="force_precision: has no effect with precision: float32"):
        config_from_text(text(CONV, ", force_precision: true", "float32"))


def test_name_and_protocol_know_the_precision_and_not_that_it_was_forced():
    data = digits()
    single, mixed, forced = (
        config_from_text(one) for one in (text(CONV, "", "float32"), text(CONV), text(CONV, ", force_precision: true"))
    )
    assert run_name(single, data) == run_name(config_from_text("model: gumbel\nnetwork: {kind: conv}"), data)
    assert run_name(single, data) != run_name(mixed, data) == run_name(forced, data)
    protocols = [protocol_of(config, facts(data))["precision"] for config in (single, mixed)]
    assert protocols == [None, "mixed_bfloat16"]
