import contextlib
import gzip
import itertools
import os
import pickle
import struct

import numpy as np
import pytest

from vaecli.data.files import build, npz_dataset, read_idx, read_npz
from vaecli.errors import DataError

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


@pytest.mark.parametrize("keep", [0, 10, 300, -100, -1])
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
    with pytest.raises(DataError, match="pickled Python objects"):
        read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "file: array x_train and x_test missing, found none"),
        ({"x_train": IMAGES, "y_test": IMAGES}, "file: array x_test missing, found ['x_train', 'y_test']"),
        (
            {"x_train": IMAGES, "x_test": IMAGES, "y_test": np.zeros(3, int)},
            "file: y_test: 20 integer labels are needed, received int64 of shape (3,)",
        ),
    ],
)
def test_missing_arrays_and_labels_are_named(arrays, message):
    with pytest.raises(DataError) as error:
        build("npz", arrays, place="file")
    assert error.value.lines == (message,)


@pytest.mark.parametrize(("name", "message"), [("none.npz", "no such file"), (".", "is a directory")])
def test_what_is_no_file_is_refused(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read_npz(tmp_path / name)


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
