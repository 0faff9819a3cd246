"""`python -m vaecli` is `vaecli`: modules beside the user's configs are none of it."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory

from vaecli.cli import main

main()
