"""The basis of all tests: no network, no user data, and trained runs small enough to make again."""

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vaecli.backend.process import import_keras, prepare

prepare()  # before anything imports TensorFlow
import_keras()  # as the program does, whatever keras.json says

import hostile  # noqa: E402
from helpers import KINDS, small_config, train  # noqa: E402
from vaecli.config import Config  # noqa: E402
from vaecli.data.known import KNOWN, locate  # noqa: E402
from vaecli.experiment import drawing  # noqa: E402
from vaecli.runs import Run  # noqa: E402

# Asked before the tests change the environment.
MNIST_FILES = locate(KNOWN["mnist"], None)
MNIST_DIR = None if MNIST_FILES is None else next(iter(MNIST_FILES.values())).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    settings = ", ".join(hostile.SETTINGS)
    parser.addoption("--hostile", default="", help=f"surroundings that must not matter: all, or some of {settings}")


# Minutes each: begun last, one of them would run alone while the other process has nothing left.
SLOW = ("test_faults.py", "test_protocol.py", "test_cluster.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in SLOW)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("mnist") and MNIST_DIR is None:
        pytest.skip("needs the real MNIST: set VAECLI_DATA_DIR to the folder of mnist.npz")


@pytest.fixture
def mnist_dir() -> Path:
    """The folder that holds the real MNIST; for tests marked `mnist`."""
    assert MNIST_DIR is not None
    return MNIST_DIR


@pytest.fixture(autouse=True)
def of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither data folders, a width nor a network: what would be fetched comes from a port where nobody listens."""
    for name in [name for name in os.environ if name.startswith("VAECLI_") or name == "COLUMNS"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras-home")))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def among_strangers(
    of_nobody: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    """What --hostile asks for."""
    if names := request.config.getoption("--hostile"):
        asked = hostile.SETTINGS if names == "all" else names.split(",")
        hostile.surround(asked, monkeypatch, tmp_path_factory.mktemp("hostile"))


DRAW, DRAWN = drawing.draw, Run.drawn


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small training takes less time than its figures: those of `once` have them, and of tests marked `drawn`."""
    if not request.node.get_closest_marker("drawn"):
        monkeypatch.setattr(drawing, "draw", lambda run, say: None)
        monkeypatch.setattr(Run, "drawn", True)


@pytest.fixture(autouse=True, scope="module")
def memory_given_back() -> Iterator[None]:
    """A trainer and its compiled programs refer to each other: without this the suite would keep them all."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes of this session."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(shared: Path) -> Callable[[Config], Run]:
    """`once(config)`: its run, trained once per session, whichever process asks first; read it, do not change it."""
    runs: dict[str, Run] = {}

    def run(config: Config) -> Run:
        folder = shared / f"{config.training.epochs} epochs"  # apart, or a longer run would extend a shorter one
        key = config.model_dump_json()
        if key not in runs:
            with (shared / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with pytest.MonkeyPatch.context() as as_ever:
                    as_ever.setattr(drawing, "draw", DRAW)
                    as_ever.setattr(Run, "drawn", DRAWN)
                    runs[key] = train(config, folder)
        return runs[key]

    return run


@pytest.fixture(scope="session")
def finished(once: Callable[[Config], Run]) -> Callable[..., Run]:
    """`finished(method)`: a run of two epochs on digits (or `epochs=`, `seed=`), as `once` has it."""
    return lambda method, **options: once(small_config(method, **options))


@pytest.fixture(params=KINDS)
def finished_run(request: pytest.FixtureRequest, finished: Callable[[str], Run]) -> Run:
    """A finished run of each kind of method in turn."""
    return finished(request.param)
