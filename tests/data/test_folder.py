"""A folder of pictures: what is read of them, what is refused, and that they are decoded once."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import written
from vaecli.config import config_from_text
from vaecli.data import folder, load
from vaecli.data.folder import decoded
from vaecli.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def picture(colour=(200, 100, 50), size=(12, 8), mode="RGB"):
    return Image.new("RGB", size, colour).convert(mode)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def data_of(root, **keys):
    words = "".join(f", {key}: {value}" for key, value in keys.items())
    return config_from_text(f"model: vae\ndata: {{name: folder, path: '{root}', size: 4{words}}}").data


@pytest.fixture
def pets(tmp_path):
    """Twelve pictures of two classes, and the data folder beside them."""
    for number in range(12):
        save(tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number:02}.png", picture((20 * number, 0, 0)))
    return tmp_path / "pets"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "data"


def test_sub_folders_are_labels_and_a_sixth_is_the_test_set(pets, cache):
    data = load(data_of(pets), cache)
    assert (len(data.train), len(data.test), data.image_shape) == (10, 2, (4, 4, 3))
    for split in (data.train, data.test):
        assert np.array_equal(split.images[:, 0, 0, 0] // 20 % 2, split.labels)
    assert data.called == "pets"
    assert data.made == (
        f"{pets}: labels from 0 are cat, dog",
        f"{pets} has no folders train and test: 2 of 12 pictures drawn as the test set, the same ones for every run",
    )
    assert data.digest == load(data_of(pets), cache).digest
    assert load(data_of(pets, labels="none"), cache).train.labels is None


def test_train_and_test_are_taken_as_they_are(tmp_path, cache):
    for part, count in (("train", 3), ("test", 2)):
        for number in range(count):
            save(tmp_path / "my" / part / "abc"[number] / "x.bmp", picture((50 * number, 0, 0), mode="L"))
    data = load(data_of(tmp_path / "my", channels=1), cache)
    assert [split.labels.tolist() for split in (data.train, data.test)] == [[0, 1, 2], [0, 1]]
    assert data.image_shape == (4, 4, 1)
    save(tmp_path / "my" / "other.png", picture())
    with pytest.raises(DataError, match=r"other\.png lies in neither train nor test"):
        load(data_of(tmp_path / "my"), cache)


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_part_alone_is_refused(tmp_path, cache, part):
    save(tmp_path / "my" / part / "x.png", picture())
    with pytest.raises(DataError, match=f"has a folder {part} but not the other one"):
        load(data_of(tmp_path / "my"), cache)


def test_one_picture_is_not_split(tmp_path, cache):
    save(tmp_path / "my" / "x.png", picture())
    with pytest.raises(DataError) as error:
        load(data_of(tmp_path / "my"), cache)
    assert error.value.lines == (f"{tmp_path}/my: one picture alone is no training set and test set",)


def test_pictures_beside_classes_are_named(pets, cache):
    save(pets / "lonely.png", picture())
    with pytest.raises(DataError, match=r"lonely\.png lies beside the sub-folders that are labels"):
        load(data_of(pets), cache)
    assert len(load(data_of(pets, labels="none"), cache).train) == 11


MODES = {
    "png": ("RGB", "L", "P", "1", "RGBA", "LA"),
    "jpg": ("RGB", "L", "1", "CMYK"),
    "webp": ("RGB", "L", "P", "RGBA"),
    "bmp": ("RGB", "L", "P", "1", "RGBA"),
}


@pytest.mark.parametrize(("ending", "mode"), [(ending, mode) for ending, modes in MODES.items() for mode in modes])
def test_every_mode_of_every_format_is_read(tmp_path, ending, mode):
    path = tmp_path / f"x.{ending}"
    picture((255, 255, 255), mode=mode).save(path)
    for channels in (1, 3):
        pixels = decoded(path, 4, channels)
        assert pixels.shape == (4, 4, channels)
        assert pixels.min() >= 250


def test_what_is_transparent_is_white(tmp_path):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 4, 8))
    image.save(tmp_path / "alpha.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.paste(0, (0, 0, 4, 8))
    palette.save(tmp_path / "palette.png", transparency=1)
    for name in ("alpha", "palette"):
        pixels = decoded(tmp_path / f"{name}.png", 8, 3)
        assert (pixels[:, :4] == (255, 0, 0)).all()
        assert (pixels[:, 4:] == 255).all()


def test_a_picture_stands_upright_as_its_camera_says(tmp_path):
    image = picture((0, 0, 0), (8, 8))
    image.paste((255, 255, 255), (0, 0, 8, 4))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image.save(tmp_path / "x.png", exif=exif)
    pixels = decoded(tmp_path / "x.png", 8, 1)[..., 0]
    assert (pixels[:, 4:] == 255).all()
    assert (pixels[:, :4] == 0).all()


def test_of_a_cameras_jpeg_with_a_preview_the_picture_is_read(tmp_path):
    picture((255, 255, 255)).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[picture((0, 0, 0))])
    assert Image.open(tmp_path / "x.jpg").n_frames == 2
    assert decoded(tmp_path / "x.jpg", 4, 1).min() >= 250


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    values = np.repeat(np.array([[0, 256, 20_000, 65_535]], np.uint16), 4, 0)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert decoded(tmp_path / "x.png", 4, 1)[0, :, 0].tolist() == [0, 1, 78, 255]


def test_the_middle_of_a_long_picture_is_kept(tmp_path):
    image = picture((0, 0, 0), (12, 4))
    image.paste((255, 255, 255), (4, 0, 8, 4))
    image.save(tmp_path / "x.png")
    assert (decoded(tmp_path / "x.png", 4, 1) == 255).all()


def bomb(path):
    """A PNG of a few bytes that says it has 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    body = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))


