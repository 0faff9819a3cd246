import contextlib
import gzip
import itertools
import os
import pickle
import struct

import numpy as np
import pytest

from vaecli.config import config_from_text
from vaecli.config.schema import DataConfig
from vaecli.data import load
from vaecli.data.files import build, npz_dataset, read_idx, read_npz, read_records
from vaecli.data.known import KnownSource
from vaecli.errors import DataError
from vaecli.experiment.plan import data_lines

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)


class Trap:
    """A pickle that leaves a mark when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_pickled_objects_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x_train=np.array([Trap()]), x_test=IMAGES)
    with pytest.raises(DataError, match=r"x\.npz: holds pickled Python objects, which are never loaded"):
        read_npz(tmp_path / "x.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("keep", [10, 300, -100, -1])
def test_a_truncated_npz_is_refused(tmp_path, keep):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x_train=IMAGES, x_test=IMAGES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"x\.npz: not a readable npz"):
        npz_dataset(path)


def test_a_flipped_bit_in_an_npz_is_noticed(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x_train=IMAGES, x_test=IMAGES)
    raw = bytearray(path.read_bytes())
    raw[raw.index(IMAGES.tobytes()) + 100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="CRC"):
        npz_dataset(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_changed_byte_of_an_npz_is_more_than_a_data_error(tmp_path, save):
    path = tmp_path / "x.npz"
    save(path, x_train=IMAGES[:2, :2, :2], x_test=IMAGES[:2, :2, :2], y_train=[0, 1])
    raw = path.read_bytes()
    for place, bits in itertools.product(range(len(raw)), (0x01, 0x80, 0xFF)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ bits]) + raw[place + 1 :])
        with contextlib.suppress(DataError):
            assert npz_dataset(path).image_shape


def test_a_bare_pickle_is_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(pickle.dumps({"x_train": IMAGES}))
    with pytest.raises(DataError, match="a pickle, which is never loaded"):
        read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "file: array x_train and x_test missing, found none"),
        ({"x_test": IMAGES}, "file: array x_train missing, found ['x_test']"),
        ({"x_train": IMAGES, "y_test": IMAGES}, "file: array x_test missing, found ['x_train', 'y_test']"),
        (
            {"x_train": IMAGES, "x_test": IMAGES, "y_test": np.zeros(3, int)},
            "file: y_test: 20 integer labels are needed, received int64 of shape (3,); "
            "data.labels: none trains without",
        ),
    ],
)
def test_missing_arrays_and_labels_are_named(arrays, message):
    with pytest.raises(DataError) as error:
        build("npz", arrays, place="file")
    assert error.value.lines == (message,)


@pytest.mark.parametrize(("count", "test"), [(2, 1), (7, 1), (20, 3), (60_000, 10_000), (90_000, 10_000)])
def test_without_a_test_set_a_sixth_of_the_images_is_drawn_and_said(count, test):
    numbers = np.arange(count)
    digits = [numbers % 256, numbers // 256 % 256, numbers // 65_536, np.full(count, 255)]
    images = np.stack(digits, 1).astype(np.uint8)[:, None]
    data, again = (build("npz", {"x_train": images, "y_train": numbers % 10_001}, place="file") for _ in range(2))
    assert (len(data.train), len(data.test)) == (count - test, test)
    assert data.digest == again.digest
    found = [x @ [1, 256, 65_536, 0] for x in (data.train.images[:, 0, :, 0], data.test.images[:, 0, :, 0])]
    assert np.array_equal(np.sort(np.concatenate(found)), numbers)
    for split, order in zip((data.train, data.test), found, strict=True):
        assert (np.diff(order) > 0).all()
        assert np.array_equal(split.labels, order % 10_001)
    drawn = f"{test:,} of {count:,} images drawn as the test set"
    assert data.source == f"file, {drawn}"
    assert list(data_lines([data])) == [f"file has no x_test: {drawn}, the same ones for every run"]


def test_one_image_is_not_split():
    with pytest.raises(DataError, match="one image alone"):
        build("npz", {"x_train": IMAGES[:1]}, place="file")


@pytest.mark.parametrize("shape", [(20, 8, 8), (20, 8, 8, 1), (20, 64)])
def test_an_npy_is_an_array_of_images_without_a_test_set(tmp_path, shape):
    np.save(tmp_path / "mine.npy", IMAGES.reshape(-1)[: np.prod(shape)].reshape(shape))
    data = npz_dataset(tmp_path / "mine.npy")
    assert len(data.train) + len(data.test) == shape[0]
    assert data.called == "mine"


def test_no_changed_byte_of_an_npy_is_more_than_a_data_error(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, IMAGES[:2, :2, :2])
    raw = path.read_bytes()
    for place, bits in itertools.product(range(len(raw)), (0x01, 0x80, 0xFF)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ bits]) + raw[place + 1 :])
        with contextlib.suppress(DataError):
            assert npz_dataset(path).image_shape


@pytest.mark.parametrize("dtype", [bool, np.int64, np.int8, np.uint16, np.uint8])
def test_zeros_and_ones_of_any_type_are_black_and_white(dtype):
    white = IMAGES > 127
    data = build("npz", {"x_train": white.astype(dtype), "x_test": white.astype(dtype)}, place="file")
    assert np.array_equal(data.floats(data.train.images)[..., 0], white)


def test_integers_that_reach_the_upper_half_of_a_byte_are_bytes():
    numbers = IMAGES.astype(np.int64)
    data = build("npz", {"x_train": numbers, "x_test": numbers[:3] // 3}, place="file")  # one decision for both
    assert data.train.images.dtype == data.test.images.dtype == np.uint8
    assert data.scale == 1 / 255
    assert data.digest == build("npz", {"x_train": IMAGES, "x_test": IMAGES[:3] // 3}, place="file").digest


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
@pytest.mark.parametrize("part", ["x_train", "x_test"])
def test_zeros_and_ones_beside_bytes_are_refused_and_not_read_as_black(dtype, part):
    arrays = {"x_train": IMAGES, "x_test": IMAGES[:3], part: (IMAGES[:3] > 127).astype(dtype)}
    with pytest.raises(
        DataError, match=rf"^file: {part}: zeros and ones, beside integers to 2\d\d: one white is needed"
    ):
        build("npz", arrays, place="file")


def test_a_black_image_beside_bytes_is_one_of_them():
    data = build("npz", {"x_train": IMAGES, "x_test": np.zeros_like(IMAGES[:3])}, place="file")
    assert data.test.images.dtype == np.uint8


@pytest.mark.parametrize(("low", "high"), [(0, 16), (0, 127), (0, 256), (-1, 1), (-128, 127)])
def test_integers_whose_white_nobody_knows_are_refused(low, high):
    numbers = np.full((20, 8, 8), low)
    numbers[3, 4, 5] = high
    with pytest.raises(DataError, match=f"file: x_train: pixels are floats in .*; received int64 from {low} to {high}"):
        build("npz", {"x_train": numbers}, place="file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npz", "no such file, an npz is needed"),
        (".", "is a directory, an npz is needed"),
        ("pipe", "is a pipe or a device, an npz is needed"),
        ("nowhere", "a link that leads nowhere, an npz is needed"),
        ("itself", r"cannot be read \(Too many levels of symbolic links\)"),
        ("file/x.npz", r"cannot be read \(Not a directory\), an npz is needed"),
    ],
)
def test_what_is_no_file_is_refused_and_called_what_it_is(tmp_path, name, message):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("none.npz")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f": {message}$"):
        read_npz(tmp_path / name)


@pytest.mark.parametrize(("names", "said"), [(("images", "X_test"), "images, X_test"), ((), "none")])
def test_arrays_of_other_names_are_named(tmp_path, names, said):
    np.savez(tmp_path / "x.npz", **dict.fromkeys(names, IMAGES))
    with pytest.raises(DataError, match=f"has no array x_train or .*; its arrays are {said}$"):
        npz_dataset(tmp_path / "x.npz")


def test_labels_are_optional_and_other_arrays_ignored(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=IMAGES, x_test=IMAGES[:3], other=np.array([{}]))
    data = npz_dataset(tmp_path / "x.npz")
    assert data.train.labels is None
    assert data.scale == 1 / 255


def test_training_and_test_images_must_be_alike():
    for other in (IMAGES[:, :4], IMAGES / np.float32(255)):
        with pytest.raises(DataError, match="x_train and x_test differ"):
            build("npz", {"x_train": IMAGES, "x_test": other}, place="file")


def idx(array, magic=b"\x00\x00\x08"):
    return magic + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_idx_files_are_read(tmp_path, pack):
    (tmp_path / "x").write_bytes(pack(idx(IMAGES)))
    assert np.array_equal(read_idx(tmp_path / "x"), IMAGES)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (idx(IMAGES)[:-1], r"damaged, 1,279 bytes where the header says \(20, 8, 8\)"),
        (idx(IMAGES) + b"\x00", "damaged, 1,281 bytes"),
        (idx(IMAGES, b"\x00\x00\x0d"), "not an IDX file of unsigned bytes"),
        (b"", "not an IDX file"),
        (b"\x00\x00\x08\xff", "not an IDX file"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, r"damaged, 0 bytes"),
        (gzip.compress(idx(IMAGES))[:-20], "not readable"),
        (b"\x1f\x8bxx", "not readable"),
        (idx(IMAGES).replace(b"\x03", b"\x41", 1)[:4] + b"\x00\x00\x00\x01" * 65 + b"x", "x: "),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, raw, message):
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "x")


@pytest.mark.parametrize("name", ["x", "x.gz"])
@pytest.mark.parametrize("read", [read_idx, lambda path: read_records(path, ("x",), (2, 2, 1))])
def test_what_cannot_be_read_is_told_in_the_words_of_the_system(tmp_path, read, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DataError) as error:
        read(tmp_path / name)
    assert error.value.lines == (f"{tmp_path}/{name}: not readable (Is a directory)",)


MEDMNIST = {
    "train_images": IMAGES,
    "train_labels": np.arange(20)[:, None] % 2,
    "val_images": IMAGES[:2],
    "val_labels": np.zeros((2, 1), np.uint8),
    "test_images": IMAGES[:3],
    "test_labels": np.arange(3)[:, None],
}


def test_arrays_with_the_names_of_medmnist_are_read_and_said(tmp_path):
    np.savez(tmp_path / "x.npz", **MEDMNIST)
    data = npz_dataset(tmp_path / "x.npz")
    assert (len(data.train), list(data.test.labels)) == (20, [0, 1, 2])
    assert [line.partition(": ")[2] for line in data.made] == [
        "train_images is read as x_train",
        "train_labels is read as y_train",
        "test_images is read as x_test",
        "test_labels is read as y_test",
        "not read: val_images, val_labels",
    ]


def test_the_one_array_of_an_npz_is_images(tmp_path):
    np.savez(tmp_path / "x.npz", IMAGES)
    data = npz_dataset(tmp_path / "x.npz")
    assert len(data.train) + len(data.test) == 20
    assert f"{tmp_path}/x.npz: arr_0 is read as x_train" in data.made


def test_labels_that_cannot_be_used_can_be_left_out(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=IMAGES, x_test=IMAGES[:3], y_train=np.full(20, -1), y_test=np.array([{}]))
    block = f"{{name: npz, path: {tmp_path}/x.npz, labels: none}}"
    assert load(config_from_text(f"model: vae\ndata: {block}").data).train.labels is None
    with pytest.raises(DataError, match="pickled Python objects"):
        npz_dataset(tmp_path / "x.npz")


HTML = b"\n<!DOCTYPE html>\n<html><body>404</body></html>"
KINDS = {
    "an HTML page": HTML,
    "a Git LFS pointer; `git lfs pull` fetches": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a text": b"label,1x1,1x2\n5,0,0\n",
    "a PNG picture; data.name: folder reads": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "a JPEG picture": b"\xff\xd8\xff\xe0" + bytes(50),
    "a Parquet table": b"PAR1" + bytes(50),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "an IDX file": idx(IMAGES),
    "a gzipped file; unpack it first": gzip.compress(b"x"),
    "a pickle, which is never loaded": pickle.dumps([1, 2]),
    "empty": b"",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_npz_is_called_what_it_is(tmp_path, kind):
    (tmp_path / "mnist.npz").write_bytes(KINDS[kind])
    with pytest.raises(DataError, match=f"mnist.npz: an npz is needed, and this is {kind}"):
        npz_dataset(tmp_path / "mnist.npz")
    with pytest.raises(DataError, match=f"an npz is needed, and this is {kind}"):
        KnownSource(DataConfig(name="mnist")).read(tmp_path)


@pytest.mark.parametrize("raw", [b"PK\x03\x04 and then nothing", b"\x93NUMPY\x01", bytes(range(256))])
def test_of_a_file_of_which_nobody_knows_what_it_is_nothing_is_claimed(tmp_path, raw):
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(DataError, match=r"x\.npz: not a readable npz"):
        npz_dataset(tmp_path / "x.npz")
