import os
import subprocess
import sys

import pytest

from vaecli.backend import chatter


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
        "print({'keras', 'tensorflow', 'sklearn', 'jax'} & set(sys.modules) == {'keras', 'tensorflow'})\n"
        "import sklearn\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_keras_runs_on_tensorflow_whatever_the_environment_says():
    code = "from vaecli.backend import prepare; prepare(1)\nimport keras; print(keras.backend.backend())"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "tensorflow\n"
