"""One run: its figures, its summary, its line in a list."""
