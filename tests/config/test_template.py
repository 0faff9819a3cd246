"""`vaecli init` and the shipped configs: the same text, and the article's protocol."""

import re

import pytest

from helpers import METHOD_NAMES
from vaecli.config import config_from_text, preset_folders, read_config, template
from vaecli.config.template import preset
from vaecli.errors import ConfigError

FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(preset_folders()[0].glob("*.yaml"))}
PRESETS = {name: preset(name) for name in METHOD_NAMES}

# Everything that the article holds equal between its models, and the size of each latent
PROTOCOL = {
    "network": {
        "kind": "mlp",
        "hidden": [128],
        "activation": "relu",
        "negative_slope": None,
        "head_activation": "none",
    },
    "data": {
        "name": "mnist",
        "fallback": "digits",
        "validation": 0,
        "validation_from": "random",
        "train_on": "train",
        "binarization": "none",
        "threshold": None,
        "binarized_path": None,
        "scaling": "unit",
    },
    "objective": {"likelihood": "mse", "beta": 0.0, "prior": "uniform"},
    "evaluation": {"codes": "sample"},
    "training": {
        "epochs": 10,
        "steps": None,
        "evaluate_at": [],
        "batch_size": 64,
        "last_batch": "drop",
        "shuffle": True,
        "optimizer": "adam",
        "learning_rate": "auto",
        "initial_weights": "glorot",
        "output_bias": "auto",
        "compile": "auto",
        "precision": "float32",
        "force_precision": False,
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
    "scale_head": "log_std",
    "num_latents": 1,
    "num_classes": 10,
    "num_codes": 10,
    "code_dim": 10,
    "commitment": 1.0,
    "codebook": "gradient",
    "decay": 0.99,
    "init": "normal",
    "restart": 0.0,
    "gradient": "straight_through",
    "distance": "euclidean",
    "unquantized_steps": 0,
    "noise_variance": 1e-3,
    "stages": 2,
    "of": "vqvae",
    "levels": [5, 2],
    "bits": 3,
    "entropy_weight": 0.1,
    "unimix": 0.0,
    "embedding": "one_hot",
    "parameterization": "softmax",
    "control_weight": 0.5,
    "denoising_steps": 2,
    "first_time": 0.5,
    "temperature": 1.0,
    "forward_temperature": 1.0,
    "backward_temperature": 0.5,
    "forward": "coupled",
    "num_samples": 10,
    "num_draws": 4,
    "perturbation": 1.0,
    "set_size": 4,
    "second_order": 1e6,
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


@pytest.mark.parametrize("text", [*map(template, METHOD_NAMES), *PRESETS.values(), *FILES.values()])
def test_every_key_of_the_schema_stands_once_with_its_comment(text):
    assert commented_keys(text) == keys(config_from_text(text))


def test_the_files_are_those_of_the_article_and_say_what_their_presets_say():
    assert set(FILES) == {"vae", "categorical", "gumbel", "straight_through", "vqvae"}
    for name, text in FILES.items():
        assert config_from_text(text) == config_from_text(PRESETS[name])


@pytest.mark.parametrize("name", ["rebar", "rebar.yaml", "configs/rebar.yaml", "gumbel", "configs/gumbel.yaml"])
def test_a_method_without_a_file_is_read_from_the_registry(name, tmp_path, monkeypatch):
    """Reads by name and by the path its file would have; a mistake is reported at the line of the preset."""
    monkeypatch.chdir(tmp_path)
    method = name.removeprefix("configs/").removesuffix(".yaml")
    assert read_config(name) == config_from_text(PRESETS[method])
    with pytest.raises(ConfigError, match=r"--set model\.num_classes=1: .*received 1"):
        read_config(name, ["model.num_classes=1"])


def test_a_file_goes_before_the_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebar.yaml").write_text("model: {name: rebar, temperature: 0.5}")
    assert read_config("rebar").model.temperature == 0.5


# As published, where it is another value than that of the other methods.
OWN = {
    "straight_through": {"backward_temperature": 1.0},
    "reinmax": {"temperature": 1.3},
    "reinmax_cv": {"temperature": 0.5},
    "redge_cov": {"denoising_steps": 4},
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_follows_the_protocol_of_the_article(name):
    config = config_from_text(PRESETS[name])
    settings = config.to_dict()
    own = OWN.get(name, {})
    assert settings.pop("model") == {"name": name, **{key: LATENT[key] for key in config.model.options()}, **own}
    assert settings == PROTOCOL
