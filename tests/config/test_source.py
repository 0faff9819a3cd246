import os
import re
import string
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaecli.config import config_from_text, read_config, template
from vaecli.config.source import MAX_BYTES, parse, parse_value, read_source, scalar
from vaecli.errors import ConfigError
from vaecli.registry import METHODS


def mistakes(text):
    """The lines with which f.yaml is refused."""
    with pytest.raises(ConfigError) as error:
        config_from_text(text, "f.yaml")
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("1.5E+2", 150.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-1", -1),
        ("+3", 3),
        ("010", 10),
        (".inf", float("inf")),
        ("-.INF", -float("inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        *((word, word) for word in ("0x10", "0b1", "0o7", "1_000", "1:30", "2001-01-01", "=", "٣", "1e", ".")),
        *((word, word) for word in ("no", "yes", "on", "Off", "y", "n", "inf", "nan", "gumbel")),
    ],
)
def test_a_plain_scalar_is_read_as_yaml_1_2(text, value):
    read = scalar(text)
    assert (type(read), read) == (type(value), value)
    assert parse(f"key: {text}", name="f.yaml").tree == {"key": value}


@pytest.mark.parametrize("quoted", ["'10'", '"10"', "'true'", "'null'", "'1e-3'", "''", "!!str 'no'"])
def test_a_quoted_scalar_is_a_string(quoted):
    assert parse(f"key: {quoted}", name="f.yaml").tree == {"key": quoted.removeprefix("!!str ")[1:-1]}


def test_every_key_and_item_has_its_place():
    source = parse("model: gumbel\nnetwork:\n  hidden: [512,\n    256]\n", name="f.yaml")
    assert source.places == {
        (): "f.yaml:1:1",
        ("model",): "f.yaml:1:1",
        ("network",): "f.yaml:2:1",
        ("network", "hidden"): "f.yaml:3:3",
        ("network", "hidden", 0): "f.yaml:3:12",
        ("network", "hidden", 1): "f.yaml:4:5",
    }
    assert source.place(("network", "depth")) == "f.yaml:2:1"


EMPTY = "f.yaml:1:1: the file is empty; `vaecli init gumbel` writes a complete config"
NO_KEY = "no key can stand here; the one before it needs a ':' and a space after it, and the same indentation"
NO_COLUMN = "indented like no key above; keys of one block begin in one column"
NO_MAPPING = "f.yaml:1:1: a config is a mapping such as `model: gumbel`"
ALIAS = "an alias that contains itself, or too many of them"
LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [EMPTY]),
        ("# nothing yet\n\n", [EMPTY]),
        ("- model", [NO_MAPPING]),
        ("gumbel", [NO_MAPPING]),
        ("model: [gumbel", ["f.yaml:1:15: expected ',' or ']', but got '<stream end>'"]),
        ("model:\n\tname: gumbel", ["f.yaml:2:1: a tab stands here; YAML is indented with spaces alone"]),
        ("training\n  epochs: 2", [f"f.yaml:2:9: {NO_KEY}"]),
        ("training:\n  epochs:2\n  seed: 1", [f"f.yaml:3:7: {NO_KEY}"]),
        ("training:\n    epochs: 2\n  seed: 1", [f"f.yaml:3:3: {NO_COLUMN}"]),
        ("data: {path: 'my.npz}", ["f.yaml:1:22: the file ends inside a quoted text"]),
        ("model: gumbel\n---\nmodel: vae", ["f.yaml:2:1: a second document begins here, and a config is one"]),
        (
            "model: vae\nmodel: vae\ntrainin: {}\ntraining: {seed: !foo 1, epochs: 0}",
            [
                "f.yaml:2:1: model: given twice, first at f.yaml:1:1",
                "f.yaml:3:1: trainin: unknown key, did you mean 'training'?",
                "f.yaml:4:18: tag '!foo' is not allowed, only plain values are",
                "f.yaml:4:26: training.epochs: should be greater than or equal to 1, received 0",
            ],
        ),
        ("model: *method", ["f.yaml:1:8: found undefined alias 'method'"]),
        (
            "model: gum\0bel",
            ["f.yaml:1:11: not YAML (unacceptable character #x0000: special characters are not allowed)"],
        ),
        (
            "model: vae\nmodel: vae\ntraining:\n  seed: 1\n  seed: 2",
            [
                "f.yaml:2:1: model: given twice, first at f.yaml:1:1",
                "f.yaml:5:3: training.seed: given twice, first at f.yaml:4:3",
            ],
        ),
        (
            "model: !!python/object/apply:os.system ['true']",
            ["f.yaml:1:8: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed"],
        ),
        (
            "model: !!python/name:os.system",
            ["f.yaml:1:8: tag 'tag:yaml.org,2002:python/name:os.system' is not allowed"],
        ),
        ("model: !!binary aGk=", ["f.yaml:1:8: tag 'tag:yaml.org,2002:binary' is not allowed"]),
        ("model: !!set {a}", ["f.yaml:1:8: tag 'tag:yaml.org,2002:set' is not allowed"]),
        ("model: !foo gumbel", ["f.yaml:1:8: tag '!foo' is not allowed, only plain values are"]),
        ("model: !foo {name: gumbel}", ["f.yaml:1:8: tag '!foo' is not allowed, only plain values are"]),
        ("model: &a [*a]", [f"f.yaml:1:8: {ALIAS}"]),
        ("&a {model: *a}", [f"f.yaml:1:1: {ALIAS}"]),
        (LAUGHS, [f"f.yaml:1:5: {ALIAS}"]),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(text, lines):
    assert mistakes(text) == lines


