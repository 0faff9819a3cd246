"""Published figures beside ours: a table, records and a page."""
