import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaecli.config import config_from_text, dump, find_config, preset_folders, read_config
from vaecli.config.options import Schedule
from vaecli.errors import ConfigError
from vaecli.registry import METHODS, suggest


def mistakes(text, *overrides):
    """The lines with which f.yaml in the current folder is refused."""
    Path("f.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config("f.yaml", overrides)
    return list(error.value.lines)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


KNOWN_MODELS = f"(known: {', '.join(METHODS)})"
KNOWN_BLOCKS = "(known: model, network, data, objective, training, evaluation)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model: gumble", "f.yaml:1:1: unknown model 'gumble', did you mean 'gumbel'?"),
        ("model: {name: qqq}", f"f.yaml:1:9: unknown model 'qqq'{suggest('qqq', METHODS)}"),
        ("model: {name: true}", f"f.yaml:1:9: model.name: a name is needed, received True {KNOWN_MODELS}"),
        ("model: {temperature: 1}", f"f.yaml:1:1: model.name: missing {KNOWN_MODELS}"),
        ("model: [gumbel]", "f.yaml:1:1: model: a block of keys is needed, received ['gumbel']"),
        ("model:", "f.yaml:1:1: model: a block of keys is needed, received None"),
        ("data: digits", "f.yaml:1:1: model: missing, e.g. `model: gumbel`"),
        ("model: vae\ntraning: {}", "f.yaml:2:1: traning: unknown key, did you mean 'training'?"),
        ("model: vae\n1: 2", f"f.yaml:2:1: 1: unknown key {KNOWN_BLOCKS}"),
        ("model: vae\ndata: mnits", "f.yaml:2:1: unknown data 'mnits', did you mean 'mnist'?"),
        ("model: vae\ndata: npz", "f.yaml:2:1: data.path: missing"),
        (
            "model: vae\ndata: {name: npz, path: ''}",
            "f.yaml:2:19: data.path: should be the path of a file or a folder, received ''",
        ),
        (
            'model: vae\ndata: {name: folder, path: "a\\0b"}',
            "f.yaml:2:22: data.path: should be the path of a file or a folder, received 'a\\x00b'",
        ),
        (
            "model: vae\ndata: {name: digits, path: x}",
            "f.yaml:2:22: data.path: `path` has no effect with data: digits",
        ),
        (
            'model: vae\ndata: {name: npz, path: x, title: "\\e[31m"}',
            "f.yaml:2:28: data.title: should be 1 to 60 printable characters, received '\\x1b[31m'",
        ),
        (
            "model: vae\ndata: {name: npz, path: x, title: ' '}",
            "f.yaml:2:28: data.title: should be 1 to 60 printable characters, received ' '",
        ),
        (
            f"model: vae\ndata: {{name: npz, path: x, title: {'a' * 61}}}",
            f"f.yaml:2:28: data.title: should be 1 to 60 printable characters, received '{'a' * 61}'",
        ),
        (
            "model: vae\ndata: {name: npz, path: x, title: 1990}",
            "f.yaml:2:28: data.title: should be a text, received 1990",
        ),
        (
            "model: vae\ndata: {name: mnist, title: x}",
            "f.yaml:2:21: data.title: `title` has no effect with data: mnist",
        ),
        (
            "model:\n  name: gumbel\n  temprature: 1",
            "f.yaml:3:3: model.temprature: unknown key, did you mean 'temperature'?",
        ),
        (
            "model: {name: vae, temperature: 1}",
            "f.yaml:1:20: model.temperature: `temperature` has no effect with model: vae",
        ),
        (
            "model: vae\ntraining: {momentum: 0.9}",
            "f.yaml:2:12: training.momentum: `momentum` has no effect with optimizer: adam",
        ),
        (
            "model: vae\ntraining: {optimizer: sgd, epsilon: 1.0e-8}",
            "f.yaml:2:28: training.epsilon: `epsilon` has no effect with optimizer: sgd",
        ),
        (
            "model: vae\ntraining: {optimizer: radam, weight_decay: 0.1}",
            "f.yaml:2:30: training.weight_decay: `weight_decay` has no effect with optimizer: radam",
        ),
        (
            "model: vae\ntraining: {optimizer: adamw, beta_2: 1.0}",
            "f.yaml:2:30: training.beta_2: should be less than 1, received 1.0",
        ),
        (
            "model: vae\ntraining: {clip_norm: 0}",
            "f.yaml:2:12: training.clip_norm: should be greater than 0, received 0",
        ),
        (
            "model: vae\ntraining: {optimizer: adamx}",
            "f.yaml:2:12: unknown optimizer 'adamx', did you mean 'adam'?",
        ),
        (
            "model: vae\ntraining: {epochs: '10'}",
            "f.yaml:2:12: training.epochs: should be a whole number, received '10'",
        ),
        (
            "model: vae\ntraining: {epochs: 1.5}",
            "f.yaml:2:12: training.epochs: should be a whole number, received 1.5",
        ),
        (
            "model: vae\ntraining: {epochs: 2.0}",
            "f.yaml:2:12: training.epochs: should be a whole number, received 2.0",
        ),
        (
            "model: vae\ntraining: {epochs: true}",
            "f.yaml:2:12: training.epochs: should be a whole number, received True",
        ),
        (
            "model: vae\ntraining: {epochs: -3}",
            "f.yaml:2:12: training.epochs: should be greater than or equal to 1, received -3",
        ),
        (
            "model: vae\ntraining: {seed: 2147483648}",
            "f.yaml:2:12: training.seed: should be less than 2147483648, received 2147483648",
        ),
        (
            "model: vae\ntraining: {learning_rate: 0}",
            "f.yaml:2:12: training.learning_rate: should be greater than 0, received 0",
        ),
        (
            "model: {name: gumbel, temperature: .inf}",
            "f.yaml:1:23: model.temperature: should be a finite number, received inf",
        ),
        (
            "model: {name: gumbel, temperature: 1e999}",
            "f.yaml:1:23: model.temperature: should be a finite number, received inf",
        ),
        (
            "model: vae\nobjective: {beta: .nan}",
            "f.yaml:2:13: objective.beta: should be a finite number, received nan",
        ),
        (
            "model: vae\nobjective: {likelihood: bce}",
            "f.yaml:2:13: unknown likelihood 'bce' (known: mse, bernoulli, gaussian, l1)",
        ),
        (
            "model: vae\nnetwork: {hidden: [8, 0]}",
            "f.yaml:2:23: network.hidden.1: should be greater than or equal to 1, received 0",
        ),
        (
            "model: vqvae\nobjective: {beta: 0.1}",
            "f.yaml:2:13: objective.beta: `beta` has no effect with model: vqvae, whose rate is constant",
        ),
        (
            "model: straight_through\nevaluation: {codes: relaxed}",
            "f.yaml:2:14: evaluation.codes: model: straight_through is not trained on a relaxed sample, so it has none",
        ),
        (
            "model: vqvae\nevaluation: {codes: mode}",
            "f.yaml:2:14: evaluation.codes: `mode` has no effect with model: vqvae, whose codes are always the mode",
        ),
        (
            "model: {name: vqvae, decay: 0.8}",
            "f.yaml:1:22: model.decay: `decay` has no effect with codebook: gradient, received 0.8",
        ),
        (
            "model: {name: residual, of: diveq, restart: 1.0}",
            "f.yaml:1:36: model.restart: `restart` has no effect with of: diveq, received 1.0",
        ),
        (
            "model: {name: residual, noise_variance: 0.1}",
            "f.yaml:1:25: model.noise_variance: `noise_variance` has no effect with of: vqvae, received 0.1",
        ),
        (
            "model: {name: fsq, levels: [256, 256, 2]}",
            "f.yaml:1:20: model.levels: should be at most 65,536 codes together, received [256, 256, 2]",
        ),
        *(
            (
                f"model: {method}\nobjective: {{prior: learned}}",
                f"f.yaml:2:13: objective.prior: `learned` has no effect with model: {method}, which has no categorical "
                "posterior",
            )
            for method in ("vae", "vqvae")
        ),
        (
            "model: {name: exact, num_latents: 8, num_classes: 3}",
            "f.yaml:1:1: model: 'exact' decodes all codes of an image at each step, at most 256, received 3^8",
        ),
    ],
)
def test_a_mistake_names_its_place_the_value_and_the_way_out(text, line):
    assert mistakes(text) == [line]


