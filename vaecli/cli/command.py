"""A command of which no option is given twice, unless it may be repeated."""

from typing import Any

from typer.core import TyperCommand, TyperOption

from vaecli.cli.echo import printing
from vaecli.errors import ConfigError


class Command(TyperCommand):
    """Refuses a second value of an option, where click would keep the last in silence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            single = isinstance(option, TyperOption) and not (option.multiple or option.is_flag)
            if single and given.count(option) > 1 and not ctx.resilient_parsing:
                raise ConfigError([f"{option.opts[0]}: is given {given.count(option)} times, and has one value"])
        with printing():  # --help
            return super().parse_args(ctx, args)
