"""The commands: options, help, one call. Heavy imports happen inside their bodies."""

__all__ = ["main"]


def main() -> None:
    """The entry point of the command; a signal ends it without a traceback even while it imports what it needs."""
    from vaecli.backend.process import reset_warnings
    from vaecli.terminal.signals import end_quietly

    end_quietly()
    reset_warnings()
    from vaecli.cli.app import main as run

    run()
