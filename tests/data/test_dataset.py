from dataclasses import replace

import numpy as np
import pytest

from vaecli.config.schema import AdamConfig
from vaecli.data import Split
from vaecli.data.dataset import checked_images, checked_labels, labels_of
from vaecli.data.digits import digits
from vaecli.errors import DataError

DATA = digits()


def test_digits_are_1437_and_360_images_in_the_unit_interval():
    assert (len(DATA.train), len(DATA.test)) == (1437, 360)
    pixels = DATA.floats(DATA.train.images)
    assert (pixels.min(), pixels.max()) == (0, 1)


def test_held_out_images_are_always_the_same_and_leave_the_training_set():
    first, again = DATA.hold_out(100), DATA.hold_out(100)
    assert first.digest == again.digest != DATA.digest
    assert (len(first.train), len(first.validation)) == (1337, 100)
    rows = [image.tobytes() for split in (first.train, first.validation) for image in split.images]
    assert sorted(rows) == sorted(image.tobytes() for image in DATA.train.images)
    for split in (first.train, first.validation):
        for image, label in zip(split.images[:20], split.labels[:20], strict=True):
            where = (DATA.train.images == image).all((1, 2, 3))
            assert label in DATA.train.labels[where]


def test_held_out_images_keep_their_order_and_labels():
    numbered = replace(DATA, train=Split(np.arange(1437 * 4).reshape(-1, 2, 2, 1) // 4, np.arange(1437)))
    held = numbered.hold_out(100)
    for split in (held.train, held.validation):
        assert np.array_equal(split.images[:, 0, 0, 0], split.labels)
        assert (np.diff(split.labels) > 0).all()


def test_data_without_labels_can_be_held_out():
    assert replace(DATA, train=Split(DATA.train.images)).hold_out(3).validation.labels is None


def test_each_count_is_another_data_set():
    assert len({DATA.hold_out(count).digest for count in (0, 1, 2, 100)}) == 4
    assert DATA.hold_out(0).validation is None


@pytest.mark.parametrize("count", [1437, 5000])
def test_something_must_be_left_to_train_on(count):
    with pytest.raises(DataError, match=f"{count} of the 1437 training images of digits cannot be held out"):
        DATA.hold_out(count)


def test_whole_batches_are_counted_and_a_smaller_one_that_is_kept():
    assert DATA.steps_per_epoch(AdamConfig(batch_size=64, last_batch="keep")) == 23
    assert DATA.steps_per_epoch(AdamConfig(batch_size=479, last_batch="keep")) == 3  # which are all whole
    assert DATA.steps_per_epoch(AdamConfig(batch_size=64)) == 22
    assert DATA.steps_per_epoch(AdamConfig(batch_size=1437)) == 1
    with pytest.raises(DataError, match="1,438 is more than the 1,437 training images"):
        DATA.steps_per_epoch(AdamConfig(batch_size=1438))


def changed(array):
    copy = array.copy()
    copy.flat[7] += 1
    return copy


@pytest.mark.parametrize(
    "other",
    [
        replace(DATA, train=Split(changed(DATA.train.images), DATA.train.labels)),
        replace(DATA, test=Split(DATA.test.images, changed(DATA.test.labels))),
        replace(DATA, train=Split(DATA.train.images)),
        replace(DATA, scale=1.0),
        replace(DATA, train=Split(DATA.train.images.reshape(-1, 4, 16, 1), DATA.train.labels)),
    ],
    ids=["pixel", "label", "no labels", "scale", "shape"],
)
def test_the_digest_is_equal_only_for_equal_data(other):
    assert other.digest != DATA.digest
    assert digits().digest == DATA.digest


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 64)])
def test_images_come_in_several_shapes(shape):
    pixels = np.arange(5 * 64, dtype=np.uint8)
    found = checked_images(pixels.reshape(shape), name="x", place="file")
    assert np.array_equal(found, pixels.reshape(5, 8, 8, 1))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 60), np.uint8), r"images \[N, H, W\], or .* are needed, received shape \(5, 60\)"),
        (np.zeros((5, 8, 8, 4), np.uint8), r"\[N, H, W, C\] of 1 or 3 channels, .* received shape \(5, 8, 8, 4\)"),
        (np.zeros((5, 4, 8, 8), np.uint8), r"received shape \(5, 4, 8, 8\)"),
        (np.zeros((0, 8, 8), np.uint8), r"received shape \(0, 8, 8\)"),
        (np.zeros(5, np.uint8), r"received shape \(5,\)"),
        (np.full((5, 8, 8), "a"), "received type <U1"),
        (np.full((5, 8, 8), np.inf), "pixels that are NaN or infinite: 320"),
        (
            np.full((5, 8, 8), 2.0),
            r"must lie in \[0, 1\], and 320 of 320 do not: received 2.0 to 2.0 \(divide by 255\?\)",
        ),
        (np.full((5, 8, 8), np.float32(1.0000001)), r"320 of 320 do not: received 1.0000001 to 1.0000001$"),
        (np.linspace(-1, 1, 320).reshape(5, 8, 8), r"160 of 320 do not: received -1.0 to 1.0 \(from \[-1, 1\]\?\)$"),
        (np.full((5, 8, 8), 300.0), r"received 300.0 to 300.0$"),
        (np.full((5, 8, 8), 256), r"integer pixels lie in 0..255 here, received 256 to 256"),
        (np.full((5, 8, 8), -1, np.int8), r"integer pixels lie in 0..255 here, received -1 to -1"),
        (np.zeros((5, 8, 8), complex), r"pixels are integers, bools, or floats in \[0, 1\], received type complex128"),
        (np.full((5, 8, 8), -0.1), r"received -0.1 to -0.1"),
    ],
)
def test_images_that_are_none_are_refused(array, message):
    with pytest.raises(DataError, match=f"file: x: .*{message}"):
        checked_images(array, name="x", place="file")