@pytest.mark.parametrize("options", ["num_latents: 8, num_classes: 2", "num_classes: 256"])
def test_exact_may_decode_up_to_256_codes(options):
    assert config_from_text(f"model: {{name: exact, {options}}}").model.name == "exact"


def test_all_mistakes_are_reported_in_the_order_of_the_file():
    text = """\
training:
  seed: x
  epochs: 0
trainin: {}
model:
  name: gumbel
  temperature: 0
  num_clases: 3
network: {hidden: [a, 8, -1]}
data: mnits
"""
    lines = mistakes(text, "objective.beta=-1")
    assert [line.split(": ")[0] for line in lines] == [
        "f.yaml:2:3",
        "f.yaml:3:3",
        "f.yaml:4:1",
        "f.yaml:7:3",
        "f.yaml:8:3",
        "f.yaml:9:20",
        "f.yaml:9:26",
        "f.yaml:10:1",
        "--set objective.beta=-1",
    ]


def test_mistakes_of_combination_wait_for_mistakes_of_keys():
    assert len(mistakes("model: vqvae\nobjective: {beta: 0.1}\ntraining: {seed: x}")) == 1


SCHEDULE = "{schedule: cosine, start: 1.0, end: 0.5}"


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        ("{schedule: cosine, start: 1}", ["f.yaml:1:23: model.temperature.end: missing"]),
        (
            "{schedule: cosin, start: 0, end: 1, flor: 1}",
            [
                "f.yaml:1:37: model.temperature.schedule: should be 'constant', 'linear', 'cosine', 'exponential' or "
                "'steps', received 'cosin'",
                "f.yaml:1:54: model.temperature.start: should be greater than 0, received 0",
                "f.yaml:1:72: model.temperature.flor: unknown key, did you mean 'floor'?",
            ],
        ),
        ("[1]", ["f.yaml:1:23: model.temperature: should be a number, received [1]"]),
        ("cosine", ["f.yaml:1:23: model.temperature: should be a number, received 'cosine'"]),
    ],
)
def test_mistakes_in_a_schedule_have_their_place(temperature, expected):
    assert mistakes(f"model: {{name: gumbel, temperature: {temperature}}}") == expected


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        ("{schedule: linear, start: 0}", ["2:13: objective.beta.end: missing"]),
        ("{schedule: steps, start: 1}", ["2:13: objective.beta.factor: missing"]),
        (
            "{schedule: constant, start: 1, end: 2, horizon: 3, every: 4}",
            [
                "2:50: objective.beta.end: has no effect with schedule: constant, received 2",
                "2:58: objective.beta.horizon: has no effect with schedule: constant, received 3",
                "2:70: objective.beta.every: has no effect without a warm_up, received 4",
            ],
        ),
        (
            "{schedule: steps, start: 1, end: 2, factor: 0}",
            [
                "2:47: objective.beta.end: has no effect with schedule: steps, received 2",
                "2:55: objective.beta.factor: should be greater than 0, received 0",
            ],
        ),
        (
            "{schedule: linear, start: 1, end: -1, factor: 2, every: 1.5, warm_up: -1}",
            [
                "2:48: objective.beta.end: should be greater than or equal to 0, received -1",
                "2:57: objective.beta.factor: has no effect with schedule: linear, received 2",
                "2:68: objective.beta.every: should be step, epoch or a count of steps, received 1.5",
                "2:80: objective.beta.warm_up: should be greater than or equal to 0, received -1",
            ],
        ),
        (
            "{schedule: exponential, start: 0, end: 1}",
            ["2:43: objective.beta.start: should be greater than 0 with schedule: exponential, received 0"],
        ),
        (
            "{schedule: linear, start: 0, end: 1, warm_up: 3, horizon: 3}",
            ["2:68: objective.beta.horizon: should be greater than the warm_up that it includes, 3, received 3"],
        ),
        (
            "{schedule: linear, start: 0, end: 1, warm_up: 10}",
            [
                "2:56: objective.beta.warm_up: is not over when the run ends after 10 epochs, so its shape has no "
                "time; give a `horizon`, or more epochs, received 10"
            ],
        ),
        (
            "{schedule: cosine, start: 0, end: 1, horizon: 1, restart: epoch, warm_up_from: 1}",
            [
                "2:68: objective.beta.restart: an epoch cannot have a `horizon`: the shape takes all of it, "
                "received 'epoch'",
                "2:84: objective.beta.warm_up_from: has no effect without a warm_up, received 1",
            ],
        ),
    ],
)
def test_a_key_that_a_schedule_has_no_use_for_is_a_mistake(beta, expected):
    found = mistakes(f"model: gumbel\nobjective: {{beta: {beta}}}")
    assert found == [f"f.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("epochs: 3, steps: 4", "2:23: training.steps: a run has a length in `epochs` or in `steps`: give one of the "),
        ("epochs: null", "2:1: training.steps: a run has a length in `epochs` or in `steps`: give one of the two"),
        ("steps: 0", "2:12: training.steps: should be greater than or equal to 1, received 0"),
        ("steps: 9, evaluate_at: [3, 10]", "2:22: training.evaluate_at: should be at most `steps`, 9, received"),
        ("evaluate_at: [3, 3]", "2:12: training.evaluate_at: should be strictly increasing, received [3, 3]"),
        ("evaluate_at: [0]", "2:26: training.evaluate_at.0: should be greater than or equal to 1, received 0"),
        ("learning_rate: {schedule: linear, start: 0, end: 0}", "2:46: training.learning_rate.start: should be gr"),
    ],
)
def test_a_run_has_one_length_and_its_rows_are_within_it(keys, line):
    (found,) = mistakes(f"model: vae\ntraining: {{{keys}}}")
    assert found.startswith(f"f.yaml:{line}")


