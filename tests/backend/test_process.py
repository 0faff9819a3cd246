import ctypes
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from vaecli.backend import process
from vaecli.backend.process import SESSION, chatter, control_groups, cores, prepare, processors, python
from vaecli.errors import RunFailed


def written(log):
    """What a log holds beside the line that begins each session."""
    return "".join(line for line in log.read_text().splitlines(keepends=True) if not line.startswith(SESSION))


def test_what_c_prints_is_chatter(tmp_path, capfd):
    with chatter(tmp_path / "log"):
        ctypes.CDLL(None).perror(b"from C")
    assert written(tmp_path / "log").startswith("from C: ")
    assert capfd.readouterr().err == ""


def test_chatter_is_added_to_what_the_log_holds(tmp_path):
    for line in (b"first\n", b"second\n"):
        with chatter(tmp_path / "log"):
            os.write(2, line)
    assert written(tmp_path / "log") == "first\nsecond\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_ends_no_training_for_its_chatter():
    with chatter(Path("/dev/full")):
        pass


def test_threads_are_as_many_as_asked_and_the_users_log_level_stays(monkeypatch):
    monkeypatch.setattr(os, "environ", {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "0"})
    prepare()
    assert os.environ == {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "0", "TF_ENABLE_ONEDNN_OPTS": "1"}
    prepare(threads=3)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == os.environ["TF_NUM_INTEROP_THREADS"] == "3"


def test_chatter_goes_to_the_log_and_the_descriptor_comes_back(tmp_path, capfd):
    with chatter(tmp_path / "log"):
        os.write(2, b"from below\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a child\\n')"], check=True)
    os.write(2, b"for people\n")
    assert written(tmp_path / "log") == "from below\nfrom a child\n"
    assert capfd.readouterr().err == "for people\n"


def test_the_descriptor_comes_back_after_an_error(tmp_path, capfd):
    with pytest.raises(ZeroDivisionError), chatter(tmp_path / "log"):
        _ = 1 / 0
    os.write(2, b"for people\n")
    assert capfd.readouterr().err == "for people\n"


def test_keras_is_imported_without_what_it_does_not_need():
    code = (
        "import sys\n"
        "from vaecli.backend.process import import_keras, prepare\n"
        "prepare(); import_keras()\n"
        "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "print({'keras', 'tensorflow', 'sklearn', 'jax', 'matplotlib'} & set(sys.modules) == {'keras', 'tensorflow'})\n"
        "import sklearn\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\nTrue\n"


def test_keras_runs_on_tensorflow_whatever_the_environment_says():
    code = (
        "from vaecli.backend.process import *; prepare(1); import_keras(); import keras; print(keras.backend.backend())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "tensorflow\n"


@pytest.fixture
def groups(tmp_path):
    """`groups(lines, files)`: the folders of limits of a machine with such files, for a process of these groups."""

    def made(lines, files):
        mine, root = tmp_path / "cgroup", tmp_path / "fs"
        mine.write_text(lines)
        root.mkdir()
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return lambda controller: control_groups(controller, root, mine)

    return made


V1 = "cpu/{}cpu.cfs_quota_us", "cpu/{}cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "6400000 100000"}, 8),
        ("0::/\n", {"cpu.max": "no number"}, 8),
        ("0::/user/mine\n", {"user/mine/cpu.max": "max 100000", "user/cpu.max": "300000 100000"}, 3),
        ("0::/of/the/host\n", {"cpu.max": "100000 100000"}, 1),
        ("3:cpu:/mine\n", {V1[0].format("mine/"): "400000", V1[1].format("mine/"): "100000"}, 4),
        ("3:cpu:/of/the/host\n", {V1[0].format(""): "400000", V1[1].format(""): "100000"}, 4),
        ("3:cpu,cpuacct:/\n", {V1[0].format(""): "-1", V1[1].format(""): "100000"}, 8),
        ("3:cpuset:/\n", {V1[0].format(""): "100000", V1[1].format(""): "100000"}, 8),
    ],
)
def test_cores_are_what_the_containers_quota_allows(groups, monkeypatch, lines, files, expected):
    monkeypatch.setattr("vaecli.backend.process.processors", lambda: 8)
    monkeypatch.setattr("vaecli.backend.process.control_groups", groups(lines, files))
    assert cores() == expected


def test_a_system_without_affinity_or_control_groups_has_all_its_processors(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert processors() == 3
    assert list(control_groups("cpu", tmp_path, tmp_path / "none")) == []
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


def in_another_process(code, **environment):
    """What a program prints that was started as vaecli starts others."""
    done = subprocess.run(
        python(code), capture_output=True, text=True, check=True, env={**os.environ, **environment}, timeout=300
    )
    return done.stdout.splitlines()


def test_what_lies_in_the_working_directory_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("random", "keras", "typing", "types", "yaml", "json"):
        (tmp_path / f"{name}.py").write_text(f"open('{name} was executed', 'w')\n")
    assert in_another_process("import random, yaml; print(random.randrange(1))") == ["0"]
    command = [sys.executable, "-m", "vaecli", "--version"]
    (tmp_path / "types.py").unlink()  # what Python itself imports before it knows of us
    (tmp_path / "typing.py").unlink()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("vaecli ")
    assert not list(tmp_path.glob("*executed"))


KERAS_SAYS = "print(keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon())"


def test_keras_json_and_flags_of_other_programs_change_nothing(tmp_path):
    text = '{"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}'
    (tmp_path / "keras.json").write_text(text)
    code = f"from vaecli.backend.process import *; prepare(); import_keras(); import keras; {KERAS_SAYS}"
    flags = {"XLA_FLAGS": "--no_such=1", "TF_XLA_FLAGS": "--nor_such=1", "PYTHONWARNINGS": "error"}
    said = in_another_process(code, KERAS_HOME=str(tmp_path), **flags)
    assert said == ["float32 channels_last 1e-07"]


def test_the_flags_of_other_programs_come_back(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--no_such=1")
    with process.prepared():
        assert "XLA_FLAGS" not in os.environ
    assert os.environ["XLA_FLAGS"] == "--no_such=1"


def test_warnings_end_nothing_and_the_users_filters_of_them_come_back():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with process.prepared():
            warnings.warn("of a library", DeprecationWarning, stacklevel=1)
        assert warnings.filters == before


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "backend",
            "jax",
            "keras.config.backend() is 'jax' in this process, 'tensorflow' is needed; KERAS_BACKEND=tensorflow before "
            "Keras is imported",
        ),
        (
            "image_data_format",
            "channels_first",
            "keras.config.image_data_format() is 'channels_first' in this process, 'channels_last' is needed; "
            "keras.config.set_image_data_format('channels_last') before",
        ),
    ],
)
def test_a_running_keras_of_other_settings_is_refused(monkeypatch, name, value, line):
    import keras

    monkeypatch.setattr(keras.config, name, lambda: value)
    with pytest.raises(RunFailed) as error:
        process.import_keras()
    assert error.value.lines == (line,)


def test_another_floatx_of_a_running_keras_is_refused_and_not_changed():
    code = (
        "from vaecli.backend.process import *; prepare(); import_keras()\n"
        "import keras; keras.config.set_floatx('float64')\n"
        "try: import_keras()\n"
        "except Exception as error: print(error)\n"
        "print(keras.config.floatx())"
    )
    assert in_another_process(code) == [
        "keras.config.floatx() is 'float64' in this process, 'float32' is needed; keras.config.set_floatx('float32') "
        "before",
        "float64",
    ]
