"""`vaecli compare --family`: quantisers of as many bits, or every gradient estimator."""

import pytest

from vaecli.config import family_configs, read_config
from vaecli.config.shapes import latent_of
from vaecli.registry import METHODS

DIGITS = ["--set", "data=digits", "--epochs", "20"]  # 220 steps, of which 200 may be without quantisation


@pytest.mark.parametrize("name", family_configs("quantizers"))
def test_all_quantizers_have_as_many_bits_and_one_protocol(name):
    config, plain = read_config(name), read_config("quantizers/plain")
    assert latent_of(config, (28, 28)).capacity_bits == 7 * 7 * 8
    assert config.model_copy(update={"model": None}) == plain.model_copy(update={"model": None})


def test_every_quantizer_of_a_grid_is_in_the_family():
    """One that decodes every code of an image has no grid."""
    found = {read_config(name).model.name for name in family_configs("quantizers")}
    assert found == {name for name, method in METHODS.items() if method.constant_rate and not method.enumerates}


def planned(result):
    return [line.split()[1] for line in result.stderr.splitlines() if line.startswith("missing ")]


def test_a_family_is_planned_and_nothing_is_written(vaecli, tmp_path):
    quantizers = planned(vaecli("compare", "--family", "quantizers", "--dry-run", *DIGITS))
    assert len(quantizers) == len(family_configs("quantizers")) == 9
    estimators = planned(vaecli("compare", "--family", "estimators", "--dry-run", *DIGITS))
    assert {name.split("-")[0] for name in estimators} == {name for name, method in METHODS.items() if method.estimator}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["gumbel", "--family", "quantizers"], "names, --all and --family exclude each other\n"),
        (["--all", "--family", "quantizers"], "names, --all and --family exclude each other\n"),
        (
            ["quantizers/kmeans", "--set", "data=digits"],
            "model.unquantized_steps: 200 are not over when the run ends after 110 steps, so that nothing would be "
            "quantised\n",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(vaecli, arguments, line):
    result = vaecli("compare", *arguments, "--dry-run")
    assert (result.exit_code, result.stderr) == (2, line)
