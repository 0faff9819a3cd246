"""One run from its plan to its end, and its use afterwards."""