def test_a_length_in_steps_and_one_in_epochs_override_each_other():
    assert read_config("vae", ["training.steps=500"]).training.length == "500 steps"
    Path("f.yaml").write_text("model: vae\ntraining: {steps: 5}")
    assert read_config("f.yaml").training.epochs is None
    assert read_config("f.yaml", ["training.epochs=3"]) == config_from_text("model: vae\ntraining: {epochs: 3}")


SCHEDULES = {
    "model.temperature": "{schedule: steps, start: 1, factor: 0.97, every: 1000, floor: 0.5}",
    "objective.beta": "{schedule: linear, start: 0, end: 1, horizon: 5}",
    "training.learning_rate": "{schedule: cosine, start: 1e-3, end: 0, warm_up: 1, every: epoch}",
}


def test_a_schedule_may_stand_at_temperature_beta_and_learning_rate_and_is_written_short():
    config = read_config("gumbel", [f"{key}={value}" for key, value in SCHEDULES.items()])
    assert [".".join(key) for key in config.schedules] == list(SCHEDULES)
    assert config_from_text(dump(config.to_dict())) == config
    written = {"schedule": "cosine", "start": 0.001, "end": 0.0, "floor": 0.0, "warm_up": 1.0, "every": "epoch"}
    assert config.to_dict()["training"]["learning_rate"] == written
    Path("f.yaml").write_text(dump(config.to_dict()))
    assert read_config("f.yaml", ["training.learning_rate.start=0.5"]).training.learning_rate.start == 0.5


