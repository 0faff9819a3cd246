"""Commands of which no option is given twice, and whose help begins with examples and fits the terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from vaecli.cli.echo import printing, text_columns
from vaecli.errors import ConfigError
from vaecli.screen import width_of

UsageError: Any = typer.BadParameter.__bases__[0]  # click's own, which newer versions of Typer bring along
Function = TypeVar("Function", bound=Callable[..., Any])


def examples(*lines: str) -> Callable[[Function], Function]:
    """Gives a command the lines with which its help begins; `vaecli` is put before them."""

    def with_examples(function: Function) -> Function:
        function.examples = [f"vaecli {line}" for line in lines]  # type: ignore[attr-defined]
        return function

    return with_examples


class Helped:
    """Help of a command: how it is called, examples, what it does, arguments and options, its commands."""

    callback: Any
    help: str | None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [param for param in self.get_params(ctx) if isinstance(param, TyperArgument)]  # type: ignore[attr-defined]
        commands = ["COMMAND [ARGS]..."] if hasattr(self, "commands") else []
        return ["[OPTIONS]", *map(_called, arguments), *commands]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write("\n".join(_help(self, ctx, text_columns())) + "\n")


@contextlib.contextmanager
def folded_refusals() -> Iterator[None]:
    """Folds what click refuses at words, as every other line."""
    from vaecli.reports.columns import filled

    try:
        yield
    except UsageError as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # which is the help
            lines = filled(f"Error: {error.format_message()}", width_of(sys.stderr))
            raise UsageError("\n".join(lines).removeprefix("Error: "), ctx=error.ctx) from None
        raise


class Command(Helped, TyperCommand):
    """Refuses a second value of an option, where click would keep the last in silence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with folded_refusals():
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            single = isinstance(option, TyperOption) and not (option.multiple or option.is_flag)
            if single and given.count(option) > 1 and not ctx.resilient_parsing:
                raise ConfigError([f"{option.opts[0]}: is given {given.count(option)} times, and has one value"])
        with printing(), folded_refusals():  # printing: --help
            return super().parse_args(ctx, args)


class Group(Helped, TyperGroup):
    """A command with commands of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with printing(), folded_refusals():  # printing: --help and --version
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with folded_refusals():
            return super().resolve_command(ctx, args)


def _help(command: Any, ctx: Any, width: int) -> Iterator[str]:
    from vaecli.reports.columns import beside, text_width, typed, words

    begin = f"Usage: {ctx.command_path} "
    usage = begin + " ".join(command.collect_usage_pieces(ctx))
    yield from words(usage, text_width(width), subsequent_indent=" " * min(len(begin), 16))
    yield ""
    for line in command.callback.examples:
        yield from typed(line, width, begin="  ")
    for paragraph in (command.help or "").split("\n\n"):
        yield ""
        yield from words("  " + " ".join(paragraph.split()), text_width(width), subsequent_indent="  ")
    for title, rows in help_records(command, ctx).items():
        if rows:
            yield from ("", f"{title}:")
            yield from (f"  {line}" for line in beside(rows, width - 2))


def help_records(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """What a command takes, each with its help: its arguments, its options, and its commands."""
    params = command.get_params(ctx)
    arguments = [param for param in params if isinstance(param, TyperArgument)]
    options = [param for param in params if not isinstance(param, TyperArgument)]
    return {
        "Arguments": [(str(param.metavar), _text(param, ctx)) for param in arguments],
        "Options": [_of_option(param, ctx) for param in options],
        "Commands": [(name, _summary(found)) for name, found in getattr(command, "commands", {}).items()],
    }


def _called(argument: Any) -> str:
    name = f"{argument.metavar or argument.name}{'...' * (argument.nargs != 1)}"
    return name if argument.required else f"[{name}]"


def _of_option(option: Any, ctx: Any) -> tuple[str, str]:
    """The names of an option with what it takes, and its help."""
    text = _text(option, ctx).replace("[x", f"[{option.metavar}").replace("<=x<=", f"<={option.metavar}<=")
    names = ", ".join(sorted(option.opts, key=len))
    return (f"{names} {option.metavar}" if option.metavar else names), text


def _text(param: Any, ctx: Any) -> str:
    """The help of an argument or an option, with its default, on one line."""
    _, text = param.get_help_record(ctx)
    return " ".join(text.split())


def _summary(command: Any) -> str:
    """The first paragraph of what a command does."""
    return " ".join((command.help or "").partition("\n\n")[0].split())
