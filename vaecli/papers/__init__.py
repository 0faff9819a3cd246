"""Published tables as data, and what a figure of ours says of one of theirs."""
