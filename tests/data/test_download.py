"""Servers that misbehave: one line that names the URL, and nothing left behind."""

import hashlib
import socket
import threading

import pytest

from helpers import written
from vaecli.data import download as module
from vaecli.data.download import download
from vaecli.data.load import silent
from vaecli.errors import DataError

CONTENT = bytes(range(256)) * 10
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def answering(monkeypatch):
    """`answering(raw)`: the URL of a server that answers one request with these bytes and hangs up."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(raw):
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(raw)

        def start(raw):
            threading.Thread(target=answer, args=(raw,), daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/x.npz"

        yield start


def response(*headers, body=CONTENT, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "raw",
    [
        response(f"Content-Length: {len(CONTENT)}"),
        response(),
        response(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)),
        response("Content-Length: nonsense"),
    ],
    ids=["length", "no length", "chunked", "nonsense for a length"],
)
def test_a_file_is_fetched_whatever_the_server_says_of_its_length(answering, tmp_path, raw):
    download(answering(raw), tmp_path / "x.npz", DIGEST, silent)
    assert (tmp_path / "x.npz").read_bytes() == CONTENT
    assert written(tmp_path) == ["x.npz"]


def test_a_fetched_file_may_be_read_by_everyone(answering, tmp_path):
    """A data folder is often shared; a temporary file belongs to one user alone."""
    download(answering(response()), tmp_path / "x.npz", DIGEST, silent)
    assert (tmp_path / "x.npz").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "raw",
    [
        response(f"Content-Length: {len(CONTENT)}", body=CONTENT[:-1]),
        response(f"Content-Length: {len(CONTENT)}", body=b""),
        response(CHUNKED, body=b"%x\r\n%s" % (len(CONTENT), CONTENT[:-1])),
        response(CHUNKED, body=b"zz\r\n"),
        response(body=CONTENT[::-1]),
        response(status="404 Not Found"),
        response("Location: file:///etc/passwd", status="302 Found"),
        b"",
        b"this is no HTTP\r\n",
    ],
    ids=[
        "cut off",
        "empty",
        "cut off in a chunk",
        "broken chunk",
        "wrong digest",
        "404",
        "redirect to a file",
        "hung up",
        "no HTTP",
    ],
)
def test_a_broken_transfer_is_one_line_and_leaves_nothing(answering, tmp_path, raw):
    url = answering(raw)
    with pytest.raises(DataError) as error:
        download(url, tmp_path / "data" / "x.npz", DIGEST, silent)
    (line,) = error.value.lines
    assert line.startswith(url)
    assert line.isprintable()
    assert not written(tmp_path)


def test_a_broken_transfer_leaves_the_file_that_was_there(answering, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"older")
    with pytest.raises(DataError):
        download(answering(response(body=b"other")), tmp_path / "x.npz", DIGEST, silent)
    assert (tmp_path / "x.npz").read_bytes() == b"older"


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.npz"
        with pytest.raises(DataError, match=r"cannot be fetched \(no answer within 0\.05 s\)"):
            download(url, tmp_path / "x.npz", DIGEST, silent)
    assert not written(tmp_path)


def test_nobody_listening_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match=r"^http://127\.0\.0\.1:9/x cannot be fetched \(.*Connection refused\)$"):
        download("http://127.0.0.1:9/x", tmp_path / "x.npz", DIGEST, silent)
    assert not written(tmp_path)


def test_a_folder_that_was_made_for_what_could_not_be_fetched_is_gone_and_one_of_the_user_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "mine").mkdir()
    for folder in ("made", "mine"):
        with pytest.raises(DataError, match="cannot be fetched"):
            download("http://127.0.0.1:9/x", tmp_path / folder / "x.npz", DIGEST, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("folder", ["file", "file/data", "/proc/data"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, folder):
    (tmp_path / "file").touch()
    target = tmp_path / folder / "x.npz"
    with pytest.raises(DataError, match=f"^{target.parent} cannot be written"):
        download("http://127.0.0.1:9/x", target, DIGEST, silent)
