"""`vaecli explain`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.command import examples
from vaecli.cli.complete import explained_names
from vaecli.cli.echo import echo, text_columns
from vaecli.cli.options import ForceOption, choices
from vaecli.config.arguments import path_of
from vaecli.errors import ConfigError


class Format(StrEnum):
    text = "text"
    bibtex = "bibtex"


@examples("explain gumbel", "explain gumbel --output gumbel.png")
def explain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A method, such as gumbel; a column of any table, such as perplexity or bias; or a key of a config, "
            "such as temperature or training.epochs.",
            autocompletion=explained_names,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            callback=path_of,
            help="Draw a method as a figure: png, svg or pdf.",
        ),
    ] = None,
    force: ForceOption = False,
    format_: Annotated[
        Format, typer.Option("--format", "-f", metavar=choices(Format), help="bibtex: the papers of a method.")
    ] = Format.text,
) -> None:
    """Explain a method, a column or a key.

    Of a method: what is drawn, what the decoder reads, where the gradient goes and where it stops, the formula, what is
    promised, when to use it, its paper, its code, and its options.
    """
    if format_ is Format.bibtex:
        if output is not None:
            raise ConfigError([f"--output {output}: draws a figure, which --format bibtex is not"])
        from vaecli.papers.bibliography import of_method

        echo(of_method(name))
        return
    from vaecli.reports.explanation import drawing, explanation

    if output is None:
        for line in explanation(name, text_columns()):
            echo(line)
        return
    from vaecli.experiment.apply import free
    from vaecli.reports.style import checked_format, save, styled

    checked_format(output.suffix[1:], free(output, force=force))
    shown = drawing(name)
    with styled():
        from vaecli.reports.diagram import draw

        echo(str(save(draw(shown), output)))
