"""Shell completion: names of runs and of configs, found without any heavy import."""

from pathlib import Path
from typing import Any

from vaecli.registry import METHODS


def run_names(ctx: Any, incomplete: str) -> list[str]:
    """Runs of the output folder whose names begin with the given text."""
    folder = Path(ctx.params.get("output_dir") or "outputs")
    return sorted(path.parent.name for path in folder.glob("*/run.json") if path.parent.name.startswith(incomplete))


def config_names(incomplete: str) -> list[str]:
    """Presets, configs and methods without a preset that begin with the given text."""
    package = Path(__file__).resolve().parents[1]
    folders = (Path(), Path("configs"), package / "configs", package.parent / "configs")
    found = {path.name for folder in folders for path in folder.glob("*.yaml")}
    found |= {name for name in METHODS if f"{name}.yaml" not in found}
    return sorted(name for name in found if name.startswith(incomplete))


def method_names(incomplete: str) -> list[str]:
    """Methods that begin with the given text, including those of other packages."""
    return [name for name in METHODS if name.startswith(incomplete)]


def config_and_run_names(ctx: Any, incomplete: str) -> list[str]:
    """Runs and configs: what `compare` takes."""
    return [*config_names(incomplete), *run_names(ctx, incomplete)]


def source_names(incomplete: str) -> list[str]:
    """Sources of published figures that begin with the given text."""
    folder = Path(__file__).resolve().parents[1] / "papers" / "sources"
    return sorted(path.stem for path in folder.glob(f"{incomplete}*.yaml"))
