"""vaecli: train, compare and understand autoencoders with a discrete latent.

The functions do what the commands of the same names do (vaecli/api says how). Each is imported on first use, so that
`import vaecli` costs nothing.
"""

TYPE_CHECKING = False  # in place of typing's: `python -m vaecli` reads this before it shuts out a typing.py of users

if TYPE_CHECKING:
    from typing import Any

    from vaecli.api import audit as audit
    from vaecli.api import compare as compare
    from vaecli.api import decode as decode
    from vaecli.api import encode as encode
    from vaecli.api import evaluate as evaluate
    from vaecli.api import export as export
    from vaecli.api import plot as plot
    from vaecli.api import prior as prior
    from vaecli.api import prune as prune
    from vaecli.api import quality as quality
    from vaecli.api import reconstruct as reconstruct
    from vaecli.api import reproduce as reproduce
    from vaecli.api import sample as sample
    from vaecli.api import toy as toy
    from vaecli.api import train as train
    from vaecli.api import verify as verify
    from vaecli.errors import VaecliError as VaecliError
    from vaecli.experiment.trained import load_run as load_run

__version__ = "0.1.0"
__all__ = [
    "VaecliError",
    "__version__",
    "audit",
    "compare",
    "decode",
    "encode",
    "evaluate",
    "export",
    "load_run",
    "plot",
    "prior",
    "prune",
    "quality",
    "reconstruct",
    "reproduce",
    "sample",
    "toy",
    "train",
    "verify",
]

_PLACES = {"VaecliError": "vaecli.errors", "load_run": "vaecli.experiment.trained"}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'vaecli' has no attribute {name!r}")
    return getattr(import_module(_PLACES.get(name, "vaecli.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