def test_a_list_of_a_million_characters_is_given_up_early():
    (line,) = mistakes(f"model: vae\nnetwork: {{hidden: [{'1,' * 450_000}]}}")
    assert re.fullmatch(r"f\.yaml:2:\d+: more than 10,000 values, so it is not a config", line)


def test_merge_keys_do_not_merge():
    text = "model: {name: gumbel, <<: {temperature: 2}}\n<<: *a"
    assert mistakes("a: &a {b: 1}\n" + text) == [
        "f.yaml:1:1: a: unknown key (known: model, network, data, objective, training, evaluation)",
        "f.yaml:2:23: model.<<: keys are not merged from elsewhere; write them out",
        "f.yaml:3:1: <<: keys are not merged from elsewhere; write them out",
    ]


def test_a_pipe_is_read_once_and_kept(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("model: gumbel",))
    writer.start()
    assert read_source(pipe).tree == {"model": "gumbel"}
    writer.join()
    assert read_source(pipe).tree == {"model": "gumbel"}


def test_a_pipe_into_which_nobody_writes_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("vaecli.config.source.PATIENCE", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="a YAML file is needed, and nothing came from it"):
        read_source(tmp_path / "pipe")


def test_a_link_that_leads_nowhere_is_no_unknown_name(tmp_path):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    for name, reason in (("loop", "Too many levels of symbolic links"), ("gone", "No such file or directory")):
        with pytest.raises(ConfigError, match=rf"{name}\.yaml: cannot be read \({reason}\)"):
            read_config(str(tmp_path / f"{name}.yaml"))


def test_an_alias_repeats_a_value():
    config = config_from_text("model: gumbel\ntraining: {epochs: &n 3, seed: *n}")
    assert config.training.epochs == config.training.seed == 3


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text("model: gumbel", encoding="utf-8-sig")
    assert read_source(path).tree == {"model": "gumbel"}


@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("key", ["", "model: "])
def test_deep_nesting_is_one_line(key, opened):
    (line,) = mistakes(key + opened * 10_000)
    assert line.startswith("f.yaml")


@pytest.mark.parametrize("opened", ["[", "{a: "])
def test_deep_nesting_in_an_override_is_one_line(opened):
    with pytest.raises(ConfigError, match=r"^--set model=") as error:
        parse_value(opened * 10_000, name="--set model=...")
    assert len(error.value.lines) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{name: gumbel, name: vae}", "name: given twice"),
        ("{name: !foo gumbel}", "tag '!foo' is not allowed, only plain values are"),
    ],
)
def test_a_mistake_inside_an_override_names_the_override_once(value, reason):
    name = f"--set model={value}"
    with pytest.raises(ConfigError) as error:
        parse_value(value, name=name)
    assert str(error.value).startswith(f"{name}: {reason}")


@pytest.mark.parametrize("key", ['"a\\nb"', '"\\e[31m"', '"a\\rb"'])
def test_a_key_with_control_characters_is_told_without_them(key):
    (line,) = mistakes(f"model: gumbel\n{key}: 1")
    assert line.isprintable()


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}"])
def test_a_key_that_is_no_scalar_is_told_without_our_classes(key):
    (line,) = mistakes(f"model: gumbel\n? {key}\n: 1")
    assert line.startswith("f.yaml:2:3: ")
    assert "Node(" not in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes(range(256)), "2:118: not a text file (byte 128 is not UTF-8)"),
        ("model: gümbel".encode("latin-1"), "1:9: not a text file (byte 8 is not UTF-8)"),
        (b"#" * (MAX_BYTES + 1), " larger than 1,000,000 bytes, so it is not a config"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, reason):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_source(path)
    assert error.value.lines == (f"{path}:{reason}",)


def test_the_largest_file_is_read(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"model: gumbel\n#".ljust(MAX_BYTES, b"."))
    assert read_source(path).tree == {"model": "gumbel"}


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="is a directory, a YAML file is needed"):
        read_source(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_source(tmp_path / "f.yaml")


def is_a_config_or_refused(text):
    lines = ["f.yaml:1:1: "]
    try:
        config_from_text(text, "f.yaml")
    except ConfigError as error:
        lines = list(error.lines)
    assert lines
    assert all(re.match(r"f\.yaml:[1-9]\d*:[1-9]\d*: ", line) and line.isprintable() for line in lines)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text() | st.text("model: gubn\n\t[]{}&*!<>|'\"%@`,-?#01.e~\\"))
def test_any_text_is_a_config_or_refused_in_lines_that_begin_with_their_place(text):
    is_a_config_or_refused(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(METHODS)),
    st.lists(
        st.tuples(st.integers(0, 1200), st.integers(0, 4), st.text(string.printable + "é\u2028\ufeff", max_size=4))
    ),
)
def test_any_change_of_a_config_is_a_config_or_refused_in_lines_that_begin_with_their_place(method, edits):
    text = template(method)
    for start, cut, put_in in edits:
        text = text[:start] + put_in + text[start + cut :]
    is_a_config_or_refused(text)