def hostile(root, tmp_path):
    """Files that must not be read, by name, with a part of what is said of each."""
    bomb(root / "cat" / "bomb.png")
    save(tmp_path / "secret.png", picture())
    (root / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "cat" / "loop.png").symlink_to("loop.png")
    (root / "elsewhere").symlink_to(tmp_path)
    (root / "cat" / "new\nline.png").write_bytes(b"nothing")
    frames = [picture((number, 0, 0)) for number in (0, 100)]
    frames[0].save(root / "cat" / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(root / "cat" / "moving.png", format="GIF")
    frames[0].save(root / "cat" / "moving.webp", save_all=True, append_images=frames[1:])
    os.mkfifo(root / "cat" / "pipe.png")
    save(root / "cat" / "half.jpg", Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)))
    (root / "cat" / "half.jpg").write_bytes((root / "cat" / "half.jpg").read_bytes()[:1000])
    (root / "dog" / "._hidden.png").write_bytes(b"of a Mac")
    (root / "dog" / "notes.txt").write_text("no picture")
    return {
        "cat/bomb.png": "exceeds limit",
        "cat/link.png": "a link out of the folder",
        "cat/loop.png": "not readable",
        "elsewhere": "a link to a folder, which is not followed",
        "cat/new\nline.png": "no readable PNG, JPEG, WebP or BMP",
        "cat/moving.gif": "no readable PNG, JPEG, WebP or BMP",
        "cat/moving.png": "no readable PNG, JPEG, WebP or BMP",
        "cat/moving.webp": "has 2 frames",
        "cat/pipe.png": "not a file",
        "cat/half.jpg": "truncated",
    }


def test_hostile_files_are_named_in_a_line_each_and_skipped(pets, cache, tmp_path):
    clean = load(data_of(pets), cache)
    expected = hostile(pets, tmp_path)
    data = load(data_of(pets), cache)
    assert data.digest == clean.digest
    first, *lines = data.made[: 1 + len(expected)]
    assert first == f"{pets}: {len(expected)} files skipped:"
    for name, reason in expected.items():
        start = f"{pets}/{name}: ".replace("\n", "\\n")
        (line,) = (line for line in lines if line.startswith(start))
        assert reason in line
        assert line.isprintable()


