"""Progress display and signal handling, shared by the commands and the public functions."""
