"""Published draws: who they belong to, and what no such file may hold."""

import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from vaecli.config import config_from_text
from vaecli.config.schema import DataConfig
from vaecli.data.binarized import TEST, TRAIN, published, read_amat
from vaecli.data.dataset import Dataset
from vaecli.data.digits import digits
from vaecli.data.load import prepared
from vaecli.errors import ConfigError, DataError

GREY = digits()
DRAWN = GREY.binarized("static")
PARTS = 1_200  # digits in the file of training images; the others are in that of validation images


def amat(path, images):
    np.savetxt(path, images.reshape(len(images), -1) // 16, fmt="%d")


@pytest.fixture
def folder(tmp_path):
    for name, images in zip((*TRAIN, TEST), (*np.split(DRAWN.train.images, [PARTS]), DRAWN.test.images), strict=True):
        amat(tmp_path / name, images)
    return tmp_path


def same(data: Dataset, drawn: Dataset) -> bool:
    return all(
        np.array_equal(getattr(data, part).images, getattr(drawn, part).images)
        and np.array_equal(getattr(data, part).labels, getattr(drawn, part).labels)
        for part in ("train", "test")
    )


def test_the_three_files_are_the_training_images_in_their_order_and_the_test_images(folder):
    data = published(folder, GREY)
    assert same(data, DRAWN)
    assert data.train.images.dtype == GREY.train.images.dtype
    assert data.binarization == "static, published"


def test_an_npz_of_zeros_and_ones_is_as_good(tmp_path):
    white = {"x_train": DRAWN.train.images[..., 0] > 0, "x_test": DRAWN.test.images.reshape(360, 64) / 16}
    np.savez(tmp_path / "drawn.npz", **white)
    assert same(published(tmp_path / "drawn.npz", GREY), DRAWN)


def test_images_in_another_order_lose_their_labels(folder):
    amat(folder / TEST, DRAWN.test.images[::-1])
    data = published(folder, GREY)
    assert data.test.labels is None
    assert data.train.labels is not None
    assert np.array_equal(data.test.images, DRAWN.test.images[::-1])


def test_a_config_finds_them_and_the_last_images_are_those_of_the_validation_file(folder):
    held = len(GREY.train) - PARTS
    config = DataConfig(
        name="digits", binarization="static", binarized_path=str(folder), validation=held, validation_from="end"
    )
    data = prepared(GREY, config)
    assert np.array_equal(data.validation.images, DRAWN.train.images[PARTS:])
    assert np.array_equal(data.train.images, DRAWN.train.images[:PARTS])
    assert data.digest != prepared(GREY, config.model_copy(update={"validation_from": "random"})).digest
    assert prepared(GREY, config.model_copy(update={"validation": 0})).digest == DRAWN.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 digits in 0 lines, where each line needs 4"),
        ("0 1 0\n", "3 digits in 1 lines, where each line needs 4"),
        ("0 1 0 1\n0 1\n", "6 digits in 2 lines"),
        ("0 1 0 2\n", "holds something else than the digits 0 and 1"),
        ("0. 1. 0. 1.\n", "holds something else"),
        ("<html>", "holds something else"),
    ],
)
def test_a_text_that_is_no_image_of_zeros_and_ones_is_refused(tmp_path, text, message):
    (tmp_path / "x.amat").write_text(text)
    with pytest.raises(DataError, match=f"x.amat: {message}"):
        read_amat(tmp_path / "x.amat", 4)


def test_lines_may_end_as_they_like(tmp_path):
    for text in ("0 1 1 0 \r\n1 1 1 1 \r\n", "0110\n1111", "0 1 1 0\n1 1 1 1\n"):
        (tmp_path / "x.amat").write_text(text)
        assert read_amat(tmp_path / "x.amat", 4).tolist() == [[False, True, True, False], [True] * 4]


def test_a_file_that_the_system_does_not_read_is_named(folder, monkeypatch):
    def refused(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(np, "fromfile", refused)
    with pytest.raises(
        DataError, match=r"train\.amat: not readable \(Input/output error\); data\.binarized_path needs"
    ):
        published(folder, GREY)


def test_other_data_and_missing_files_are_refused(folder, tmp_path):
    less = replace(GREY, test=replace(GREY.test, images=GREY.test.images[:-1], labels=None))
    with pytest.raises(DataError, match="360 test images of 64 pixels, where digits has 359 of 64"):
        published(folder, less)
    np.savez(tmp_path / "grey.npz", x_train=DRAWN.train.images, x_test=GREY.test.images)
    with pytest.raises(DataError, match=r"grey\.npz: x_train: images of pixels 0 and 1 are needed, received uint8"):
        published(tmp_path / "grey.npz", GREY)
    np.savez(tmp_path / "half.npz", x_train=DRAWN.train.images > 0)
    with pytest.raises(DataError, match=r"half\.npz: array x_test missing"):
        published(tmp_path / "half.npz", GREY)
    (folder / TRAIN[1]).unlink()
    with pytest.raises(DataError, match=r"valid\.amat: no such file"):
        published(folder, GREY)
    os.mkfifo(folder / TRAIN[1])  # nobody writes into it
    with pytest.raises(DataError, match=r"valid\.amat: is a pipe or a device"):
        published(folder, GREY)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{binarization: dynamic, binarized_path: x}", "binarized_path: has no effect with binarization: dynamic"),
        ("{binarized_path: x}", "binarized_path: has no effect with binarization: none"),
        ("{validation_from: end}", "validation_from: has no effect with validation: 0"),
    ],
)
def test_keys_without_effect_are_mistakes(data, message):
    with pytest.raises(ConfigError, match=message):
        config_from_text(f"model: vae\ndata: {data}\n")


@pytest.mark.parametrize(
    "how", [{}, {"binarization": "threshold"}, {"binarization": "static"}, {"binarization": "dynamic"}, "published"]
)
def test_a_config_may_train_on_the_test_images_too_as_they_are_drawn_for_the_test(how, folder):
    """Behind the others, with their labels; validation images are held out of the training images alone."""
    if how == "published":
        how = {"binarization": "static", "binarized_path": str(folder)}
    config = DataConfig(name="digits", validation=100, validation_from="start", **how)
    plain, whole = prepared(GREY, config), prepared(GREY, config.model_copy(update={"train_on": "all"}))
    last = GREY.test if config.binarization == "dynamic" else plain.test  # grey: they are drawn at each use
    assert np.array_equal(whole.train.images, np.concatenate([plain.train.images, last.images]))
    assert np.array_equal(whole.train.labels, np.concatenate([plain.train.labels, plain.test.labels]))
    assert np.array_equal(whole.test.images, plain.test.images)
    assert np.array_equal(whole.validation.images, plain.validation.images)
    assert whole.digest != plain.digest
    assert "360 test images are trained on too" in whole.remarks[-1]
