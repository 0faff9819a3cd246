"""The same wrong values at every door: is each refused everywhere in the same words, or does it mean the same?

    python tests/benchmarks/every_door.py

Values of keys go through a YAML file, --set, --sweep, and from Python as a tree and as settings; arrays through an npz,
a known data set, `vaecli encode` and load_run().encode; files that are something else through those that read files,
and a folder of pictures. Prints a line for each value, and exits with 1 if two doors disagree without a reason that is
named here.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vaecli import api
from vaecli.backend.process import prepare
from vaecli.config import config_from_tree, read_config
from vaecli.config.schema import DataConfig
from vaecli.config.source import parse_value
from vaecli.data.files import npz_dataset
from vaecli.data.known import KNOWN, locate, read
from vaecli.data.load import load
from vaecli.data.source import source_of
from vaecli.errors import VaecliError
from vaecli.experiment.apply import Applied
from vaecli.experiment.trained import TrainedRun
from vaecli.launch.asked import configs_of
from vaecli.runs import Run

KEYS = (
    *(f"training.epochs={value}" for value in ("0", "-1", "1.5", "2.0", "ten", "'3'", "true", "[1]", "{a: 1}", "1e9")),
    *(f"training.seed={value}" for value in ("-1", "2147483648", "null", "1e3")),
    *(f"training.learning_rate={value}" for value in ("0", "-1", "1e-50", "1e39", ".nan", ".inf", "fast", "[1e-3]")),
    *(f"model.temperature={value}" for value in ("0", "-1", "1e-50", "warm", "{start: 1}")),
    *(f"network.hidden={value}" for value in ("5", "[0]", "[1.5]", '["16"]', "[[1]]", "wide")),
    *("model.unimix=1", "model.num_classes=1", "model.num_codes=3", "objective.beta=-1", "objective.likelihood=mes"),
    *("training.shuffle=no", "training.optimizer=adma", "data.name=mnits", "data.fallback=digits", "epochs=3"),
)
BYTES = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
FLOATS = (BYTES / 255).astype(np.float32)
ARRAYS: Mapping[str, np.ndarray] = {
    "bytes": BYTES,
    "bytes as int64": BYTES.astype(np.int64),
    "channels last": BYTES[..., None],
    "channels first": BYTES[:, None],
    "floats of 0 to 255": FLOATS * 255,
    "floats of -1 to 1": 2 * FLOATS - 1,
    "one pixel of 1.0000001": np.where(FLOATS.max() == FLOATS, np.float32(1.0000001), FLOATS),
    "NaN": FLOATS * np.float32(np.nan),
    "infinite": np.where(FLOATS > 0.5, np.float32(np.inf), FLOATS),
    "integers of -128 to 127": BYTES.astype(np.int64) - 128,
    "integers of 0 to 256": BYTES.astype(np.int64) + (BYTES == 255),
    "complex": FLOATS + 0j,
    "texts": BYTES.astype("U3"),
    "dates": BYTES.astype("datetime64[s]"),
    "four channels": np.stack([BYTES] * 4, -1),
    "no images": BYTES[:0],
    "a vector": BYTES[0, 0],
    "zeros and ones": (BYTES > 127).astype(np.uint8),
    "bytes of 0 to 16": BYTES // 16,
}
FILES: Mapping[str, bytes] = {
    "empty": b"",
    "HTML": b"<!DOCTYPE html>\n<title>404</title>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "CSV": b"label,pixel\n5,0\n",
    "pickle": b"\x80\x04K\x01.",
    "PNG, cut off": b"\x89PNG\r\n\x1a\n" + bytes(9),
    "zip, cut off": b"PK\x03\x04 and then nothing",
    "Parquet": b"PAR1" + bytes(9),
}
# Where doors have a reason to differ: what is known of white, of the shape, or of what is to be read.
REASONS = {
    "model.num_codes=3": "a sweep is for several methods, and names those without the key",
    "zeros and ones": "a file alone says that 1 is white; a run on bytes has another white",
    "bytes of 0 to 16": "of a file nobody knows which is white; a run knows",
    "no images": "a run encodes none to none",
    "four channels": "a run names its own shape",
    "a vector": "a run names its own shape",
    "integers of -128 to 127": "a file's words say what would do; a run's say what white is there",
    "integers of 0 to 256": "a file's words say what would do; a run's say what white is there",
    "PNG, cut off": "a folder reads pictures",
}
BASE = "model: {name: gumbel}\ndata: {name: digits}\n"


def words(door: Callable[[], Any]) -> str:
    """What a door says without the place; "taken" if it takes the value."""
    try:
        door()
    except VaecliError as error:
        line = re.sub(r"^--set .*?: (?=unknown |[a-z]+: unknown |\w+\.[\w.]+: )", "", error.lines[0])
        return re.sub(r"^(\S+:\d+:\d+: |config: |\S+\.npz: |images: )?(x_train: )?", "", line)
    return "taken"


def of_keys(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    base, whole = folder / "base.yaml", folder / "f.yaml"
    base.write_text(BASE)
    for setting in KEYS:
        key, _, text = setting.partition("=")
        value, path = parse_value(text, name="value"), key.split(".")
        tree: dict[str, Any] = {"model": {"name": "gumbel"}, "data": {"name": "digits"}}
        block = tree.setdefault(path[0], {}) if len(path) > 1 else tree
        block[path[-1]] = value
        inner = ", ".join(f"{name}: {at[name]}" for at in [_texts(path, text)] for name in at)
        whole.write_text(f"{{{inner}}}")
        doors: dict[str, Callable[[], Any]] = {
            "YAML": lambda: read_config(str(whole)),
            "--set": lambda setting=setting: read_config(str(base), [setting]),
            "--sweep": lambda setting=setting: configs_of([str(base)], [], [setting], None),
            "tree": lambda tree=tree: config_from_tree(tree, "config"),
            "set=": lambda key=key, value=value: api.config_of(str(base), set={key: value}),
        }
        yield setting, {name: words(door) for name, door in doors.items()}


def _texts(path: list[str], text: str) -> dict[str, str]:
    """The blocks of a YAML file in flow style, with the value in its place."""
    blocks = {"model": {"name": "gumbel"}, "data": {"name": "digits"}}
    if len(path) == 1:
        return {**{name: str(block).replace("'", "") for name, block in blocks.items()}, path[0]: text}
    blocks.setdefault(path[0], {})[path[1]] = text
    return {
        name: "{" + ", ".join(f"{key}: {value}" for key, value in block.items()) + "}" for name, block in blocks.items()
    }


def of_arrays(folder: Path, run: TrainedRun) -> Iterator[tuple[str, dict[str, str]]]:
    own, applied = folder / "x.npz", Applied(Run(run.path), "last")
    for name, array in ARRAYS.items():
        np.savez(own, x_train=array)
        known = replace(KNOWN["mnist"], arrays={}, shapes=dict.fromkeys(("x_train", "x_test"), array.shape))
        known = replace(known, shapes={**known.shapes, "y_train": (len(array),), "y_test": (len(array),)})
        labels = np.zeros(len(array), np.int32)
        np.savez(folder / "mnist.npz", x_train=array, x_test=array, y_train=labels, y_test=labels)
        yield (
            name,
            {
                "npz": words(lambda: npz_dataset(own)),
                "known": words(lambda known=known: read(known, locate(known, folder) or {})),
                "encode": words(lambda: run.encode(applied.images(str(own), None, lambda *told: None)[0])),
                "load_run": words(lambda array=array: run.encode(array)),
            },
        )


def of_files(folder: Path, run: TrainedRun) -> Iterator[tuple[str, dict[str, str]]]:
    applied, pictures = Applied(Run(run.path), "last"), folder / "pictures"
    pictures.mkdir()
    for name, raw in FILES.items():
        for place in ("x.npz", "mnist.npz", "pictures/x.png"):
            (folder / place).write_bytes(raw)
        data = config_from_tree({"model": "vae", "data": {"name": "folder", "path": str(pictures)}}, "config").data
        yield (
            name,
            {
                "npz": words(lambda: npz_dataset(folder / "x.npz")),
                "known": words(lambda: source_of(DataConfig(name="mnist")).read(folder)),
                "encode": words(lambda: applied.images(str(folder / "x.npz"), None, lambda *told: None)),
                "decode": words(lambda: applied.codes(folder / "x.npz")),
                "folder": "refused" if words(lambda data=data: load(data, folder)) != "taken" else "taken",
            },
        )


def main() -> None:
    prepare()
    unlike = count = 0
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        os.environ["KERAS_HOME"] = at  # nothing of the user's is read
        np.savez(folder / "bytes.npz", x_train=BYTES)
        tree = {"model": "vae", "network": {"hidden": [4]}, "data": {"name": "npz", "path": str(folder / "bytes.npz")}}
        training = {"epochs": 1, "batch_size": 8, "compile": "graph"}
        run = api.train({**tree, "training": training}, output_dir=folder / "outputs", quiet=True)
        for group in (of_keys(folder), of_arrays(folder, run), of_files(folder, run)):
            for name, said in group:
                count += 1
                told = {words for door, words in said.items() if words != "refused"}
                alike = len(told) == 1 and ("taken" in told) == ("taken" in said.values())
                mark = "same" if alike else "with reason" if name in REASONS else "UNLIKE"
                unlike += mark == "UNLIKE"
                print(f"{mark:<11}  {name:<28}  {next(iter(told)) if alike else REASONS.get(name, '')}")
                for door, words_ in () if alike else said.items():
                    print(f"{'':13}{door:>10}: {words_}")
    print(f"{count} values, of which {unlike} mean something else at some door")
    sys.exit(1 if unlike else 0)


if __name__ == "__main__":
    main()
