"""The metrics: their table, intervals over seeds, and what codes say about labels."""