@pytest.mark.parametrize(
    "array", [np.zeros(4, int), np.zeros(5), np.full(5, -1), np.full(5, 10_001), np.zeros((5, 2), int)]
)
def test_labels_that_are_none_are_refused(array):
    with pytest.raises(DataError, match="file: y: "):
        checked_labels(array, 5, name="y", place="file")


def test_the_deviation_is_that_of_all_pixels_from_the_mean_image():
    grey = DATA.floats(DATA.train.images).astype(np.float64)
    assert DATA.deviation == pytest.approx(np.sqrt(((grey - grey.mean(0)) ** 2).mean()), rel=1e-5)


@pytest.mark.parametrize("scale", [1 / 16, 1.0])
def test_a_threshold_makes_pixels_black_or_white_in_the_range_of_the_images(scale):
    images = DATA.train.images if scale < 1 else DATA.floats(DATA.train.images)
    data = replace(DATA, train=Split(images), test=Split(images[:50]), scale=scale).binarized("threshold", 0.4)
    assert data.train.images.dtype == images.dtype
    assert np.array_equal(data.floats(data.train.images), DATA.floats(DATA.train.images) > 0.4)
    assert data.binarization == "threshold 0.4"


def test_static_pixels_are_drawn_once_with_the_probability_of_their_grey():
    first, again = DATA.binarized("static"), DATA.binarized("static")
    assert first.digest == again.digest != DATA.digest
    drawn, grey = first.floats(first.train.images), DATA.floats(DATA.train.images)
    assert set(np.unique(drawn)) == {0, 1}
    for value in np.unique(grey):  # 17 of them, each of thousands of pixels but for the last ones
        share = drawn[grey == value]
        assert abs(share.mean() - value) <= 4 * (value * (1 - value) / share.size) ** 0.5


def test_dynamic_pixels_stay_grey_for_training_and_are_drawn_once_to_measure():
    held, drawn = DATA.hold_out(100), DATA.hold_out(100).binarized("dynamic")
    assert np.array_equal(drawn.train.images, held.train.images)
    assert np.array_equal(drawn.test.images, held.binarized("static").test.images)
    assert set(np.unique(drawn.validation.images)) == {0, 16}
    assert len({held.binarized(how).digest for how in ("none", "threshold", "static", "dynamic")}) == 4


@pytest.mark.parametrize("channels", [1, 3])
def test_images_with_their_channels_first_are_read(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 6, channels), np.uint8)
    assert np.array_equal(checked_images(np.moveaxis(pixels, 3, 1), name="x", place="file"), pixels)


LABELS = np.array([2, 0, 1, 2])


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (LABELS.astype(np.float32), None),
        (LABELS[:, None].astype(float), None),
        (np.eye(3)[LABELS], "file: y_train is one-hot: a label is the place of the one"),
        (np.eye(3, dtype=bool)[LABELS], "file: y_train is one-hot: a label is the place of the one"),
        (np.array(["dog", "ape", "cat", "dog"]), "file: labels from 0 are ape, cat, dog"),
        (np.array([b"dog", b"ape", b"cat", b"dog"]), "file: labels from 0 are ape, cat, dog"),
        (
            np.array([word.encode() for word in ("école", "abeille", "café", "école")]),
            "file: labels from 0 are abeille, café, école",
        ),
        (LABELS.astype(np.float16), None),
    ],
)
def test_labels_in_other_forms_are_numbers(array, line):
    found, made = labels_of({"y_train": array}, place="file")
    assert np.array_equal(checked_labels(found["y_train"], 4, name="y_train", place="file"), LABELS)
    assert made == ([line] if line else [])


def test_names_that_are_no_text_are_refused():
    with pytest.raises(DataError, match=r"^file: y_train: a name of a label is not UTF-8: b'\\xff'$"):
        labels_of({"y_train": np.array([b"dog", b"\xff"])}, place="file")


def test_names_are_numbered_over_both_splits():
    arrays = {"y_train": np.array(list("cabz")), "y_test": np.array(list("bz"))}
    found, made = labels_of(arrays, place="file")
    assert [list(array) for array in found.values()] == [[2, 0, 1, 3], [1, 3]]
    assert made == ["file: labels from 0 are a, b, c, z"]


@pytest.mark.parametrize(
    "array",
    [
        np.array([0.5, 0, 1, 2]),
        np.array([np.nan, 0, 1, 2]),
        np.array([-1, 0, 1, 2]),
        np.array([10_001, 0, 1, 2]),
        np.array([1e30, 0, 1, 2]),
        np.eye(3)[LABELS] * 2,
        np.ones((4, 3)),
        np.zeros((4, 3), int),
        np.array([True, False, True]),
        np.zeros(4, "datetime64[s]"),
    ],
)
def test_what_is_no_label_is_refused_with_the_way_out(array):
    found, _ = labels_of({"y_train": array}, place="file")
    with pytest.raises(DataError, match=r"^file: y_train: .*; data\.labels: none trains without$"):
        checked_labels(found["y_train"], 4, name="y_train", place="file")
