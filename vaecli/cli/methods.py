"""`vaecli methods`."""

import json as json_format
import os
from pathlib import Path
from typing import Any

from vaecli.cli.echo import echo
from vaecli.cli.options import JsonOption

EXACT_FOR = {
    "constant": "no loss that depends on the code",
    "linear": "linear losses",
    "quadratic": "quadratic losses",
    "every": "every loss",
}


def methods(json: JsonOption = False) -> None:
    """List the methods and what their gradients promise.

    The column "exact for" gives the degree in the code of losses whose gradient is exact in expectation; "decodings"
    counts the codes decoded per image and step, at the method's defaults.
    """
    from vaecli.reports.columns import aligned

    found = [_row(name) for name in _names()]
    if json:
        echo(json_format.dumps(found, indent=2))
        return
    header = ("method", "exact for", "decoder reads", "decodings", "options")
    rows = [[row["method"], row["exact_for"], row["reads"], row["decodings"], row["options"]] for row in found]
    texts = [["" if cell is None else _text(cell) for cell in row] for row in rows]
    for line in aligned([header, *texts]):
        echo(line)


def _names() -> list[str]:
    from vaecli.registry import METHODS

    return list(METHODS)


def _row(name: str) -> dict[str, Any]:
    """The entry of a method; one without an estimator promises nothing."""
    from vaecli.backend.process import chatter, import_keras, prepare
    from vaecli.config import config_from_text
    from vaecli.config.latent import Latent
    from vaecli.registry import METHODS

    method = METHODS[name]
    row: dict[str, Any] = {"method": name, "help": method.help, "options": list(method.options)}
    if method.estimator is None:
        return {**row, "exact_for": None, "reads": None, "decodings": 1}
    prepare()
    with chatter(Path(os.devnull)):
        import_keras()
        promises = method.estimator.load().promises
    model = config_from_text(f"model: {name}").model
    latent, options = Latent.of(model.codes), model.options()
    own = {option: options[option] for option in method.estimator.options}
    decodings = promises.decodings(latent.codes_per_position, latent.most_values, **own)
    exact = EXACT_FOR[promises.exact_for]
    if promises.exact_at:
        exact += f" at {', '.join(f'{option} {value:g}' for option, value in promises.exact_at.items())}"
    return {**row, "exact_for": exact, "reads": promises.reads, "decodings": decodings}


def _text(cell: Any) -> str:
    return ", ".join(cell) if isinstance(cell, list) else str(cell)
