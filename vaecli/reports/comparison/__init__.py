"""Runs held against each other: groups, table, figures, sentences and the page."""