@pytest.mark.parametrize(
    ("key", "keys", "scheduled"),
    [
        *((key, "schedule: linear, start: 1, end: 0.5", True) for key in SCHEDULES),
        *((key, "schedule: linear, start: 1, end: 0.5, horizon: 20", False) for key in SCHEDULES),
        *((key, "schedule: cosine, start: 1, end: 0.5, restart: epoch", False) for key in SCHEDULES),
        *((key, "schedule: steps, start: 1, factor: 0.5", False) for key in SCHEDULES),
        *((key, "schedule: constant, start: 1, warm_up: 20", False) for key in SCHEDULES),
    ],
)
def test_a_step_depends_on_the_length_of_the_run_only_if_a_schedule_is_stretched_over_it(key, keys, scheduled):
    assert read_config("gumbel", [f"{key}={{{keys}}}"]).scheduled == scheduled


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"schedule": "linear", "end": 0.0, "horizon": 5.0}, "2→0, over 5 epochs"),
        ({"schedule": "cosine", "end": 0.0, "warm_up": 1.0, "every": "epoch"}, "0→2→0, warm-up 1 epoch, each epoch"),
        (
            {"schedule": "steps", "factor": 0.9, "every": 1000, "floor": 0.5},
            "2 times 0.9, at least 0.5, every 1,000 steps",
        ),
        ({"schedule": "exponential", "end": 1.0, "restart": "epoch"}, "2→1, again in each epoch"),
    ],
)
def test_a_schedule_says_what_it_does(keys, text):
    assert f"{Schedule(start=2.0, **keys):g}" == text


