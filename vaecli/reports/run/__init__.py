"""Reports of one run: figures, summary, and its line in a list."""
