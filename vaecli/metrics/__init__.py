"""What figures mean: intervals over seeds, and what codes say about labels."""
