"""One run from its plan to its end, and what is done with it afterwards."""
