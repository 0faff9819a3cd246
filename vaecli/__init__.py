"""vaecli: train, compare and understand autoencoders with a discrete latent.

`load_run` is imported on first use, so that `import vaecli` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaecli.experiment.trained import load_run as load_run

__version__ = "0.1.0"
__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> Any:
    if name == "load_run":
        from vaecli.experiment.trained import load_run

        return load_run
    raise AttributeError(f"module 'vaecli' has no attribute {name!r}")
