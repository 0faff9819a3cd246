"""The provenance of runs: where, when and with what they were made."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vaecli.backend.process import processors
from vaecli.data import Dataset
from vaecli.data.files import OWN, title_of_file
from vaecli.runs.schema import Info, Session

NUMERICAL = ("vaecli", "tensorflow", "keras", "numpy")  # another version of these may change bits
PACKAGES = ("vaecli", "tensorflow", "keras", "numpy", "scikit-learn", "matplotlib", "pydantic")


def provenance(dataset: Dataset, argv: Sequence[str]) -> dict[str, Any]:
    """The contents of run.json beside the config; nothing in it changes a result."""
    return {
        "argv": [word.encode(errors="backslashreplace").decode() for word in argv],  # a name may be no text
        "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "data": facts(dataset),
        **environment(),
    }


def facts(dataset: Dataset) -> dict[str, Any]:
    """run.json's `data`."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "fallback_for": dataset.fallback_for,
        "source": dataset.source,
        "binarization": dataset.binarization,
        "digest": dataset.digest,
        "scale": dataset.scale,
        "image_shape": list(dataset.image_shape[:2] if dataset.image_shape[2] == 1 else dataset.image_shape),
        "train": len(dataset.train),
        "validation": len(dataset.validation) if dataset.validation else 0,
        "test": len(dataset.test),
    }


def data_name(data: Mapping[str, Any]) -> str:
    """The data of run.json's data block for people: their name, and how their pixels came to be 0 or 1."""
    return bare_name(data) + binarized(data)


def binarized(data: Mapping[str, Any]) -> str:
    """What follows the name of binarized data: " (binarized: static)"."""
    how = data.get("binarization", "none")
    return "" if how == "none" else f" (binarized: {how})"


def bare_name(data: Mapping[str, Any]) -> str:
    """The name of the data in run.json's data block: the title, or the file of user-supplied data without a title."""
    name: str = data["name"]
    return data.get("title") or (title_of_file(data["source"]) if name == OWN else name)


def environment() -> dict[str, Any]:
    """The versions of source and libraries, and the machine."""
    return {
        "git_commit": _git_commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "host": platform.node(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpus": processors(),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS"),
    }


def session(info: Info) -> Session:
    """The newest entry of a run.json: its last resume, or its start."""
    return (info.get("history") or [info])[-1]


def made_with(info: Info) -> dict[str, str]:
    """What may affect the bits of a run, over all of its sessions; several values if they differed."""
    found: dict[str, list[str]] = {}
    for one in (info, *info.get("history", [])):
        for name, value in _numerical(one).items():
            if str(value) not in found.setdefault(name, []):
                found[name].append(str(value))
    return {name: " then ".join(values) for name, values in found.items()}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Changes between two sessions that may affect bits, e.g. "keras 3.14 -> 3.15" or "threads 2 -> 1"."""
    old, new = _numerical(before), _numerical(now)
    return [f"{name} {old[name]} -> {new[name]}" for name in old if str(old[name]) != str(new[name])]


def _numerical(session: Mapping[str, Any]) -> dict[str, Any]:
    versions = {name: session["versions"].get(name) for name in NUMERICAL}
    return {**versions, "threads": session["threads"] or session["cpus"], "cpu": session["cpu"]}


def _git_commit() -> str | None:
    """The commit of the running source, with "+" if it has uncommitted changes; None outside a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(source), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