def test_a_schedule_and_a_number_override_each_other():
    Path("f.yaml").write_text(f"model: {{name: gumbel, temperature: {SCHEDULE}}}")
    scheduled = read_config("f.yaml")
    assert scheduled.scheduled
    assert read_config("f.yaml", ["model.temperature=0.5"]) == config_from_text(
        "model: {name: gumbel, temperature: 0.5}"
    )
    assert read_config("gumbel", [f"model.temperature={SCHEDULE}"]).model == scheduled.model
    assert read_config("f.yaml", ["model.temperature.end=0.1"]).model.options()["temperature"].end == 0.1
    assert hash(scheduled) == hash(read_config("f.yaml", ["model.temperature.floor=0"]))


@pytest.mark.parametrize(("floor", "text"), [(0.0, "1→0.5"), (0.5, "1→0.5"), (0.625, "1→0.5, at least 0.625")])
def test_a_schedule_is_shown_in_the_format_of_its_numbers(floor, text):
    assert f"{Schedule(schedule='linear', start=1.0, end=0.5, floor=floor):g}" == text


GUMBEL = "model: {name: gumbel, temperature: 2}\ntraining: {epochs: 3}"


@pytest.mark.parametrize(
    ("overrides", "equal"),
    [
        ([], GUMBEL),
        (["training.epochs=5"], "model: {name: gumbel, temperature: 2}\ntraining: {epochs: 5}"),
        (["training.epochs=6", "training.epochs=6"], "model: {name: gumbel, temperature: 2}\ntraining: {epochs: 6}"),
        (["training.learning_rate=1e-4"], GUMBEL.replace("epochs: 3", "epochs: 3, learning_rate: 0.0001")),
        (["model=vae"], "model: vae\ntraining: {epochs: 3}"),
        (["model=gumbel", "model.temperature=3"], "model: {name: gumbel, temperature: 3}\ntraining: {epochs: 3}"),
        (["model={name: vae, latent_dim: 3}"], "model: {name: vae, latent_dim: 3}\ntraining: {epochs: 3}"),
        (["network.hidden=[512, 256]"], f"{GUMBEL}\nnetwork: {{hidden: [512, 256]}}"),
        (["network.hidden=[]"], f"{GUMBEL}\nnetwork: {{hidden: []}}"),
        (["data=digits"], f"{GUMBEL}\ndata: digits"),
        (["data=digits", "data.validation=9"], f"{GUMBEL}\ndata: {{name: digits, validation: 9}}"),
        (["data.fallback=null"], GUMBEL),
        (["data.name=npz", "data.path=a=b.npz"], f"{GUMBEL}\ndata: {{name: npz, path: a=b.npz}}"),
        (["data.name=npz", "data.path=my #1.npz"], f"{GUMBEL}\ndata: {{name: npz, path: 'my #1.npz'}}"),
        (["data.name=npz", "data.path=1e3"], f"{GUMBEL}\ndata: {{name: npz, path: '1e3'}}"),
        (["data.name=npz", "data.path=a: b"], f"{GUMBEL}\ndata: {{name: npz, path: 'a: b'}}"),
        (["data.name=npz", "data.path='a b'"], f"{GUMBEL}\ndata: {{name: npz, path: a b}}"),
        (
            ["data.name=folder", "data.path=x", "data.title=2024"],
            f"{GUMBEL}\ndata: {{name: folder, path: x, title: '2024'}}",
        ),
        (
            ["data.name=folder", "data.path=x", "data.title=null"],
            f"{GUMBEL}\ndata: {{name: folder, path: x, title: null}}",
        ),
        ([" training.epochs = 5"], "model: {name: gumbel, temperature: 2}\ntraining: {epochs: 5}"),
    ],
)
def test_an_override_is_as_if_the_file_said_it(overrides, equal):
    Path("f.yaml").write_text(GUMBEL)
    assert read_config("f.yaml", overrides) == config_from_text(equal)


