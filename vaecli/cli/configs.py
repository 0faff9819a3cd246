"""`vaecli check` and `vaecli init`."""

from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.complete import method_names
from vaecli.cli.echo import echo
from vaecli.cli.options import JsonOption, SetOption
from vaecli.registry import BUILT_IN


def check(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a preset.")],
    set_: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Validate a config without training.

    With --json the complete config is printed, including defaults.
    """
    import json as json_format

    from vaecli.config import find_config, read_config
    from vaecli.registry import METHODS

    checked = read_config(config, set_ or [])
    for line in METHODS.refused([checked.model.name]):
        echo(line, err=True)
    if json:
        echo(json_format.dumps(checked.to_dict(), indent=2))
    else:
        echo(f"{find_config(config)}: ok, {checked.model.name} on {checked.data.name}")


def init(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help=f"One of {', '.join(BUILT_IN)}; or a method of another package.",
            autocompletion=method_names,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; - for stdout. [default: MODEL.yaml]")
    ] = None,
) -> None:
    """Write a commented config of a method.

    The config has every key at its default.
    """
    from vaecli.config import template
    from vaecli.errors import ConfigError
    from vaecli.registry import METHODS, suggest

    if model not in METHODS:
        raise ConfigError([f"unknown model {model!r}{suggest(model, METHODS)}"])
    text = template(model)
    target = output or Path(f"{model}.yaml")
    if str(target) == "-":
        echo(text.rstrip("\n"))
        return
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError([f"{target}: already exists; remove it, or choose another file with --output"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written ({error.strerror})"]) from None
    echo(str(target))
