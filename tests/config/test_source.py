import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaecli.config import config_from_text, preset_folders
from vaecli.config.source import parse, parse_value, read_source
from vaecli.errors import ConfigError

PRESETS = {path.stem: path.read_text() for path in preset_folders()[0].glob("*.yaml")}
PIECES = ["", ":", "-", "\n", "\t", "[", "}", "&a", "*a", "!!x ", "'", "1e999", "nan", "\0", "ä", "? "]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1", -1),
        ("010", 10),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("yes", "yes"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'10'", "10"),
        ('"1e-3"', "1e-3"),
        ("2020-01-01", "2020-01-01"),
        ("[512, 256]", [512, 256]),
    ],
)
def test_values_are_what_they_look_like(text, value):
    found = parse(f"key: {text}", name="x").tree["key"]
    assert found == value
    assert type(found) is type(value)
    assert parse_value(text, name="x") == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3", "x:3:1: a: given twice, first at x:1:1"),
        ("a: {b: 1, b: 2}", "x:1:11: a.b: given twice, first at x:1:5"),
        ("a: !!python/name:os.system ''", "x:1:4: tag 'tag:yaml.org,2002:python/name:os.system' is not allowed"),
        ("a: !foo 1", "x:1:4: tag '!foo' is not allowed, only plain values are"),
        ("a: !!set {b}", "x:1:4: tag 'tag:yaml.org,2002:set' is not allowed"),
        ("a: &b [*b]", "x:1:4: an alias that contains itself, or too many of them"),
        ("a:\n\t- 1", "x:2:1: found character '\\t' that cannot start any token"),
        ("# nothing", "x: the file is empty; `vaecli init gumbel` writes a complete config"),
        ("a: 1\n---\nb: 2", "x:2:1: but found another document"),
    ],
)
def test_a_mistake_of_syntax_has_its_place(text, line):
    with pytest.raises(ConfigError) as error:
        parse(text, name="x")
    assert error.value.lines == (line,)


def test_aliases_of_aliases_do_not_explode():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(ConfigError, match="too many of them"):
        parse("\n".join(lines), name="x")


@pytest.mark.parametrize("text", ["[" * 10_000, "{" * 10_000, "a: " + "[" * 3000 + "]" * 3000])
def test_deep_nesting_is_an_error_and_no_crash(text):
    with pytest.raises(ConfigError):
        config_from_text(text, "x")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"a" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        read_source(tmp_path / "x.yaml")


def config_or_mistakes(text):
    """Anything but these two outcomes fails the test."""
    lines = ["x.yaml"]
    try:
        config_from_text(text, "x.yaml")
    except ConfigError as error:
        lines = list(error.lines)
    assert lines
    assert all(line.startswith("x.yaml") and "\n" not in line for line in lines)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text())
def test_any_text_is_a_config_or_a_mistake(text):
    config_or_mistakes(text)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(PRESETS.values())),
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.integers(0, 12),
            st.sampled_from(
                ["", ":", "-", "\n", "\t", "[", "}", "&a", "*a", "!!x ", "'", "1e999", "nan", "\0", "ä", "? "]
            ),
        ),
        max_size=4,
    ),
)
def test_any_damaged_preset_is_a_config_or_a_mistake(text, edits):
    for place, length, new in edits:
        place %= len(text) + 1
        text = text[:place] + new + text[place + length :]
    config_or_mistakes(text)