def test_a_shorthand_is_widened_by_an_override():
    Path("f.yaml").write_text("model: gumbel")
    assert read_config("f.yaml", ["model.temperature=3"]).model.options()["temperature"] == 3


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        *((text, "write it as key.path=value, e.g. training.epochs=3") for text in ("", "x", "=3", ".seed=1", "a.=1")),
        ("model={a: b: c}", "the value '{a: b: c}' is not YAML"),
        ("model=[*a]", "the value '[*a]' is not YAML"),
        ("model=!!python/object/apply:os.system [x]", "unknown model '!!python/object/apply:os.system [x]'"),
        (
            "model={name: !!python/object/apply:os.system [x]}",
            "tag 'tag:yaml.org,2002:python/object/apply:os.system' is not al",
        ),
        ("training.epochs=3 # three", "training.epochs: should be a whole number, received '3 # three'"),
        ("epochs=3", "epochs: unknown key, did you mean 'training.epochs'?"),
        ("temperature=3", "temperature: unknown key, did you mean 'model.temperature'?"),
        ("training.num_classes=3", "training.num_classes: unknown key, did you mean 'model.num_classes'?"),
        ('network.hidden=["16"]', "network.hidden.0: should be a whole number, received '16'"),
        ("network.hidden=16", "network.hidden: should be a list such as [512, 256], received 16"),
        ("training.shuffle=no", "training.shuffle: should be true or false, received 'no'"),
        ("training.learning_rate=1e-50", "training.learning_rate: should be from 1.2e-38 to 3.4e38 in size"),
        ("model.temperature=1e39", "model.temperature: should be from 1.2e-38 to 3.4e38 in size"),
        ("model.unimix=1e-39", "model.unimix: should be from 1.2e-38 to 3.4e38 in size"),
        ("training.beta_1=0.99999999999", "training.beta_1: should not be so near to 1"),
        ("model=gumble", "unknown model 'gumble', did you mean 'gumbel'?"),
        ("training=3", "training: a block of keys is needed, received 3"),
        ("training.seed='3'", "training.seed: should be a whole number, received '3'"),
        ("training.epochs=0", "training.epochs: should be greater than or equal to 1, received 0"),
        ("model.temprature=1", "model.temprature: unknown key, did you mean 'temperature'?"),
        ("network.hidden=[8, 0]", "network.hidden.1: should be greater than or equal to 1, received 0"),
        ("network.hidden.0=5", "network.hidden: should be a list such as [512, 256], received {'0': 5}"),
        ("training.seed.x=3", "training.seed: should be a whole number, received {'x': 3}"),
        ("trainin.epochs=3", "trainin: unknown key, did you mean 'training'?"),
    ],
)
def test_a_mistake_in_an_override_names_the_override(override, reason):
    (line,) = mistakes("model: gumbel\ntraining: {seed: 1}\nnetwork: {hidden: [8]}", override)
    assert line.startswith(f"--set {override}: {reason}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("training.epochs=5", "training.epochs=6"),
        ("model.temperature=3", "model=vae"),
        ("training.learning_rate.start=1", "training.learning_rate=1e-3"),
        ("data.fallback=digits", "data.fallback=null"),
    ],
)
def test_an_override_that_takes_another_one_back_is_a_mistake(first, second):
    (line,) = mistakes("model: gumbel", first, second)
    assert line == f"--set {second}: takes back --set {first}; give one of the two"


