"""Comparisons of runs: groups, table, figures, sentences and the page."""
