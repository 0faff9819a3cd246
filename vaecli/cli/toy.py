"""`vaecli toy`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.complete import toy_names
from vaecli.cli.echo import table_width
from vaecli.cli.formats import Format, FormatOption, print_as
from vaecli.cli.options import OUTPUT_DIR, OutputDirOption, QuietOption, SeedsOption
from vaecli.config.arguments import path_of
from vaecli.errors import SOME_FAILED


@examples("toy reinmax gumbel_rao mve straight_through", "toy --sweep exponent=1.5,2,3")
def toy(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ESTIMATOR",
            help="Estimators, or YAML files of a toy. [default: every estimator that draws codes]",
            autocompletion=toy_names,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the toy, such as exponent, target, codes or model.temperature; may be repeated.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V1,V2", help="Try each of these values; several sweeps multiply."),
    ] = None,
    seeds: SeedsOption = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    output: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FOLDER",
            callback=path_of,
            help="Folder for table and figure. [default: a folder inside the output folder]",
        ),
    ] = None,
    format_: FormatOption = Format.table,
    quiet: QuietOption = False,
) -> None:
    """Minimise a loss of known optimum by the gradients of estimators.

    The toy is E mean |c(z) - target|^exponent over the logits of 128 codes z (arXiv 2304.08612): what a loss is above
    the optimum is the estimator's own. It needs no data and takes seconds for each; what is trained is read again. Exit
    codes: 0 done, 2 a mistake in the request, 3 a loss is no number, 130 and 143 interrupted.
    """
    found = api.toy(
        *(names or ()),
        set=set_ or (),
        sweep=sweep or (),
        seeds=seeds,
        output_dir=output_dir,
        output=output,
        quiet=quiet,
        shown=partial(_print, format_),
    )
    if found.failures:
        raise typer.Exit(SOME_FAILED)


def _print(format_: Format, found: api.Toys) -> None:
    from vaecli.reports.toys.table import table_lines

    print_as(format_, found, table_lines(found.groups, table_width()))