def test_two_lengths_in_overrides_are_a_mistake():
    (line,) = mistakes("model: gumbel", "training.steps=500", "training.epochs=1")
    assert "a run has a length in `epochs` or in `steps`: give one of the two" in line


def test_another_data_set_has_no_fallback_of_the_one_before_it():
    Path("f.yaml").write_text("model: vae\ndata: {name: mnist, fallback: digits}")
    assert read_config("f.yaml").data.fallback == "digits"
    assert read_config("f.yaml", ["data.name=kmnist"]).data.fallback is None
    assert read_config("f.yaml", ["data.name=kmnist", "data.fallback=digits"]).data.fallback == "digits"
    (line,) = mistakes(Path("f.yaml").read_text(), "data.name=digits", "data.fallback=digits")
    assert line.endswith("data.fallback: has no effect with data: digits, received 'digits'")


@pytest.mark.parametrize("data", ["digits", "{name: npz, path: x}", "{name: folder, path: x}"])
def test_a_fallback_of_data_that_are_never_fetched_is_a_mistake(data):
    block = f"{{name: {data}, fallback: digits}}" if data == "digits" else f"{data[:-1]}, fallback: digits}}"
    (line,) = mistakes(f"model: vae\ndata: {block}")
    assert "data.fallback: has no effect with data: " in line


def test_a_path_begins_at_home():
    config = config_from_text("model: vae\ndata: {name: npz, path: ~/mine.npz}")
    assert config.data.path == str(Path.home() / "mine.npz")


def test_a_path_that_is_no_text_is_refused():
    (line,) = mistakes("model: vae\ndata: {name: npz, path: x}", "data.path=\udcff")
    place = "--set data.path=\\udcff: data.path"
    assert line == f"{place}: should be a path in UTF-8, as a run keeps it, received '\\udcff'"


def test_every_malformed_override_is_reported():
    assert len(mistakes("model: gumbel", "x", "training.epochs=0", "y")) == 2


def test_model_as_a_word_is_its_block_at_defaults():
    config = config_from_text("model: gumbel")
    assert config == config_from_text("model: {name: gumbel}")
    own = {"num_latents": 1, "num_classes": 10, "unimix": 0.0, "embedding": "one_hot", "parameterization": "softmax"}
    assert config.model.options() == {**own, "temperature": 1.0}


@pytest.mark.parametrize("name", ["gumbel", "gumbel.yaml"])
def test_a_path_comes_before_configs_here_and_those_before_the_presets(name):
    preset = preset_folders()[0] / "gumbel.yaml"
    assert find_config(name) == preset
    Path("configs").mkdir()
    here = Path("configs/gumbel.yaml")
    here.write_text("model: vae")
    assert find_config(name) == here
    path = Path(name)
    path.write_text("model: exact")
    assert find_config(name) == path
    assert read_config(name).model.name == "exact"