def test_a_folder_that_cannot_be_listed_is_a_line(pets, cache, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if path.name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    data = load(data_of(pets), cache)
    assert len(data.train) + len(data.test) == 6
    assert data.made[:2] == (f"{pets}: 1 file skipped:", f"{pets}/dog: not readable (Permission denied)")


@pytest.mark.parametrize(("bad", "named", "said"), [(50, 50, ":"), (120, 100, "; the first 100 are:")])
def test_every_bad_file_is_named_but_in_a_flood(pets, cache, bad, named, said):
    for number in range(bad):
        (pets / "cat" / f"bad{number}.png").write_bytes(b"")
    lines = load(data_of(pets), cache).made
    assert lines[0] == f"{pets}: {bad} files skipped{said}"
    assert sum("no readable PNG" in line for line in lines) == named


def test_a_bad_file_is_refused_if_asked_whatever_was_skipped_before(pets, cache):
    (pets / "cat" / "bad.png").write_bytes(b"")
    assert len(load(data_of(pets), cache).train) == 10
    with pytest.raises(DataError) as error:
        load(data_of(pets, on_error="refuse"), cache)
    assert error.value.lines[0] == f"{pets}: 1 file not read (data.on_error: skip goes on without):"
    assert error.value.lines[1] == f"{pets}/cat/bad.png: no readable PNG, JPEG, WebP or BMP"


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST_PIXELS", 95)
    picture().save(tmp_path / "x.png")
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(ValueError, match="12 x 8 pixels, at most 95 are read"):
        decoded(tmp_path / "x.png", 4, 3)


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_no_pictures_are_a_data_error(tmp_path, cache, name):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no such folder|not a folder|no picture that can be read"):
        load(data_of(tmp_path / name), cache)


def test_pictures_are_decoded_once_and_again_if_anything_changed(pets, cache, monkeypatch):
    decodings = []
    monkeypatch.setattr(folder, "decoded", lambda *asked: decodings.append(asked) or decoded(*asked))

    def again(**keys):
        decodings.clear()
        load(data_of(pets, **keys), cache)
        return len(decodings)

    assert [again(), again(), again(labels="none", title="Pets"), again(channels=1), again()] == [12, 0, 0, 12, 0]
    os.utime(pets / "cat" / "00.png", ns=(1, 1))
    assert [again(), again()] == [12, 0]
    for path in (cache / "decoded").glob("*.npz"):
        raw = bytearray(path.read_bytes())
        raw[-30] ^= 1
        path.write_bytes(raw)
    assert [again(), again()] == [12, 0]
    for path in (cache / "decoded").glob("*.sha256"):
        path.unlink()
    assert [again(), again()] == [12, 0]
    assert not [name for name in written(cache) if "/." in name]


def test_without_a_place_for_the_cache_the_pictures_are_read_all_the_same(pets, tmp_path):
    (tmp_path / "file").touch()
    data = load(data_of(pets), tmp_path / "file" / "data")
    assert len(data.train) == 10
    assert "the pictures are decoded at each start" in data.made[0]


@pytest.mark.parametrize("keys", ["size: 0", "channels: 2", "labels: some", "on_error: ignore"])
def test_keys_of_a_folder_are_checked_and_are_keys_of_no_other_data(keys):
    with pytest.raises(ConfigError):
        config_from_text(f"model: vae\ndata: {{name: folder, path: x, {keys}}}")
    with pytest.raises(ConfigError, match="has no effect with data: mnist"):
        config_from_text(f"model: vae\ndata: {{name: mnist, {keys}}}")


def test_the_second_start_of_many_pictures_reads_the_cache(tmp_path, cache):
    noise = RNG.integers(0, 256, (300, 9, 7, 3)).astype(np.uint8)
    (tmp_path / "many").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "many" / f"{number}.png", compress_level=1)
    first = load(data_of(tmp_path / "many"), cache)
    for path in (tmp_path / "many").iterdir():  # the pictures themselves are not opened again
        facts = path.stat()
        path.write_bytes(bytes(facts.st_size))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert load(data_of(tmp_path / "many"), cache).digest == first.digest
