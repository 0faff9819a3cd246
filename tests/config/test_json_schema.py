"""The JSON schema of a config, held to every shipped config and to the reader's own verdicts by a small validator."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from vaecli.cli.app import app
from vaecli.config import read_config
from vaecli.config.json_schema import FILE_NAME, json_schema
from vaecli.config.read import preset_folders
from vaecli.config.schema import VARIANTS
from vaecli.config.template import template
from vaecli.errors import ConfigError
from vaecli.registry import METHODS

SCHEMA = json_schema()
SHIPPED = sorted(file for folder in preset_folders() for file in folder.rglob("*.yaml"))
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
CHECKS = {
    "enum": lambda value, of: value in of,
    "const": lambda value, of: value == of,
    "minimum": lambda value, of: not number(value) or value >= of,
    "maximum": lambda value, of: not number(value) or value <= of,
    "exclusiveMinimum": lambda value, of: not number(value) or value > of,
    "exclusiveMaximum": lambda value, of: not number(value) or value < of,
    "minItems": lambda value, of: not isinstance(value, list) or len(value) >= of,
    "maxItems": lambda value, of: not isinstance(value, list) or len(value) <= of,
    "required": lambda value, of: not isinstance(value, dict) or value.keys() >= set(of),
    "anyOf": lambda value, of: any(valid(value, one) for one in of),
    "oneOf": lambda value, of: sum(valid(value, one) for one in of) == 1,
    "allOf": lambda value, of: all(valid(value, one) for one in of),
    "items": lambda value, of: not isinstance(value, list) or all(valid(item, of) for item in value),
}
SAID = {"$schema", "$defs", "title", "description", "default"}


def number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def valid(value, schema):
    """Whether a value is as the schema says; an unknown word of a schema is an error."""
    for word, of in schema.items():
        match word:
            case "$ref":
                ok = valid(value, SCHEMA["$defs"][of.removeprefix("#/$defs/")])
            case "type" if of in ("number", "integer"):
                ok = number(value) and (of == "number" or value == int(value))
            case "type":
                ok = isinstance(value, TYPES[of])
            case "properties":
                ok = not isinstance(value, dict) or all(valid(value[key], of[key]) for key in value.keys() & of.keys())
            case "additionalProperties":
                ok = not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
                assert of is False
            case "if":
                ok = not valid(value, of) or valid(value, schema["then"])
            case "then":
                ok = "if" in schema
            case _ if word in SAID:
                ok = True
            case _:
                ok = CHECKS[word](value, of)
        if not ok:
            return False
    return True


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid(path):
    assert valid(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize("method", METHODS)
def test_the_config_that_init_writes_is_valid(method):
    assert valid(yaml.safe_load(template(method)), SCHEMA)


CONFIGS = [
    "model: gumbel",
    "{model: gumbel, data: digits}",
    "{model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5, every: epoch}}}",
    "{model: {name: gumbel, temperature: {schedule: linear, start: 0.0, end: 0.5}}}",
    "{model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5, evry: epoch}}}",
    "{model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5, every: 0}}}",
    "{model: {name: gumbel, temprature: 1.0}}",
    "{model: {name: gumbel, temperature: warm}}",
    "{model: {name: gumbel, temperature: 0}}",
    "{model: {name: vqvae, temperature: 1.0}}",
    "{model: {name: gumble}}",
    "model: gumble",
    "{model: {num_latents: 1}}",
    "{model: gumbel, modle: vae}",
    "{model: gumbel, network: {kind: conv, channels: [4]}}",
    "{model: gumbel, network: {channels: [4]}}",
    "{model: gumbel, network: {hidden: []}}",
    "{model: gumbel, network: {hidden: [0]}}",
    "{model: gumbel, training: {momentum: 0.5}}",
    "{model: gumbel, training: {optimizer: sgd, momentum: 0.5}}",
    "{model: gumbel, training: {optimizer: sgd, momentum: 1.0}}",
    "{model: gumbel, training: {steps: 5, epochs: null}}",
    "{model: gumbel, training: {shuffle: 1}}",
    "{model: gumbel, objective: {likelihood: gaussian, scale: learned}}",
    "{model: gumbel, objective: {likelihood: mse, scale: learned}}",
    "{model: gumbel, data: {name: folder}}",
    "{model: gumbel, data: {name: folder, path: x, channels: 2}}",
    "{model: gumbel, evaluation: {codes: best}}",
    "{model: {name: fsq, levels: [8, 5]}}",
    "{model: {name: fsq, levels: [1]}}",
    "{training: {epochs: 1}}",
    "[model]",
]


@pytest.mark.parametrize("text", CONFIGS)
def test_the_schema_refuses_what_the_reader_refuses(text, tmp_path):
    (tmp_path / "it.yaml").write_text(text)
    try:
        read_config(str(tmp_path / "it.yaml"))
        accepted = True
    except ConfigError:
        accepted = False
    assert valid(yaml.safe_load(text), SCHEMA) == accepted


def test_both_verdicts_occur():
    assert 5 < sum(valid(yaml.safe_load(text), SCHEMA) for text in CONFIGS) < len(CONFIGS) - 5


def test_every_key_has_a_description_for_the_reader():
    for block, (decider, variants) in VARIANTS.items():
        found = SCHEMA["properties"][block]
        found = found["anyOf"][1] if "anyOf" in found else found
        assert found["properties"][decider]["enum"] == list(variants)
        for case in found["allOf"]:
            assert all("description" in of for key, of in case["then"]["properties"].items() if key != decider)


def test_init_names_the_schema_that_it_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "gumbel"]).stdout == "gumbel.yaml\n"
    first, *others = (tmp_path / "gumbel.yaml").read_text().splitlines()
    assert first == f"# yaml-language-server: $schema={FILE_NAME}"
    assert "\n".join(others) == template("gumbel").rstrip("\n")
    printed = CliRunner().invoke(app, ["schema"]).stdout
    assert json.loads((tmp_path / FILE_NAME).read_text()) == json.loads(printed) == SCHEMA
    assert read_config("gumbel.yaml") == read_config("gumbel", ["data.fallback=null"])
    assert not CliRunner().invoke(app, ["init", "gumbel", "-o", "-"]).stdout.startswith("# yaml")
