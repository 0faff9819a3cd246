"""Finding, fetching and verifying, with a tiny data set served from this machine."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import written
from vaecli.cli.app import app
from vaecli.config import config_from_text
from vaecli.config.schema import DataConfig
from vaecli.data import load
from vaecli.data.files import IDX_FILES
from vaecli.data.known import BATCHES, KNOWN, KnownDataset, KnownSource, fetch, first_folder, locate, read
from vaecli.data.load import silent
from vaecli.errors import DataError

RNG = np.random.default_rng(0)
ARRAYS = {
    "x_train": RNG.integers(0, 256, (12, 4, 4)).astype(np.uint8),
    "y_train": RNG.integers(0, 10, 12).astype(np.uint8),
    "x_test": RNG.integers(0, 256, (5, 4, 4)).astype(np.uint8),
    "y_test": RNG.integers(0, 10, 5).astype(np.uint8),
}


def npz(**changes):
    buffer = io.BytesIO()
    np.savez(buffer, **ARRAYS | changes)
    return buffer.getvalue()


CONTENT = npz()


@pytest.fixture
def tiny() -> KnownDataset:
    """A data set called mnist, to be fetched from a port where nobody listens."""
    return KnownDataset(
        "mnist",
        shapes={name: array.shape for name, array in ARRAYS.items()},
        layouts=KNOWN["mnist"].layouts,
        urls={"mnist.npz": "http://127.0.0.1:9/mnist.npz"},
        digests={"mnist.npz": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"},
        arrays={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in ARRAYS.items()},
    )


@pytest.fixture
def served(tiny, tmp_path_factory, monkeypatch):
    """The same, served over HTTP by a thread of this process; returns the folder of the server and the data set."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path_factory.mktemp("server")
    (folder / "mnist.npz").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        yield folder, replace(tiny, urls={"mnist.npz": url})
        server.shutdown()


def write_idx(folder, *, gz):
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in IDX_FILES.items():
        array = ARRAYS[name]
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        raw = header + array.tobytes()
        (folder / (f"{file}.gz" if gz else file)).write_bytes(gzip.compress(raw) if gz else raw)


def test_places_are_searched_in_order(tiny, tmp_path, monkeypatch):
    asked, variable, keras = (tmp_path / name for name in ("asked", "variable", "keras"))
    for folder in (asked, variable, keras / "datasets"):
        folder.mkdir(parents=True)
        (folder / "mnist.npz").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(keras))
    assert locate(tiny, None) == {"npz": keras / "datasets" / "mnist.npz"}
    monkeypatch.setenv("VAECLI_DATA_DIR", str(variable))
    assert locate(tiny, None) == {"npz": variable / "mnist.npz"}
    assert locate(tiny, asked) == {"npz": asked / "mnist.npz"}
    (asked / "mnist.npz").unlink()
    assert locate(tiny, asked) == {"npz": keras / "datasets" / "mnist.npz"}


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("below", [".", "mnist"])
def test_idx_files_serve_as_well_as_an_npz(tiny, tmp_path, gz, below):
    write_idx(tmp_path / below, gz=gz)
    from_idx = read(tiny, locate(tiny, tmp_path))
    (tmp_path / "mnist.npz").write_bytes(CONTENT)
    files = locate(tiny, tmp_path)
    assert files == {"npz": tmp_path / "mnist.npz"}  # before IDX
    assert read(tiny, files).digest == from_idx.digest


def test_half_a_data_set_is_none(tiny, tmp_path):
    write_idx(tmp_path, gz=True)
    (tmp_path / f"{IDX_FILES['y_test']}.gz").unlink()
    assert locate(tiny, tmp_path) is None


@pytest.mark.parametrize("name", ARRAYS)
def test_one_changed_value_is_refused_by_name(tiny, tmp_path, name):
    array = ARRAYS[name].copy()
    array.flat[3] ^= 1
    (tmp_path / "mnist.npz").write_bytes(npz(**{name: array}))
    with pytest.raises(DataError, match=f"damaged, or other data: the bytes of {name} are not those of mnist; move"):
        read(tiny, locate(tiny, tmp_path))


