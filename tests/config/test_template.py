"""`vaecli init` and the shipped configs: the same text, and the article's protocol."""

import re

import pytest

from helpers import METHOD_NAMES
from vaecli.config import config_from_text, preset_folders, template

PRESETS = {file.stem: file.read_text(encoding="utf-8") for file in sorted(preset_folders()[0].glob("*.yaml"))}

# Everything that the article holds equal between its models, and the size of each latent
PROTOCOL = {
    "network": {"hidden": [128]},
    "data": {"name": "mnist", "fallback": "digits", "validation": 0},
    "objective": {"likelihood": "mse", "beta": 0.0},
    "training": {
        "epochs": 10,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "clip_norm": None,
        "seed": 0,
        "checkpoint_seconds": 60.0,
        "epsilon": 1e-7,
        "beta_1": 0.9,
        "beta_2": 0.999,
    },
}
LATENT = {
    "latent_dim": 10,
    "num_latents": 1,
    "num_classes": 10,
    "num_codes": 10,
    "code_dim": 10,
    "commitment": 1.0,
    "unimix": 0.0,
    "temperature": 1.0,
    "forward_temperature": 1.0,
    "backward_temperature": 0.5,
    "num_samples": 10,
    "num_draws": 4,
    "gap": 1.0,
}


def commented_keys(text):
    """The keys that stand on a line of their own with a comment, as (block, key); every other line is a heading."""
    keys, block = [], None
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        if heading := re.fullmatch(r"(\w+):", line):
            block = heading[1]
        else:
            keys.append((block, re.fullmatch(r"  (\w+): [^#]+ # \S.+", line)[1]))
    return keys


def keys(config):
    return [(block, key) for block, values in config.to_dict().items() for key in values]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_template_read_back_is_the_method_at_its_defaults(method):
    assert config_from_text(template(method)) == config_from_text(f"model: {method}")


@pytest.mark.parametrize("text", [*map(template, METHOD_NAMES), *PRESETS.values()])
def test_every_key_of_the_schema_stands_once_with_its_comment(text):
    assert commented_keys(text) == keys(config_from_text(text))


def test_every_method_has_a_preset():
    assert set(PRESETS) == set(METHOD_NAMES)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_follows_the_protocol_of_the_article(name):
    config = config_from_text(PRESETS[name])
    settings = config.to_dict()
    assert settings.pop("model") == {"name": name, **{key: LATENT[key] for key in config.model.options()}}
    assert settings == PROTOCOL
