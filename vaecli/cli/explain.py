"""`vaecli explain`."""

from typing import Annotated

import typer

from vaecli.cli.command import examples
from vaecli.cli.complete import explained_names
from vaecli.cli.echo import echo, text_columns


@examples("explain gumbel", "explain perplexity")
def explain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A method, such as gumbel; a metric or its column, such as perplexity; or a key of a config, such as "
            "temperature or training.epochs.",
            autocompletion=explained_names,
        ),
    ],
) -> None:
    """Explain a method, a metric or a key.

    Of a method: what is drawn, what the decoder reads, where the gradient goes and where it stops, the formula, what is
    promised, when to use it, its paper, its code, and its options.
    """
    from vaecli.reports.explanation import explanation

    for line in explanation(name, text_columns()):
        echo(line)