def test_other_shapes_are_refused(tiny, tmp_path):
    (tmp_path / "mnist.npz").write_bytes(npz(x_train=ARRAYS["x_train"][:5]))
    with pytest.raises(DataError, match=r"not mnist: x_train \(12, 4, 4\) is needed, received \(5, 4, 4\)"):
        read(tiny, locate(tiny, tmp_path))


def test_a_download_appears_whole_and_says_how_far_it_is(served, tmp_path):
    _, known = served
    steps = []
    fetch(known, tmp_path / "data", lambda *step: steps.append(step))
    assert written(tmp_path) == ["data", "data/mnist.npz"]
    assert steps[-1] == ("mnist.npz", len(CONTENT), len(CONTENT))
    assert read(known, locate(known, tmp_path / "data")).digest


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", b"<html>not found</html>"])
def test_other_bytes_than_expected_leave_nothing(served, tmp_path, content):
    folder, known = served
    (folder / "mnist.npz").write_bytes(content)
    with pytest.raises(DataError, match="sent other bytes than expected"):
        fetch(known, tmp_path, silent)
    assert not written(tmp_path)


def test_a_missing_file_on_the_server_leaves_nothing(served, tmp_path):
    folder, known = served
    (folder / "mnist.npz").unlink()
    with pytest.raises(DataError, match="cannot be fetched"):
        fetch(known, tmp_path, silent)
    assert not written(tmp_path)


