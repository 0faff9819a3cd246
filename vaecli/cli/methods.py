"""`vaecli methods`."""

import json as json_format

from vaecli.cli.command import examples
from vaecli.cli.echo import echo, table_width
from vaecli.cli.options import JsonOption


@examples("methods", "methods --json")
def methods(json: JsonOption = False) -> None:
    """List the methods, a line each, by family.

    The family says what a gradient promises. The column "exact for" gives the degree in the code of losses for which it
    is exact in expectation; "decodings" counts the codes decoded per image and step, at the method's defaults. With
    --json each method has its options too; `vaecli explain METHOD` says more of one.
    """
    from vaecli.registry import METHODS
    from vaecli.reports.explanation import method_lines, promised

    if json:
        echo(json_format.dumps([promised(name) for name in METHODS], indent=2))
        return
    for line in method_lines(table_width()):
        echo(line)
