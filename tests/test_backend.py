import ctypes
import os
import subprocess
import sys

import pytest

from vaecli.backend import chatter, prepare


def test_what_c_prints_is_chatter(tmp_path, capfd):
    with chatter(tmp_path / "log"):
        ctypes.CDLL(None).perror(b"from C")
    assert (tmp_path / "log").read_text().startswith("from C: ")
    assert capfd.readouterr().err == ""


def test_chatter_is_added_to_what_the_log_holds(tmp_path):
    for line in (b"first\n", b"second\n"):
        with chatter(tmp_path / "log"):
            os.write(2, line)
    assert (tmp_path / "log").read_text() == "first\nsecond\n"


def test_threads_are_as_many_as_asked_and_the_users_log_level_stays(monkeypatch):
    monkeypatch.setattr(os, "environ", {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "0"})
    prepare()
    assert os.environ == {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "0"}
    prepare(threads=3)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == os.environ["TF_NUM_INTEROP_THREADS"] == "3"


def test_chatter_goes_to_the_log_and_the_descriptor_comes_back(tmp_path, capfd):
    with chatter(tmp_path / "log"):
        os.write(2, b"from below\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a child\\n')"], check=True)
    os.write(2, b"for people\n")
    assert (tmp_path / "log").read_text() == "from below\nfrom a child\n"
    assert capfd.readouterr().err == "for people\n"


def test_the_descriptor_comes_back_after_an_error(tmp_path, capfd):
    with pytest.raises(ZeroDivisionError), chatter(tmp_path / "log"):
        _ = 1 / 0
    os.write(2, b"for people\n")
    assert capfd.readouterr().err == "for people\n"


def test_keras_is_imported_without_what_it_does_not_need():
    code = (
        "import sys\n"
        "from vaecli.backend import import_keras, prepare\n"
        "prepare(); import_keras()\n"
        "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "print({'keras', 'tensorflow', 'sklearn', 'jax', 'matplotlib'} & set(sys.modules) == {'keras', 'tensorflow'})\n"
        "import sklearn\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\nTrue\n"


def test_keras_runs_on_tensorflow_whatever_the_environment_says():
    code = "from vaecli.backend import prepare; prepare(1)\nimport keras; print(keras.backend.backend())"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "tensorflow\n"
