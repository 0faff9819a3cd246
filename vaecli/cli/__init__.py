"""The commands: options, help, one call. Heavy imports happen inside their bodies."""

from vaecli.cli.app import main

__all__ = ["main"]
