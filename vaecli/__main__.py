"""`python -m vaecli` is `vaecli`."""

from vaecli.cli import main

main()
