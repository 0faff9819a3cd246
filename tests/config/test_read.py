import pytest
import yaml
from pydantic import ValidationError

from vaecli.config import Config, config_from_text, preset_folders, read_config, template
from vaecli.config.options import OPTIONS
from vaecli.errors import ConfigError
from vaecli.registry import METHODS

PRESETS = sorted(preset_folders()[0].glob("*.yaml"))


def mistakes(text, *overrides, tmp_path):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(str(tmp_path / "x.yaml"), overrides)
    return [line.removeprefix(f"{tmp_path}/") for line in error.value.lines]


def test_a_word_is_a_method_at_its_defaults():
    assert config_from_text("model: gumbel") == config_from_text("model: {name: gumbel}")


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError):
        config_from_text("model: vae").training.epochs = 3


@pytest.mark.parametrize("name", METHODS)
def test_a_config_comes_back_from_its_own_yaml(name):
    config = config_from_text(f"model: {name}\nnetwork: {{hidden: [3, 2]}}\ntraining: {{optimizer: sgd}}")
    assert config_from_text(yaml.safe_dump(config.to_dict())) == config


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "model: {name: gumbel, num_classes: 1}",
            "x.yaml:1:23: model.num_classes: should be greater than",
        ),
        ("model: {name: gumbel, temperature: 0}", "x.yaml:1:23: model.temperature: should be greater than 0"),
        ("model: {name: gumbel, temperature: .inf}", "x.yaml:1:23: model.temperature: should be a finite number"),
        ("model: vae\ntraining: {epochs: 1.5}", "x.yaml:2:12: training.epochs: should be a valid integer"),
        ("model: vae\ntraining: {epochs: true}", "x.yaml:2:12: training.epochs: should be a valid integer"),
        (
            "model: vae\ntraining: {momentum: 0.9}",
            "x.yaml:2:12: training.momentum: `momentum` has no effect",
        ),
        ("model: vae\ntraining: {optimizer: adamw}", "x.yaml:2:12: unknown optimizer 'adamw', did you mean 'adam'?"),
        ("model: vae\ndata: {name: digits, path: x}", "x.yaml:2:22: data.path: `path` has no effect with data: digits"),
        ("model: vae\ndata: npz", "x.yaml:2:1: data.path: missing"),
        (
            "model: vae\nnetwork: {hidden: [128, 0]}",
            "x.yaml:2:25: network.hidden.1: should be greater than",
        ),
        ("model: vae\nnetwork: 128", "x.yaml:2:1: network: a block of keys is needed, received 128"),
        ("model: {temperature: 1}", "x.yaml:1:1: model.name: missing (known: "),
        ("model: [gumbel]", "x.yaml:1:1: model: a block of keys is needed, received ['gumbel']"),
        ("training: {}", "x.yaml: model: missing, e.g. `model: gumbel`"),
        ("model: vqvae\nobjective: {beta: 1.0}", "x.yaml:2:13: objective.beta: `beta` has no effect with model: vqvae"),
        ("1: 2\nmodel: vae", "x.yaml:1:1: 1: unknown key"),
    ],
)
def test_a_mistake_has_its_place_and_value(text, line, tmp_path):
    (found,) = mistakes(text, tmp_path=tmp_path)
    assert found.startswith(line)


def test_all_mistakes_come_in_the_order_of_the_file(tmp_path):
    text = "training: {epochs: 0, seed: -1}\nobjective: {likelyhood: mse}\nmodel: {name: vae, latent_dim: 0}\nx: 1\n"
    found = mistakes(text, "training.batch_size=0", tmp_path=tmp_path)
    assert [line.split(": ")[0] for line in found] == [
        "x.yaml:1:12",
        "x.yaml:1:23",
        "x.yaml:2:13",
        "x.yaml:3:20",
        "x.yaml:4:1",
        "--set training.batch_size=0",
    ]


def test_overrides_reach_every_depth_and_the_last_one_wins():
    config = read_config(
        "vae", ["model=gumbel", "model.temperature=0.5", "network.hidden=[3, 2]", "training.seed=1", "training.seed=2"]
    )
    assert (config.model.name, config.model.temperature) == ("gumbel", 0.5)
    assert config.network.hidden == (3, 2)
    assert config.training.seed == 2


def test_configs_are_found_by_path_then_in_configs_then_among_the_presets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("vae", "vae.yaml"):
        assert read_config(name).training.seed == 0
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "vae.yaml").write_text("model: vae\ntraining: {seed: 1}")
    for name in ("vae", "vae.yaml"):
        assert read_config(name).training.seed == 1
    (tmp_path / "vae.yaml").write_text("model: vae\ntraining: {seed: 2}")
    for name in ("vae", "vae.yaml", str(tmp_path / "vae")):
        assert read_config(name).training.seed == 2


@pytest.mark.parametrize("name", METHODS)
def test_a_template_has_every_key_with_its_meaning_and_reads_back(name):
    text = template(name)
    assert config_from_text(text) == config_from_text(f"model: {name}")
    keys = [line for line in text.splitlines() if line.startswith("  ")]
    complete = config_from_text(text).to_dict()
    assert [line.split(":")[0].strip() for line in keys] == [key for block in complete.values() for key in block]
    assert all("  # " in line for line in keys)


def test_there_is_a_preset_for_every_method():
    assert {path.stem for path in PRESETS} == set(METHODS)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_follow_the_protocol_of_the_article(path):
    config = read_config(str(path))
    size = {"vae": {"latent_dim": 10}, "vqvae": {"num_latents": 1, "num_codes": 10, "code_dim": 10, "commitment": 1.0}}
    options = size.get(path.stem, {"num_latents": 1, "num_classes": 10}) | (
        {"temperature": 1.0} if path.stem == "gumbel" else {}
    )
    assert config.to_dict() == {
        "model": {"name": path.stem, **options},
        "network": {"hidden": [128]},
        "data": {"name": "mnist", "fallback": "digits", "validation": 0},
        "objective": {"likelihood": "mse", "beta": 0.0},
        "training": {"epochs": 10, "batch_size": 64, "optimizer": "adam", "learning_rate": 1e-3, "seed": 0},
    }


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_show_every_option_of_their_method(path):
    shown = yaml.safe_load(path.read_text())
    assert list(shown["model"]) == ["name", *METHODS[path.stem].options]
    assert list(shown) == list(Config.model_fields)
    assert set(METHODS[path.stem].options) <= set(OPTIONS)
