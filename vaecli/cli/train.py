"""`vaecli train`."""

import json as json_format
import sys
from typing import Annotated

import typer

from vaecli.cli.console import Console, echo
from vaecli.cli.options import (
    OUTPUT_DIR,
    ConfigOption,
    DataDirOption,
    JsonOption,
    OutputDirOption,
    QuietOption,
    SetOption,
)
from vaecli.cli.signals import Stop


def train(
    config: ConfigOption,
    set_: SetOption = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set training.epochs=N.")] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set training.seed=N.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Short for --set training.batch_size=N.")] = None,
    output_dir: OutputDirOption = OUTPUT_DIR,
    data_dir: DataDirOption = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads to use; else all.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin again, discarding what the run's folder holds.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; train, fetch and write nothing.")] = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train one model, or resume it.

    The same command resumes what was interrupted and shows what is finished.

    Prints the run's folder (with --json its summary) to stdout, all else to stderr. Exit codes: 0 done, 1 failed,
    2 a mistake in what was asked, 4 diverged, 130 and 143 interrupted and saved.
    """
    with Console(quiet=quiet) as console:
        console.say(f"vaecli train: reading {config}")
        with Stop() as stop:
            from vaecli.backend.process import prepare
            from vaecli.cli.plan import plan_lines
            from vaecli.config import read_config
            from vaecli.data import load
            from vaecli.experiment.plan import plan_run
            from vaecli.experiment.train import mendable, train_run
            from vaecli.launch.witness import witnessed
            from vaecli.reports.run.listing import changed_lines
            from vaecli.reports.run.summary import summary_lines

            shortcuts = {"epochs": epochs, "seed": seed, "batch_size": batch_size}
            overrides = [f"training.{key}={value}" for key, value in shortcuts.items() if value is not None]
            asked = read_config(config, [*(set_ or []), *overrides])
            prepare(threads)
            if dry_run:
                for line in plan_lines(asked, data_dir, output_dir):
                    echo(line)
                return
            dataset = load(asked.data, data_dir, console.fetching)
            if dataset.fallback_for:
                console.say(dataset.fallback_reason or "")
                console.say(f"training on the bundled {dataset.name} (8x8) instead of {dataset.fallback_for}")
            plan = plan_run(asked, dataset, output_dir)
            if plan.run.finished and not fresh and not mendable(plan.run):
                console.say(f"{plan.run.path} is finished already; this is its result (--fresh trains it again)")
            else:
                name = plan.config.model.name
                console.say(f"{name} on {dataset.called} ({dataset.source}) -> {plan.run.path}")
                with witnessed(plan.run, console.stream):
                    train_run(plan, console, argv=sys.argv, fresh=fresh, stop=stop)
        console.lines(summary_lines(plan.run))
        console.lines(changed_lines(plan.run))
    echo(json_format.dumps(plan.run.summary, indent=2) if json else str(plan.run.path))
