"""`vaecli reproduce`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vaecli import api
from vaecli.cli.command import examples
from vaecli.cli.complete import source_names
from vaecli.cli.echo import table_width
from vaecli.cli.formats import Format, FormatOption, print_as
from vaecli.cli.options import OUTPUT_DIR, DataDirOption, OutputDirOption, QuietOption, SeedsOption
from vaecli.errors import SOME_FAILED


@examples("reproduce --list", "reproduce --quick --seeds 3")
def reproduce(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Sources of published figures, or YAML files of your own. [default: all]",
            autocompletion=source_names,
        ),
    ] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option(
            "--cells",
            metavar="PART|PATTERN",
            help="Only cells whose name, SOURCE/SETTING/METRIC/e20, has this part or matches this pattern with *; "
            "may be repeated.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the earliest epoch or step of each setting, with the whole protocol.")
    ] = False,
    seeds: SeedsOption = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show each cell with its verdict so far and its cost; train nothing.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Runs to train side by side, one thread each. [default: as many as cores and memory allow]",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|FILE", help="Train on the workers of this dask scheduler, e.g. tcp://host:8786."),
    ] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for table, records and page. [default: a folder inside the output folder]",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    format_: FormatOption = Format.table,
    quiet: QuietOption = False,
) -> None:
    """Train the protocols of published figures, and compare.

    Finished runs are reused, unfinished ones resumed. A cell is one published number: verified (within what seeds and
    printed digits allow), better, not reproduced, inconclusive, toy, not expressible (and what is missing) or no data
    (and which file). Exit codes: 0 done, 2 a mistake in the request, 3 a cell is not reproduced or a run failed, 130
    and 143 interrupted and saved.
    """
    found = api.reproduce(
        *(sources or ()),
        cells=cells or (),
        quick=quick,
        seeds=seeds,
        list_only=list_,
        jobs=jobs,
        scheduler=scheduler,
        output_dir=output_dir,
        data_dir=data_dir,
        output=output,
        dry_run=dry_run,
        quiet=quiet,
        shown=partial(_print, format_),
    )
    if not list_ and not found.reproduced:
        raise typer.Exit(SOME_FAILED)


def _print(format_: Format, found: api.Reproduction) -> None:
    from vaecli.reports.reproduction.table import table_lines

    print_as(format_, found, table_lines(found.cells, found.minutes or None, table_width()))
