"""What a training would find here: versions, machine, data and places, without starting anything."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vaecli.backend.process import chatter, cores, import_keras, prepare, processors
from vaecli.data.known import folders
from vaecli.data.source import available_data
from vaecli.experiment import memory
from vaecli.registry import DATASETS
from vaecli.runs.provenance import environment

OPTIONAL = ("distributed", "onnx", "tf2onnx", "onnxruntime")  # of --scheduler, and of the extra `onnx`
GIGA = 1e9


def examination(output_dir: Path, data_dir: Path | None, *, tensorflow: bool) -> dict[str, Any]:
    """The findings by section, in the form of JSON.

    Args:
        tensorflow: import TensorFlow, which takes seconds, and ask it for its GPUs.
    """
    found = environment()
    versions = {"vaecli": found["versions"].pop("vaecli"), **found["versions"]}
    searched, sets = folders(data_dir), [row for row in available_data(data_dir) if DATASETS[row["name"]].title]
    places = {"runs": output_dir, "temporary files": _temporary()}
    if searched:
        places["fetched data"] = searched[0]  # and the cache of pictures
    return {
        "versions": {**versions, **{name: _version(name) for name in OPTIONAL}, "git_commit": found["git_commit"]},
        "machine": {
            "platform": found["platform"],
            "processor": found["cpu"],
            "processors": processors(),
            "cores": cores(),
            "free_memory_bytes": memory.available(),
            "gpus": _gpus() if tensorflow else None,
        },
        "data": {
            "searched": {str(folder): os.path.isdir(folder) for folder in searched},
            "sets": {row["name"]: row["where"] if row["available"] else None for row in sets},
        },
        "places": {what: {"path": str(path), **writable(path)} for what, path in places.items()},
    }


def writable(folder: Path) -> dict[str, Any]:
    """Whether files can be written there, tried with one that has no name; the reason if not, and the bytes free."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent  # it would be made
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
            file.flush()
        space = os.statvfs(place)
    except OSError as error:
        return {"writable": False, "reason": error.strerror or str(error), "exists": place == folder}
    return {"writable": True, "free_bytes": space.f_bavail * space.f_frsize, "exists": place == folder}


def lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The findings as pairs of a name and a text; an empty pair stands between two sections."""
    for name, number in found["versions"].items():
        if name != "git_commit":
            yield name, number or "not installed"
    yield "commit", found["versions"]["git_commit"] or "not run from a checkout"
    yield "", ""
    machine = found["machine"]
    yield "platform", machine["platform"]
    yield "processor", machine["processor"]
    fewer = machine["cores"] < machine["processors"]
    quota = f"; the container's quota allows {machine['cores']} at once" if fewer else ""
    yield "processors", f"{machine['processors']}{quota}"
    free = machine["free_memory_bytes"]
    yield "memory", "unknown" if free is None else f"{free / GIGA:.1f} GB free"
    yield "GPU", _of_gpus(machine["gpus"])
    yield "", ""
    for folder, there in found["data"]["searched"].items():
        yield "data folders", f"{folder}{'' if there else ' (no such folder)'}"
    if not found["data"]["searched"]:
        yield "data folders", "no folder: there is no home, and --data-dir names none"
    for name, where in found["data"]["sets"].items():
        yield name, where or "not here"
    yield "", ""
    for what, place in found["places"].items():
        if place["writable"]:
            state = f"{place['free_bytes'] / GIGA:.1f} GB free{'' if place['exists'] else ', to be made'}"
        else:
            state = f"cannot be written ({place['reason']})"
        yield what, f"{place['path']}: {state}"


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none can be written
        return Path("/tmp")


def _of_gpus(found: Any) -> str:
    if found is None:
        return "not asked; --tensorflow asks TensorFlow"
    return found if isinstance(found, str) else ", ".join(found) or "none that TensorFlow sees"


def _gpus() -> list[str] | str:
    """The GPUs that TensorFlow sees; or why it cannot be imported."""
    prepare()
    try:
        with chatter(Path(os.devnull)):
            import_keras()
            import tensorflow as tf

            return [device.name for device in tf.config.list_physical_devices("GPU")]
    except Exception as error:  # what is broken is what was asked for
        return f"TensorFlow cannot be imported: {type(error).__name__}: {error}".splitlines()[0]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