def test_no_connection_names_the_file_the_url_and_the_ways_out(tiny, tmp_path):
    with pytest.raises(DataError) as error:
        fetch(tiny, tmp_path, silent)
    first, content, ways = error.value.lines
    assert content == f"{tmp_path} holds nothing"
    assert first.startswith(f"mnist: {tmp_path}/mnist.npz is missing, and http://127.0.0.1:9/mnist.npz cannot be")
    for way in ("by hand", "--data-dir or VAECLI_DATA_DIR", "--set data.name=digits"):
        assert way in ways
    assert not written(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(served, tmp_path):
    _, known = served
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/data cannot be written"):
        fetch(known, tmp_path / "file" / "data", silent)


@pytest.mark.parametrize(
    ("files", "content"),
    [
        (None, "cannot be read (No such file or directory)"),
        (["MNIST/", "other.npz"], "holds MNIST/, other.npz"),
        ([f"{n}.npz" for n in range(11)], "holds 0.npz, 1.npz, 10.npz, 2.npz, 3.npz, 4.npz, 5.npz, 6.npz and 3 more"),
    ],
)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_where_a_data_folder_is_named_nothing_falls_back(tiny, tmp_path, monkeypatch, files, content, by):
    monkeypatch.setitem(KNOWN, "mnist", tiny)
    folder = tmp_path / "data"
    for name in files or []:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    asked = config_from_text("model: vae\ndata: {name: mnist, fallback: digits}").data
    if by == "environment":
        monkeypatch.setenv("VAECLI_DATA_DIR", str(folder))
    with pytest.raises(DataError) as error:
        load(asked, folder if by == "argument" else None)
    _, found, _, reason = error.value.lines
    assert found == f"{folder} {content}"
    assert reason == "data.fallback: digits is for where no data folder is named"


def test_what_cannot_be_had_falls_back_only_if_asked(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(KNOWN, "mnist", tiny)
    asked = config_from_text("model: vae\ndata: {name: mnist, fallback: digits, validation: 37}").data
    data = load(asked)
    assert (data.name, data.fallback_for, len(data.train)) == ("digits", "mnist", 1400)
    assert "cannot be fetched" in data.fallback_reason
    with pytest.raises(DataError):
        load(config_from_text("model: vae\ndata: mnist").data, tmp_path)


def test_what_is_there_but_damaged_never_falls_back(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(KNOWN, "mnist", tiny)
    (tmp_path / "mnist.npz").write_bytes(CONTENT[:-50])
    with pytest.raises(DataError, match="not a readable npz"):
        load(config_from_text("model: vae\ndata: {name: mnist, fallback: digits}").data, tmp_path)


def shrunk(name):
    """A known data set of the sizes of ARRAYS, and what was done to be found as published."""
    known = KNOWN[name]
    image = known.shapes["x_train"][1:] if name == "cifar10" else ARRAYS["x_train"].shape[1:]
    sizes = {"train": 10 if name == "cifar10" else 12, "test": 5}
    shapes = {f"{a}_{part}": (n, *(image if a == "x" else ())) for part, n in sizes.items() for a in "xy"}
    return replace(known, shapes=shapes)


def test_kmnist_is_four_files_of_one_array_or_idx(tmp_path):
    known, names = shrunk("kmnist"), {"x": "imgs", "y": "labels"}
    for below in (".", "kmnist"):
        folder = tmp_path / below
        folder.mkdir(exist_ok=True)
        for name, array in ARRAYS.items():
            np.savez_compressed(folder / f"kmnist-{name[2:]}-{names[name[0]]}.npz", array)
        data = read(known, locate(known, tmp_path))
        assert data.source == f"{folder}, not verified"
        assert np.array_equal(data.train.images[..., 0], ARRAYS["x_train"])
        assert np.array_equal(data.test.labels, ARRAYS["y_test"])
        for file in folder.glob("*.npz"):
            file.unlink()
    write_idx(tmp_path, gz=True)
    assert locate(known, tmp_path) is None  # there they would be taken for MNIST
    write_idx(tmp_path / "kmnist", gz=True)
    assert read(known, locate(known, tmp_path)).digest == replace(data, name="kmnist").digest


def test_a_file_with_another_array_is_no_part_of_kmnist(tmp_path):
    for part in ("train-imgs", "train-labels", "test-imgs", "test-labels"):
        np.savez(tmp_path / f"kmnist-{part}.npz", other=ARRAYS["x_train"])
    with pytest.raises(DataError, match=r"kmnist-train-imgs\.npz: has no array arr_0"):
        read(shrunk("kmnist"), locate(KNOWN["kmnist"], tmp_path))


def test_files_as_published_are_verified(tmp_path):
    write_idx(tmp_path / "kmnist", gz=True)
    known, files = shrunk("kmnist"), locate(KNOWN["kmnist"], tmp_path)
    digests = {f"kmnist/{p.name}": f"md5:{hashlib.md5(p.read_bytes()).hexdigest()}" for p in files.values()}
    assert read(replace(known, digests=digests), files).source == str(tmp_path / "kmnist")
    digests["kmnist/t10k-labels-idx1-ubyte.gz"] = "md5:0"
    assert read(replace(known, digests=digests), files).source == f"{tmp_path / 'kmnist'}, not verified"


def test_what_is_not_as_published_is_refused_by_fetch(tmp_path, monkeypatch):
    write_idx(tmp_path / "kmnist", gz=True)
    monkeypatch.setitem(KNOWN, "kmnist", shrunk("kmnist"))
    done = CliRunner().invoke(app, ["data", "fetch", "kmnist", "--data-dir", str(tmp_path)])
    reason = "its bytes are not those that are published; move it away, and it is fetched"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{tmp_path}/kmnist, not verified: {reason}\n")


def test_what_is_not_here_is_told_with_the_command_that_fetches_it(tmp_path):
    with pytest.raises(DataError) as error:
        KnownSource(DataConfig(name="mnist")).read(tmp_path)
    assert error.value.lines == ("mnist is not here; `vaecli data fetch mnist`",)


def test_without_a_home_a_data_folder_is_to_be_named(monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(DataError) as error:
        first_folder(None)
    assert error.value.lines == (
        "there is no home for Keras' cache; --data-dir or VAECLI_DATA_DIR names a folder of data sets",
    )


COLOURS = RNG.integers(0, 256, (15, 32, 32, 3)).astype(np.uint8)
NUMBERS = RNG.integers(0, 10, 15).astype(np.uint8)


def cifar():
    """The files of CIFAR-10's binary version: two records in each of five, five in the last."""
    planes = COLOURS.transpose(0, 3, 1, 2).reshape(15, -1)
    records = np.concatenate([NUMBERS[:, None], planes], 1)
    return {name: records[2 * i : 2 * i + (2 if i < 5 else 5)].tobytes() for i, name in enumerate(BATCHES)}


def packed(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_cifar10_is_read_from_its_binary_version(tmp_path, form):
    if form == "folder":
        (tmp_path / "cifar-10-batches-bin").mkdir()
        for name, raw in cifar().items():
            (tmp_path / "cifar-10-batches-bin" / name).write_bytes(raw)
    else:
        packed(tmp_path / "cifar-10-binary.tar.gz", cifar())
    known = shrunk("cifar10")
    data = read(known, locate(known, tmp_path))
    assert np.array_equal(data.train.images, COLOURS[:10])
    assert np.array_equal(data.test.images, COLOURS[10:])
    assert np.array_equal(np.concatenate([data.train.labels, data.test.labels]), NUMBERS)
    assert data.image_shape == (32, 32, 3)
    assert data.source.endswith("not verified")


def test_a_damaged_cifar10_is_refused_by_name(tmp_path):
    known, path = shrunk("cifar10"), tmp_path / "cifar-10-binary.tar.gz"
    files = cifar()

    def refused(message):
        with pytest.raises(DataError, match=message):
            read(known, locate(known, tmp_path))

    packed(path, {**files, "data_batch_3.bin": files["data_batch_3.bin"][:-1]})
    refused("damaged: data_batch_3.bin has 6,145 bytes, records of 3,073 are needed")
    packed(path, {**files, "data_batch_3.bin": files["test_batch.bin"]})
    refused(r"not cifar10: x_train \(10, 32, 32, 3\) is needed, received \(13, 32, 32, 3\)")
    packed(path, {name: raw for name, raw in files.items() if name != "test_batch.bin"})
    refused("has no test_batch.bin")
    packed(path, files)
    path.write_bytes(path.read_bytes()[:-2000])
    refused("not readable")


def test_a_batch_missing_from_the_folder_is_none(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in BATCHES[1:]:
        (tmp_path / "cifar-10-batches-bin" / name).touch()
    assert locate(KNOWN["cifar10"], tmp_path) is None


@pytest.mark.mnist
def test_mnist_is_mnist(mnist_dir):
    data = read(KNOWN["mnist"], locate(KNOWN["mnist"], mnist_dir))
    assert data.train.images.shape == (60_000, 28, 28, 1)
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.mnist
def test_mnist_with_one_changed_pixel_is_refused(mnist_dir, tmp_path):
    with np.load(mnist_dir / "mnist.npz") as archive:
        arrays = {name: archive[name] for name in ARRAYS}
    arrays["x_test"][1234, 5, 6] ^= 1
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(DataError, match="damaged, or other data: the bytes of x_test are not those of mnist"):
        read(KNOWN["mnist"], locate(KNOWN["mnist"], tmp_path))


def test_the_images_of_another_data_set_are_called_that(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(KNOWN, "mnist", tiny)
    for name in ("fashion_mnist", "kmnist"):
        known = replace(KNOWN[name], shapes=tiny.shapes, layouts=(({"npz": (f"{name}.npz",)}),))
        (tmp_path / f"{name}.npz").write_bytes(CONTENT)
        with pytest.raises(DataError, match=f"x_train is that of mnist, where {name} is looked for; move it away"):
            read(known, locate(known, tmp_path))


@pytest.mark.parametrize(
    ("name", "folder", "ending"),
    [
        ("mnist", "MNIST/raw", ""),
        ("mnist", "MNIST/raw", ".gz"),
        ("mnist", "", "."),
        ("mnist", "", "/"),
        ("fashion_mnist", "FashionMNIST/raw", ""),
        ("fashion_mnist", "data/fashion", ".gz"),
        ("kmnist", "KMNIST/raw", ""),
    ],
)
def test_the_layouts_of_other_libraries_are_found(tmp_path, name, folder, ending):
    where = tmp_path / folder
    where.mkdir(parents=True, exist_ok=True)
    for file in IDX_FILES.values():
        if ending == "/":
            (where / file).mkdir()
        path = {".": file.replace("-idx", ".idx"), "/": f"{file}/{file}"}.get(ending, file + ending)
        (where / path).touch()
    assert sorted(locate(KNOWN[name], tmp_path)) == sorted(IDX_FILES)
