"""`vaecli methods`."""

import json as json_format
from typing import Any

from vaecli.cli.echo import echo
from vaecli.cli.options import JsonOption


def methods(json: JsonOption = False) -> None:
    """List the methods and what their gradients promise.

    The column "exact for" gives the degree in the code of losses whose gradient is exact in expectation; "decodings"
    counts the codes decoded per image and step, at the method's defaults.
    """
    from vaecli.reports.columns import aligned
    from vaecli.reports.explanation import promised

    found = [promised(name) for name in _names()]
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


def _text(cell: Any) -> str:
    return ", ".join(cell) if isinstance(cell, list) else str(cell)