def test_a_config_may_come_from_standard_input(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr("vaecli.config.read.STANDARD_INPUT", Path(f"/proc/self/fd/{reading}"))
    os.write(writing, b"model: {name: vae, latent_dim: 3}")
    os.close(writing)
    assert read_config("-", ["training.epochs=2"]) == config_from_text(
        "model: {name: vae, latent_dim: 3}\ntraining: {epochs: 2}"
    )
    os.close(reading)


def test_the_ending_may_be_left_out_of_a_path(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: vae")
    assert read_config("mine") == read_config("./mine") == read_config(str(tmp_path / "mine"))


def test_a_folder_of_the_presets_name_does_not_hide_the_preset():
    Path("gumbel").mkdir()
    assert find_config("gumbel").is_file()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gumble", "gumble: no such config file, did you mean 'gumbel'?"),
        ("/nowhere/gumbel", "/nowhere/gumbel: no such config file, did you mean 'gumbel'?"),
        (".", ".: is a directory, a YAML file is needed"),
        ("/dev/null", "/dev/null:1:1: the file is empty; `vaecli init gumbel` writes a complete config"),
    ],
)
def test_what_is_no_config_file_is_one_line(name, line):
    with pytest.raises(ConfigError) as error:
        read_config(name)
    assert error.value.lines == (line,)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/", "~", "\ud800"])
def test_no_name_is_more_than_a_config_error(name):
    with pytest.raises(ConfigError):
        read_config(name)


def test_a_word_in_the_file_keeps_its_place_beside_an_override():
    (line,) = mistakes("model: gumble", "model.temperature=1.0")
    assert line == "f.yaml:1:1: unknown model 'gumble', did you mean 'gumbel'?"


HOSTILE = st.text() | st.sampled_from(
    ["[", "{a: b", "!!python/name:os.system", "&a [*a]", "1e999", "-1", ".nan", "~", ""]
)
PATHS = st.lists(
    st.sampled_from(["model", "name", "training", "seed", "network", "hidden", ""]) | st.text(), max_size=4
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PATHS, st.sampled_from(["=", "", "==", " = "]), HOSTILE), min_size=1, max_size=3))
def test_any_override_is_taken_or_refused_in_lines_that_begin_with_it(parts):
    overrides = [f"{'.'.join(path)}{equals}{value}" for path, equals, value in parts]
    lines = ["--set "]
    try:
        read_config("gumbel", overrides)
    except ConfigError as error:
        lines = list(error.lines)
    assert lines
    assert all(re.match(r"--set |\S+gumbel\.yaml:\d+:\d+: ", line) and line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("network: {activation: leaky, negative_slope: 0.1}", "network.activation: should be 'relu', 'leaky_relu'"),
        (
            "network: {activation: leaky_relu, negative_slope: -0.1}",
            "negative_slope: should be greater than or equal to 0",
        ),
        ("network: {negative_slope: 0.1}", "network.negative_slope: has no effect with activation: relu"),
        ("network: {kind: cnn}", "unknown kind 'cnn'"),
        ("objective: {likelihood: gauss}", "unknown likelihood 'gauss', did you mean 'gaussian'?"),
        ("objective: {likelihood: gaussian, scale: 0.0}", "objective.scale: should be greater than 0"),
        ("objective: {likelihood: gaussian, scale: learnt}", "objective.scale: should be 'learned', received 'learnt'"),
        (
            "objective: {likelihood: bernoulli, prior: learned}",
            "objective.prior: `learned` has no effect with beta 0.0: the rate alone trains it",
        ),
        ("objective: {scale: 0.1}", "objective.scale: `scale` has no effect with likelihood: mse"),
        ("data: {binarization: threshold, threshold: 1.0}", "data.threshold: should be less than 1"),
        ("data: {threshold: 0.4}", "data.threshold: has no effect with binarization: none"),
        ("data: {binarization: random}", "data.binarization: should be 'none', 'threshold', 'static' or 'dynamic'"),
        (
            "objective: {likelihood: gaussian}\ndata: {binarization: static}",
            "a gaussian density of pixels that are 0 or",
        ),
    ],
)
def test_what_a_block_cannot_be_is_one_line_with_its_place(block, said):
    with pytest.raises(ConfigError) as caught:
        config_from_text(f"model: gumbel\n{block}", "my.yaml")
    (line,) = caught.value.lines
    assert line.startswith("my.yaml:2:")
    assert said in line
