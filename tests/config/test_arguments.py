"""The arguments of the public functions: what every door refuses, in whole sentences."""

import numpy as np
import pytest

from vaecli.config.arguments import (
    chosen_numbers,
    number,
    numbers,
    one_of,
    path_of,
    seeds_of,
    settings_of,
    sweeps_of,
    whole,
)
from vaecli.errors import ConfigError

A_LIST = "a number of seeds such as 5, or a list such as 0,3,7"
MISTAKES = {
    "no path": (lambda: path_of(""), "'': not the name of a file or folder"),
    "a path with a zero byte": (lambda: path_of("a\0b"), r"'a\x00b': not the name of a file or folder"),
    "a path that is no text": (
        lambda: path_of("\udcff"),
        r"\udcff: a name in UTF-8 is needed, as runs keep the names of their files",
    ),
    "a half": (lambda: whole("jobs", 0.5, 1), "--jobs 0.5: a whole number from 1 is needed"),
    "true": (lambda: whole("jobs", True, 1), "--jobs True: a whole number from 1 is needed"),
    "too small": (lambda: whole("warm-up", -1, 0), "--warm-up -1: a whole number from 0 is needed"),
    "too large": (lambda: whole("seed", 11, 0, 10), "--seed 11: a whole number from 0 to 10 is needed"),
    "a near miss": (
        lambda: one_of("split", "tset", ("test", "train")),
        "--split tset: no such split, did you mean 'test'?",
    ),
    "no choice": (lambda: one_of("split", "x", ("a", "b")), "--split x: no such split (known: a, b)"),
    "words for whole numbers": (
        lambda: numbers("epochs", "1,x", int),
        "--epochs 1,x: whole numbers such as 0,1,5 are needed",
    ),
    "no numbers": (lambda: numbers("epochs", [], int), "--epochs : whole numbers such as 0,1,5 are needed"),
    "parts of whole numbers": (
        lambda: numbers("epochs", [0.5], int),
        "--epochs 0.5: whole numbers such as 0,1,5 are needed",
    ),
    "infinite": (
        lambda: numbers("temperatures", "inf", float),
        "--temperatures inf: numbers above 0 such as 0.5,1 are needed",
    ),
    "zero": (lambda: numbers("temperatures", [0], float), "--temperatures 0: numbers above 0 such as 0.5,1 are needed"),
    "a word for seeds": (lambda: seeds_of("x"), f"--seeds x: {A_LIST}"),
    "no seeds": (lambda: seeds_of(0), f"--seeds 0: {A_LIST}"),
    "half a seed": (lambda: seeds_of("1.5"), f"--seeds 1.5: {A_LIST}"),
    "a seed below 0": (lambda: seeds_of([1, -1]), f"--seeds 1,-1: {A_LIST}"),
    "true as a seed": (lambda: seeds_of([True]), f"--seeds True: {A_LIST}"),
    "true among numbers": (
        lambda: numbers("images", [True], int),
        "--images True: whole numbers such as 0,1,5 are needed",
    ),
    "a word for a number": (lambda: number("temperature", "hot"), "--temperature hot: a number is needed"),
    "true for a number": (lambda: number("temperature", True), "--temperature True: a number is needed"),
    "too many seeds": (lambda: seeds_of(20_000), "--seeds 20000: there are at most 10,000 seeds"),
    "a seed too large": (lambda: seeds_of("0,2147483648"), "--seeds 0,2147483648: a seed is at most 2,147,483,647"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_option_and_what_is_needed(mistake):
    call, line = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        call()
    assert error.value.lines == (line,)


def test_a_single_number_is_a_list_of_one_and_of_seeds_their_number():
    assert numbers("temperatures", 0.5, float) == (0.5,)
    assert chosen_numbers("images", np.int64(3), int) == (3,)
    assert chosen_numbers("images", [], int) == ()
    assert seeds_of(np.int64(3)) == seeds_of(3) == [0, 1, 2]
    assert number("temperature", np.float32(0.5)) == 0.5


def test_the_largest_numbers_of_seeds_are_taken():
    assert seeds_of("10000") == list(range(10_000))
    assert seeds_of([20_000, 2**31 - 1]) == [20_000, 2**31 - 1]


def test_a_list_may_be_a_text_or_a_mapping():
    assert settings_of("a=1") == settings_of(["a=1"]) == settings_of({"a": 1}) == ["a=1"]
    assert sweeps_of("a=1,2") == sweeps_of({"a": [1, 2]}) == sweeps_of({"a": "1,2"}) == ["a=1,2"]
    assert sweeps_of({"a": 0.5, "b": "word"}) == ["a=0.5", "b=word"]
    assert path_of(None) is None
