import errno
import os
import stat

import numpy as np
import pytest

from vaecli.errors import RunError
from vaecli.runs import files


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    files.write(path, "old content")
    files.write(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file.txt"
    files.write(path, "old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    class FullFile:
        def __init__(self, handle, mode):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *_):
            os.close(self.handle)

        write = no_space

    with monkeypatch.context() as broken:
        broken.setattr(os, *{"write": ("fdopen", FullFile)}.get(call, (call, no_space)))
        with pytest.raises(RunError, match=r"file\.txt: cannot be written \(No space left on device\)"):
            files.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def refusing(monkeypatch, name, number, *, of):
    """os.<name> answers with an error for files (of=False), or for folders (of=True)."""
    real = getattr(os, name)

    def refuse(target, *rest):
        folder = stat.S_ISDIR((os.fstat if isinstance(target, int) else os.stat)(target).st_mode)
        if folder is of:
            raise OSError(number, os.strerror(number))
        return real(target, *rest)

    monkeypatch.setattr(os, name, refuse)


@pytest.mark.parametrize(
    "call", [lambda path: files.write(path, "new"), lambda path: files.write_by(path, lambda part: None)]
)
def test_nothing_but_a_regular_file_is_replaced(tmp_path, call):
    """A rename would put a file in the place of /dev/null, where the user may."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match=r"cannot be written \(not a regular file\)"):
        call(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced_refuses_nothing(tmp_path, monkeypatch, number):
    refusing(monkeypatch, "fsync", number, of=True)
    files.write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_modes_refuses_nothing(tmp_path, monkeypatch, number):
    refusing(monkeypatch, "chmod", number, of=False)
    files.write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_sync_that_goes_wrong_is_an_error_everywhere(tmp_path, monkeypatch, number, folder):
    refusing(monkeypatch, "fsync", number, of=folder)
    with pytest.raises(RunError, match=r"cannot be written"):
        files.write(tmp_path / "file.txt", "new")


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not os.listdir(tmp_path)


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"a/b": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.int64(7)}
    files.write_npz(tmp_path / "x.npz", arrays)
    back = files.read_npz(tmp_path / "x.npz")
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], arrays[name]) and back[name].dtype == arrays[name].dtype for name in arrays)


def test_any_flipped_byte_of_the_arrays_is_noticed(tmp_path):
    path = tmp_path / "x.npz"
    files.write_npz(path, {"weights": np.ones(64, np.float32)})
    whole = path.read_bytes()
    start = whole.index(np.ones(64, np.float32).tobytes())
    for place in range(start, start + 256, 17):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Exception, match="CRC"):
            files.read_npz(path)
