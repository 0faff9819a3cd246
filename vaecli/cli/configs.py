"""`vaecli check` and `vaecli init`."""

from pathlib import Path
from typing import Annotated

import typer

from vaecli.cli.command import examples
from vaecli.cli.complete import method_names
from vaecli.cli.echo import echo, table_width, tell
from vaecli.cli.options import JsonOption, SetOption
from vaecli.config.arguments import path_of
from vaecli.registry import BUILT_IN


@examples("check my.yaml", "check gumbel --set model.temperature=0.5 --json")
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
    tell(METHODS.refused([checked.model.name]), err=True)
    if json:
        echo(json_format.dumps(checked.to_dict(), indent=2))
    else:
        tell([f"{find_config(config)}: ok, {checked.model.name} on {checked.data.name}"])


@examples("init gumbel", "init vqvae --output my.yaml")
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
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            callback=path_of,
            help="File to write; - for stdout. [default: MODEL.yaml]",
        ),
    ] = None,
) -> None:
    """Write a commented config of a method.

    The config has every key at its default. Its first line names a JSON schema that is written beside it, with which
    editors complete keys; on standard output there is neither.
    """
    from vaecli.config import template
    from vaecli.config.json_schema import FILE_NAME, MODELINE
    from vaecli.errors import ConfigError
    from vaecli.registry import METHODS, suggest

    if model not in METHODS:
        raise ConfigError([f"unknown model {model!r}{suggest(model, METHODS)}"])
    target = output or Path(f"{model}.yaml")
    if str(target) == "-":
        echo(template(model, table_width()).rstrip("\n"))
        return
    text, schema = f"{MODELINE}\n{template(model)}", _schema_text()  # first: a method may be refused
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
        target.with_name(FILE_NAME).write_text(schema, encoding="utf-8")
    except FileExistsError:
        raise ConfigError([f"{target}: already exists; remove it, or choose another file with --output"]) from None
    except OSError as error:
        raise ConfigError([f"{error.filename or target}: cannot be written ({error.strerror})"]) from None
    echo(str(target))


@examples("schema", "schema > .vaecli.schema.json")
def schema() -> None:
    """Print the JSON schema of a config, for editors.

    It has the methods of other packages that are installed too. A config names it in its first line, as `vaecli init`
    writes it, by its place beside the config.
    """
    echo(_schema_text().rstrip("\n"))


def _schema_text() -> str:
    import json as json_format

    from vaecli.config.json_schema import json_schema

    return json_format.dumps(json_schema(), indent=1) + "\n"
